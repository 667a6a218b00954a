# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Planning grows with the number of links, not faster."""

from __future__ import annotations

import pytest

from tests.unit.netlink.links.host import Kernel, a_link, planned
from tests.unit.work import counted

FEW, MANY = 80, 320


def there(count, **more):
    links = [a_link(1, "br0", "bridge"), *(a_link(9 + n, f"d{n}", **more) for n in range(count))]
    addresses = [
        {"index": 9 + n, "family": "inet", "local": f"10.{n >> 8}.{n & 255}.1", "prefixlen": 24, "scope": "global",
         "valid_life_time": 0xFFFFFFFF, "preferred_life_time": 0xFFFFFFFF}
        for n in range(count)
    ]  # fmt: skip
    routes = [
        {"dst": f"172.{n >> 8}.{n & 255}.0/24", "oif": 9 + n, "protocol": "static", "table": "main"}
        for n in range(count)
    ]
    return Kernel(links, addresses, routes)


def wanted(count, **more):
    return [
        {"name": f"d{n}", "kind": "dummy", "addresses": [f"10.{n >> 8}.{n & 255}.1/24"], **more} for n in range(count)
    ]


CASES = {
    "created": (lambda n: Kernel([a_link(1, "br0", "bridge")]), {"master": "br0", "state": "up", "alias": "x"}, 5),
    "right already": (there, {"mtu": 1500}, 0),
    "changed": (there, {"mtu": 1400, "addresses": ["10.0.0.1/8"], "alias": "x"}, 4),
    "removed": (lambda n: there(n, flags=1, master=1), {"state": "absent", "kind": None, "addresses": None}, 1),
    "made anew": (lambda n: there(n, flags=1, master=1), {"kind": "ifb", "recreate": True, "addresses": None}, 5),
    "stacked": (lambda n: Kernel([a_link(1, "br0", "bridge")]), {"kind": "macvlan", "link": "br0", "mtu": 1400}, 2),
}


def planning(case, count):
    """What planning `count` links takes, the changes planned, and the questions asked."""
    make, more, _unused = CASES[case]
    kernel, links = make(count), wanted(count, **more)

    def work():
        plan = planned(kernel, *links)
        plan.review()
        plan.diff()
        return plan

    steps, plan = counted(work)
    return steps, len(plan.changes), kernel.asked


@pytest.mark.parametrize("case", CASES)
def test_four_times_the_links_are_four_times_the_work(case):
    planning(case, 20)  # what is loaded or remembered once
    few, changes, asked = planning(case, FEW)
    many, more_changes, as_often = planning(case, MANY)
    assert more_changes == MANY / FEW * changes == MANY * CASES[case][2]
    assert many < few * (MANY / FEW) * 1.1
    assert as_often == asked < 10
