# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.routes.line import line
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.routes.planner import Picture, plan
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.routes.wanted import WrongRoute, parse_all


class Links:
    """A host that has the links v0 (1) and v1 (2)."""

    def find(self, name):
        return {"v0": {"ifindex": 1}, "v1": {"ifindex": 2}}.get(name)


def wanted(*routes):
    return parse_all([{"state": "present", **route} for route in routes], True)


def found(**fields):
    route = {
        "type": "unicast",
        "family": "inet",
        "dst": "192.0.2.0/24",
        "table": "main",
        "protocol": "static",
        "scope": "global",
        "gateway": "10.0.0.1",
        "oif": 1,
        "dev": "v0",
        "flags": [],
    }
    return {**route, **fields}


def planned(routes, *there):
    asked = wanted(*routes)
    keys = {}
    for route in there:
        family, dst, table = route["family"], route["dst"], route["table"]
        keys[(family, dst, table, route.get("metric", 1024 if family == "inet6" else 0))] = route
    return plan(Picture(Links(), keys), asked, None, lambda actions: [None] * len(actions))


@pytest.mark.parametrize(
    ("route", "complaint"),
    [
        ({}, "routes[0].dst: a route needs a destination"),
        ({"dst": "192.0.2.1/24", "dev": "v0"}, "is an address in 192.0.2.0/24"),
        ({"dst": "2001:db8::1/64", "dev": "v0"}, "is an address in 2001:db8::/64"),
        ({"dst": "192.0.2.0/33", "dev": "v0"}, "routes[0].dst: '192.0.2.0/33'"),
        ({"dst": "nowhere", "dev": "v0"}, "'nowhere' is not an IP address"),
        ({"dst": "192.0.2.0/24", "dev": "v0", "family": "inet6"}, "routes[0].family: 192.0.2.0/24 is not of inet6"),
        ({"dst": "192.0.2.0/24", "gateway": "10.0.0.1", "nhid": 5}, "routes[0].nhid: gateway is given too"),
        ({"dst": "192.0.2.0/24", "type": "blackhole", "dev": "v0"}, "routes[0].type: a blackhole route leads nowhere"),
        ({"dst": "192.0.2.0/24", "dev": "v0", "onlink": True}, "routes[0].onlink: is about a gateway"),
        ({"dst": "192.0.2.0/24", "onlink": True, "nexthops": [{"gateway": "10.0.0.1"}]}, "routes[0].onlink: is about"),
        ({"dst": "192.0.2.0/24", "dev": "v0", "metric": -1}, "routes[0].metric: takes 0 to 4294967295, not -1"),
        ({"dst": "192.0.2.0/24", "dev": "v0", "scope": "galaxy"}, "scope"),
        ({"dst": "192.0.2.0/24", "dev": "v0", "protocol": "gossip"}, "protocol"),
        ({"dst": "192.0.2.0/24", "gateway": "10.0.0.300"}, "gateway"),
        ({"dst": "192.0.2.0/24", "gateway": "10.0.0.1", "table": "no such"}, "table"),
    ],
)
def test_what_cannot_be_meant_is_named(route, complaint):
    with pytest.raises(WrongRoute) as error:
        wanted(route)
    assert complaint in str(error.value)


def test_spellings_of_one_route_are_one_route():
    first, second = wanted(
        {"dst": "2001:DB8:0::/64", "gateway": "FD00::0001"}, {"dst": "192.0.2.7/32", "dev": "v0", "protocol": "4"}
    )
    assert first.fields["dst"] == "2001:db8::/64"
    assert first.fields["gateway"] == "fd00::1"
    assert second.fields["dst"] == "192.0.2.7"
    assert second.fields["protocol"] == "static"


@pytest.mark.parametrize(
    ("route", "family"),
    [
        ({"dst": "default", "gateway": "fd00::1"}, "inet6"),
        ({"dst": "default", "gateway": "10.0.0.1"}, "inet"),
        ({"dst": "default", "dev": "v0"}, "inet"),
        ({"dst": "default", "dev": "v0", "family": "inet6"}, "inet6"),
        ({"dst": "::/0", "dev": "v0"}, "inet6"),
        ({"dst": "default", "nexthops": [{"gateway": "fd00::1", "weight": 1}]}, "inet6"),
    ],
)
def test_the_family_of_a_default_route(route, family):
    assert wanted(route)[0].rest.family == family


