# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task of `netlink_route` returns is what `ip` shows."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.routes import spec, task

from tests.kernel import iproute2
from tests.kernel.links import filled

OPTIONS = {**spec.ROUTE, "netns": {"type": "str"}, "routes": {"type": "list", "options": spec.ROUTE}}
ROUTES = [
    {"dst": "default", "gateway": "192.0.2.254", "metric": 7},
    {"dst": "198.51.100.0/24", "gateway": "192.0.2.253", "mtu": 9000},
    {"dst": "198.51.100.0/25", "dev": "v0", "table": "100", "prefsrc": "192.0.2.1", "protocol": "bird"},
    {"dst": "203.0.113.0/24", "nexthops": [{"gateway": "192.0.2.253"}, {"gateway": "192.0.2.252", "weight": 2}]},
    {"dst": "203.0.113.128/25", "type": "blackhole", "metric": 4000},
    {"dst": "2001:db8:1::/48", "gateway": "2001:db8::fe", "mtu": 1400},
    {"dst": "2001:db8:2::/48", "dev": "v0", "table": "100", "metric": 9},
]


def run(netns, **given):
    return task.run(filled({"netns": netns, **given}, OPTIONS), check=False)


@pytest.fixture
def there(netns):
    iproute2.pair(netns, "v0", "v1")
    iproute2.run(netns, "ip addr add 192.0.2.1/24 dev v0", "ip addr add 2001:db8::1/64 dev v0 nodad")
    return netns


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route['dst']}-{len(route)}")
def test_the_result_is_what_ip_shows(there, route):
    done = run(there, **route)
    version = "-6" if ":" in route["dst"] else "-4"
    (shown,) = iproute2.shown(there, f"ip {version} -d route show table {route.get('table', 'main')} {route['dst']}")
    family = done["route"].pop("family")
    table = done["route"].pop("table")
    assert (family, table) == ("inet6" if ":" in route["dst"] else "inet", route.get("table", "main"))
    assert {name: value for name, value in done["route"].items() if shown.get(name) != value} == {}
    assert shown.keys() <= done["route"].keys() | {"table", "pref"}
    again = run(there, routes=[route])
    assert not again["changed"]
    assert again["routes"] == [{**done["route"], "family": family, "table": table}]


def test_onlink_goes_when_it_is_not_to_be(there):
    route = {"dst": "198.51.100.0/24", "gateway": "192.0.2.253", "dev": "v0"}
    assert run(there, **route, onlink=True)["route"]["flags"] == ["onlink"]
    assert not run(there, **route)["changed"]
    done = run(there, **route, onlink=False)
    assert done["changed"]
    assert done["route"]["flags"] == []
    assert not run(there, **route, onlink=False)["changed"]
