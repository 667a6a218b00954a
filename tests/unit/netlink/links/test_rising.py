# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a new link goes up, and what that does to a VLAN on it that is to be down."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl.link import IFF_UP

from tests.unit.netlink.links.host import Kernel, a_link, planned

ADDRESS = {"family": "inet", "local": "10.0.0.1", "prefixlen": 24, "scope": "global"}
VLAN = {"name": "p0.5", "kind": "vlan", "link": "p0", "options": {"id": 5}, "state": "down", "recreate": True}
STAYS_DOWN = "p0.5: down again, after the link below it went up"


@pytest.mark.parametrize(
    ("more", "changes"),
    [
        ({}, ["p0: create dummy"]),
        ({"addresses": []}, ["p0: create dummy"]),
        ({"addresses": ["10.0.0.1/24"]}, ["p0: create dummy", "p0: add address 10.0.0.1/24", "p0: up"]),
    ],
)
def test_with_addresses_it_goes_up_after_it_has_them(more, changes):
    assert planned(Kernel(), {"name": "p0", "kind": "dummy", "state": "up", **more}).review() == changes


@pytest.mark.parametrize("addresses", [[], ["10.0.0.1/24"]])
def test_a_vlan_on_it_stays_down(addresses):
    parent = {"name": "p0", "kind": "dummy", "state": "up", "addresses": addresses}
    assert (STAYS_DOWN in planned(Kernel(), parent, VLAN).review()) == bool(addresses)


@pytest.mark.parametrize("kept", [[], [{**ADDRESS, "index": 2}]])
def test_so_it_does_on_one_that_is_made_anew_and_keeps_its_addresses(kept):
    there = [a_link(2, "p0", flags=IFF_UP), a_link(3, "p0.5", "vlan", link=2)]
    there[1]["linkinfo"]["info_data"] = {"id": 5, "protocol": "802.1Q"}
    parent = {"name": "p0", "kind": "bridge", "state": "present", "recreate": True}
    review = planned(Kernel(there, kept), parent, VLAN).review()
    assert (STAYS_DOWN in review) == bool(kept)
    assert ("p0: up" in review) == bool(kept)
