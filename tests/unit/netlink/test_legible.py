# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people read of a task is what they see, whatever links are called."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.legible import legible, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("br0  bridge  up", "br0  bridge  up"),
        ("a\x1b[31mb  bridge", "a\\x1b[31mb  bridge"),
        ("one\ntwo\n", "one\ntwo\n"),
        ("one\ntw\ro\n", "one\ntw\\ro\n"),
        ("a\x7f\x9b\u202eb", "a\\x7f\\x9b\\u202eb"),
        ("br\N{LATIN SMALL LETTER O WITH DIAERESIS}0", "br\N{LATIN SMALL LETTER O WITH DIAERESIS}0"),
    ],
)
def test_nothing_reaches_the_terminal_that_cannot_be_printed(text, shown):
    assert visible(text) == shown


def test_lines_of_a_result_are_visible_and_its_data_is_as_it_was():
    lines = ["br0: up", "a\x1bb: up"]
    result = {
        "changed": True,
        "changes": lines,
        "review": lines,
        "meanwhile": [],
        "link": {"ifname": "a\x1bb"},
        "diff": {"before": "", "after": "a\x1bb  up\n"},
    }
    told = ["br0: up", "a\\x1bb: up"]
    diff = {"before": "", "after": "a\\x1bb  up\n"}
    assert legible(result) == {**result, "changes": told, "review": told, "diff": diff}
    assert lines[1] == "a\x1bb: up"


@pytest.mark.parametrize("result", [{}, {"changed": False}, {"diff": None, "review": None}])
def test_what_is_not_told_stays_so(result):
    assert legible(result) == result