def test_what_is_there_is_not_touched():
    assert not planned([{"dst": "192.0.2.0/24", "gateway": "10.0.0.1"}], found())
    assert not planned([{"dst": "192.0.2.0/24", "gateway": "10.0.0.1", "dev": "v0", "protocol": "static"}], found())


@pytest.mark.parametrize(
    "route",
    [
        {"gateway": "10.0.0.2"},
        {"gateway": "10.0.0.1", "dev": "v1"},
        {"gateway": "10.0.0.1", "mtu": 1400},
        {"gateway": "10.0.0.1", "prefsrc": "10.0.0.9"},
        {"gateway": "10.0.0.1", "onlink": True},
        {"type": "blackhole"},
        {"nexthops": [{"gateway": "10.0.0.1", "weight": 1}]},
    ],
)
def test_what_differs_is_replaced(route):
    made = planned([{"dst": "192.0.2.0/24", **route}], found())
    assert [change.how.split()[0] for change in made.changes] == ["replace"]


def test_onlink_is_taken_away_where_it_is_not_to_be():
    there, by = found(flags=["onlink"]), {"dst": "192.0.2.0/24", "gateway": "10.0.0.1"}
    (change,) = planned([{**by, "onlink": False}], there).changes
    assert "onlink" in change.before and "onlink" not in change.after
    assert not planned([{**by, "onlink": False}], found(flags=["linkdown"]))
    assert not planned([by], there)


def test_hops_in_any_order_are_the_same():
    hops = [
        {"gateway": "10.0.0.1", "dev": "v0", "weight": 2},
        {"gateway": "10.0.0.2", "dev": "v0", "weight": 1},
    ]
    there = found(nexthops=hops)
    del there["gateway"]
    assert not planned([{"dst": "192.0.2.0/24", "nexthops": list(reversed(hops))}], there)
    assert planned([{"dst": "192.0.2.0/24", "nexthops": hops[:1]}], there)
    assert planned([{"dst": "192.0.2.0/24", "nexthops": [hops[0], {**hops[1], "weight": 9}]}], there)
    assert planned([{"dst": "192.0.2.0/24", "gateway": "10.0.0.1"}], there)


def test_routes_without_a_gateway_come_first_and_go_last():
    made = planned(
        [
            {"dst": "198.51.100.0/24", "gateway": "203.0.113.1"},
            {"dst": "203.0.113.0/24", "dev": "v0"},
            {"dst": "192.0.2.0/24", "state": "absent"},
            {"dst": "10.0.0.0/24", "state": "absent"},
        ],
        found(dst="10.0.0.0/24", gateway=None),
        found(),
    )
    assert [change.what for change in made.changes] == [
        "route 192.0.2.0/24",
        "route 10.0.0.0/24",
        "route 203.0.113.0/24",
        "route 198.51.100.0/24",
    ]


def test_absent_removes_only_what_fits():
    assert planned([{"dst": "192.0.2.0/24", "state": "absent"}], found())
    assert planned([{"dst": "192.0.2.0/24", "state": "absent", "gateway": "10.0.0.1"}], found())
    assert not planned([{"dst": "192.0.2.0/24", "state": "absent", "gateway": "10.0.0.2"}], found())
    assert not planned([{"dst": "192.0.2.0/24", "state": "absent", "metric": 5}], found())
    assert planned([{"dst": "192.0.2.0/24", "state": "absent", "metric": 5}], found(metric=5))


def test_a_link_that_is_not_there_is_named():
    with pytest.raises(WrongRoute, match=r"routes\[0\]: there is no link v9 for the route to 192.0.2.0/24"):
        planned([{"dst": "192.0.2.0/24", "dev": "v9"}])


def test_lines():
    assert line(found(), None) == "192.0.2.0/24  via 10.0.0.1  dev v0"
    assert line(found(table=100, metric=5, metrics={"mtu": 1400}, protocol="bird"), "blue") == (
        "192.0.2.0/24  netns blue  via 10.0.0.1  dev v0  table 100  proto bird  metric 5  mtu 1400"
    )
    way_out = {"dst": "default", "family": "inet6", "via": {"host": "fd00::1"}}
    assert line(way_out, None) == "default  inet6  via fd00::1"
