# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VLANs of bridge ports on the real kernel, beside what `bridge -j -c vlan` shows."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl import bridge_vlan
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl.selection import only

from tests.kernel import iproute2

PORT, BRIDGE = 10, 20
WANTED = [
    {"vlan": 10, "vlanEnd": 20},
    {"vlan": 30, "flags": ["PVID", "Egress Untagged"]},
    {"vlan": 50, "vlanEnd": 52, "flags": ["Egress Untagged"]},
]


@pytest.fixture
def rtnl(netns, rtnl, lacking):
    try:
        iproute2.run(netns, f"ip link add br0 index {BRIDGE} type bridge vlan_filtering 1")
    except subprocess.CalledProcessError as error:
        if "not supported" in error.stderr:
            lacking("VLAN filtering of bridges")
        raise
    iproute2.pair(netns, index=PORT)
    iproute2.run(netns, "ip link set br0 up", "ip link set v0 master br0")
    return rtnl


def read(rtnl, **match):
    return rtnl.dump(bridge_vlan.dump(), only(bridge_vlan.decode, **match))


def test_read_as_bridge_shows_them(netns, rtnl):
    assert rtnl.batch([bridge_vlan.add(PORT, WANTED), bridge_vlan.add(BRIDGE, [{"vlan": 40}], own=True)]) == [
        None,
        None,
    ]
    index = iproute2.indexes(netns)
    theirs = {index[name]: vlans for name, vlans in iproute2.vlans(netns).items()}
    assert {one["index"]: one["vlans"] for one in read(rtnl)} == theirs
    assert {"vlan": 40} in theirs[BRIDGE]
    assert all(vlan in theirs[PORT] for vlan in WANTED)


def test_what_was_read_can_be_removed_and_put_back(rtnl):
    assert rtnl.batch([bridge_vlan.add(PORT, WANTED)]) == [None]
    (before,) = read(rtnl, index=PORT)
    assert before["master"] == BRIDGE
    assert rtnl.batch([bridge_vlan.delete(PORT, before["vlans"])]) == [None]
    assert read(rtnl, index=PORT) == []
    assert rtnl.batch([bridge_vlan.add(PORT, before["vlans"])]) == [None]
    assert read(rtnl, index=PORT) == [before]


def test_flags_of_a_vlan_change_in_place(rtnl):
    assert rtnl.batch([bridge_vlan.add(PORT, [{"vlan": 30, "flags": ["PVID"]}])]) == [None]
    assert rtnl.batch([bridge_vlan.add(PORT, [{"vlan": 30}])]) == [None]
    assert {"vlan": 30} in read(rtnl, index=PORT)[0]["vlans"]


def test_a_link_that_is_no_port_is_refused(rtnl):
    (refusal,) = rtnl.batch([bridge_vlan.add(PORT + 1, [{"vlan": 30}])])
    assert refusal is not None
    assert "RTM_SETLINK vlans of link 11" in str(refusal)
