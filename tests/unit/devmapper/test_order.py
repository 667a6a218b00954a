# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order in which devices of a stack are made, and what a task may not want."""

from __future__ import annotations

import random

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.devices import order
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.errors import DmValueError


def test_the_lowest_comes_first() -> None:
    below = {"top": ["middle", "other"], "middle": ["low"], "low": ["disk"], "alone": []}
    arranged = order.arrange(below, ())
    assert arranged.names == ["low", "middle", "top", "alone"]
    assert set(arranged.stages.values()) == {0}  # nothing new: all go live together


def test_what_has_to_be_live_first_is_a_stage_earlier() -> None:
    below = {"top": ["middle"], "middle": ["low"], "low": []}
    assert order.arrange(below, ("low",)).stages == {"low": 0, "middle": 1, "top": 1}
    assert order.arrange(below, ("low", "middle")).stages == {"low": 0, "middle": 1, "top": 2}


def test_a_circle() -> None:
    with pytest.raises(DmValueError, match="a on b on a"):
        order.arrange({"a": ["b"], "b": ["a"]}, ())


def test_only_what_belongs_together_is_suspended_together() -> None:
    below = {"top": ["low"], "low": [], "alone": [], "on": ["elsewhere"]}
    assert order.related(list(below), below) == {"top", "low"}


@pytest.mark.parametrize("seed", range(50))
def test_random_stacks(seed: int) -> None:
    source = random.Random(seed)
    names = [f"n{number}" for number in range(12)]
    source.shuffle(names)
    below = {name: source.sample(names[:place], min(place, source.randint(0, 3))) for place, name in enumerate(names)}
    shuffled = dict(source.sample(list(below.items()), len(below)))
    first = source.sample(names, 4)
    arranged = order.arrange(shuffled, first)
    assert sorted(arranged.names) == sorted(names)
    for name, lower in below.items():
        for one in lower:
            assert arranged.names.index(one) < arranged.names.index(name)
            assert arranged.stages[name] >= arranged.stages[one] + (one in first)
