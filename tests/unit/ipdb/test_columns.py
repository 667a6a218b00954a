# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.columns import from_columns, to_columns
from hypothesis import given
from hypothesis import strategies as st

ROUTES = [("routes", ("inet", "main", f"10.0.{number}.0/24", 0, 0, "", 0)) for number in range(3)]


def through_json(places):
    return list(from_columns(json.loads(json.dumps(to_columns(places)))))


@pytest.mark.parametrize(
    "places",
    [
        [],
        [("links", 3)],
        [("links", 3), ("links", 4)],
        [("rules", '{"priority": 7}')],
        ROUTES[:1],
        ROUTES,
        [("neighbours", (3, "10.0.0.1", False)), ("neighbours", (3, "10.0.0.2", True))],
    ],
)
def test_places_come_back(places):
    assert through_json(places) == places


def test_tables_that_take_turns_come_back_one_after_the_other():
    places = [("links", 3), ROUTES[0], ("links", 4), ROUTES[1]]
    assert through_json(places) == [places[0], places[2], places[1], places[3]]


KEYS = st.tuples(st.sampled_from(["inet", "inet6"]), st.integers(0, 3), st.text(max_size=3), st.booleans())


@given(st.lists(st.tuples(st.sampled_from(["routes", "fdb"]), KEYS), unique=True))
def test_any_places(places):
    assert through_json(places) == sorted(places, key=lambda place: [one for one, _key in places].index(place[0]))


def test_what_all_have_in_common_stands_there_once():
    assert to_columns(ROUTES) == {
        "routes": ["inet", "main", ("10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24"), 0, 0, "", 0]
    }
