# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A result says of the parameters what was given, and no more, and only to those who look."""

from __future__ import annotations

import types
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.invocation import invocation


def called(params: dict[str, t.Any], verbosity: int = 3) -> types.SimpleNamespace:
    return types.SimpleNamespace(params=params, _verbosity=verbosity)


def test_what_was_not_given_is_left_out_at_any_depth():
    link = {"name": "br0", "mtu": None, "altnames": [], "options": {"id": 0, "peer": {"ifname": "a", "netns": None}}}
    assert invocation(called({"links": [link, {"name": "br1", "up": False}], "netns": None})) == {
        "module_args": {
            "links": [
                {"name": "br0", "altnames": [], "options": {"id": 0, "peer": {"ifname": "a"}}},
                {"name": "br1", "up": False},
            ]
        }
    }
    assert link["mtu"] is None and "mtu" in link, "the module's own parameters stay as they are"


def test_values_that_are_false_are_values():
    assert invocation(called({"a": 0, "b": "", "c": False, "d": [None]}))["module_args"] == {
        "a": 0,
        "b": "",
        "c": False,
        "d": [None],
    }


@pytest.mark.parametrize(("verbosity", "shown"), [(0, False), (2, False), (3, True), (5, True)])
def test_it_is_there_where_ansible_shows_it(verbosity, shown):
    assert ("module_args" in invocation(called({"name": "br0"}, verbosity))) is shown
