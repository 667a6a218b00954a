# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JMESPath by its specification; tests/libvirt compares it with the library of that name."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.query.expression import WrongQuery, search
from hypothesis import given, settings
from hypothesis import strategies as st

DOCUMENT = {
    "cells": [
        {"id": 0, "cpus": [0, 1], "pages": [{"size": 4, "n": 9}, {"size": 2048, "n": 2}]},
        {"id": 1, "cpus": [2, 3], "pages": [{"size": 4, "n": 8}]},
        {"id": 2},
    ],
    "pools": {"a": {"free": 3, "on": True}, "b": {"free": 5, "on": False}, "c": {}},
    "name": "hv1",
    "odd key": {"@x": "1", "#text": "t"},
    "empty": [],
    "zero": 0,
}


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("name", "hv1"),
        ("nobody", None),
        ('"odd key"."@x"', "1"),
        ("cells[0].id", 0),
        ("cells[-1].id", 2),
        ("cells[9]", None),
        ("cells[*].id", [0, 1, 2]),
        ("cells[:2].id", [0, 1]),
        ("cells[::-1].id", [2, 1, 0]),
        ("cells[].cpus", [[0, 1], [2, 3]]),
        ("cells[].cpus[]", [0, 1, 2, 3]),
        ("cells[*].pages[?size!=`4`].n", [[2], []]),
        ("cells[*].pages[] | [?size!=`4`].n", [2]),
        ("cells[?pages[?size==`2048`]].id", [0]),
        ("cells[?!pages].id", [2]),
        ("pools.*.free", [3, 5]),
        ("pools.*.free | [0]", 3),
        ("cells[].{i: id, c: length(cpus || `[]`)}", [{"i": 0, "c": 2}, {"i": 1, "c": 2}, {"i": 2, "c": 0}]),
        ("cells[*].[id, cpus[0]]", [[0, 0], [1, 2], [2, None]]),
        ("pools.a.on && name", "hv1"),
        ("pools.b.on && name", False),
        ("zero || name", 0),
        ("empty || name", "hv1"),
        ("!empty", True),
        ("zero == `0`", True),
        ("`1` == `true`", False),
        ("name > `1`", None),
        ("sum(pools.*.free)", 8),
        ("max_by(cells, &id).id", 2),
        ("sort_by(values(pools)[?free], &free)[-1].free", 5),
        ("join('-', cells[*].to_string(id))", "0-1-2"),
        ("map(&id, cells)", [0, 1, 2]),
        ("contains(cells[0].cpus, `1`)", True),
        ("merge(pools.a, {free: `9`})", {"free": 9, "on": True}),
        ("keys(pools)", ["a", "b", "c"]),
        ("not_null(nobody, name)", "hv1"),
        ("type(cells)", "array"),
        ("to_number('0x1')", None),
        ("'it\\'s'", "it's"),
        ("@.name", "hv1"),
        ("reverse('abc')", "cba"),
        ("avg(empty)", None),
    ],
)
def test_the_language(expression, found):
    assert search(expression, DOCUMENT) == found


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("", "the end has no meaning at character 1"),
        ("a.", "the end has no meaning at character 3"),
        ("a b", "'b' has no meaning at character 3"),
        ("a[", "the end has no meaning"),
        ("a[1:2:0]", "steps of 0"),
        ("a[1:2:3:4]", "']' has no meaning"),
        ("a ^ b", "nothing begins with '^', at character 3"),
        ("`{`", "is no JSON"),
        ("f(a)", "there is no function f()"),
        ("abs(name)", "abs(): argument 1 has to be number, and is string"),
        ("abs(zero, zero)", "abs() takes 1 argument(s), not 2"),
        ("sum(cells)", "argument 1 has to be array of number, and is array of object"),
        ("sort_by(cells, &cpus)", "sort_by(): the expression gives array, null, neither all numbers nor strings"),
        ("(" * 20000, "nested too deeply"),
        ("!" * 101 + "zero", "nested too deeply"),
        ("name" + "|@" * 20000, "too long"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(expression, said):
    with pytest.raises(WrongQuery) as caught:
        search(expression, DOCUMENT)
    assert said in str(caught.value)


@settings(max_examples=500, deadline=None)
@given(st.text("abc[]{}().,:*@!|&<>=?'`\"0-1 ", max_size=12))
def test_nonsense_is_refused_and_nothing_else_happens(expression):
    try:
        search(expression, {"a": [{"b": 1}], "c": {"a": "b"}})
    except WrongQuery:
        pass
