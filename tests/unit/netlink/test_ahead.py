# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a thread makes ahead: all of it, in order, one at a time, and nothing after the end."""

from __future__ import annotations

import threading

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.ahead import ahead


def counted(count, made, fail_at=None):
    for number in range(count):
        if number == fail_at:
            raise ValueError(f"item {number}")
        made.append(threading.current_thread())
        yield number


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = threading.active_count()
    yield
    assert threading.active_count() == before


@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_all_items_come_in_order(count):
    assert list(ahead(counted(count, []))) == list(range(count))


def test_one_is_made_while_another_is_used():
    reached = threading.Event()

    def items():
        yield "used"
        reached.set()
        yield "made meanwhile"

    taken = ahead(items())
    assert next(taken) == "used"
    assert reached.wait(10)
    assert list(taken) == ["made meanwhile"]


def test_it_is_another_thread_that_makes_them():
    made = []
    assert len(list(ahead(counted(3, made)))) == 3
    assert threading.current_thread() not in made and len(set(made)) == 1


def test_an_error_comes_in_its_turn():
    taken = ahead(counted(5, [], fail_at=3))
    assert [next(taken) for _unused in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="item 3"):
        next(taken)


def test_who_stops_early_gets_at_most_one_more_made():
    made = []
    taken = ahead(counted(1000, made))
    assert next(taken) == 0
    taken.close()
    assert len(made) <= 2
