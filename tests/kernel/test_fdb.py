# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Forwarding entries of bridges and VXLANs on the real kernel, beside what `bridge -j fdb` shows."""

from __future__ import annotations

import errno
import time

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl import fdb
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl.selection import only

from tests.kernel import iproute2

PORT, BRIDGE, VXLAN = 10, 20, 21
MAC = "02:00:00:00:00:%02x"
WANTED = [
    (PORT, {"mac": MAC % 1, "flags": ["master"], "state": "static"}),
    (PORT, {"mac": MAC % 2, "flags": ["master"], "state": "dynamic"}),
    (PORT, {"mac": MAC % 3, "flags": ["master", "sticky"], "state": "static"}),
    (PORT, {"mac": MAC % 4, "flags": ["master", "extern_learn"], "state": ""}),
    (BRIDGE, {"mac": MAC % 5}),
    (VXLAN, {"mac": MAC % 6, "dst": "10.0.0.9", "port": 4444, "vni": 77, "via": PORT}),
    (VXLAN, {"mac": "00:00:00:00:00:00", "dst": "10.0.0.10"}),
    (VXLAN, {"mac": "00:00:00:00:00:00", "dst": "10.0.0.11"}),
]


@pytest.fixture
def rtnl(netns, rtnl):
    iproute2.pair(netns, index=PORT)
    iproute2.run(
        netns,
        f"ip link add br0 index {BRIDGE} type bridge",
        "ip link set br0 up",
        "ip link set v0 master br0",
        f"ip link add vx0 index {VXLAN} type vxlan id 5 dstport 4789",
        "ip link set vx0 up",
    )
    deadline = time.monotonic() + 10
    # A port that does not forward yet takes no entries that were learnt.
    while iproute2.shown(netns, "bridge -d link show dev v0")[0]["state"] != "forwarding":
        assert time.monotonic() < deadline, "the port never came to forward"
        time.sleep(0.05)
    return rtnl


def add_all(rtnl):
    outcomes = rtnl.batch([(fdb.append if "dst" in entry else fdb.new)(index, entry) for index, entry in WANTED])
    assert outcomes == [None] * len(WANTED)


def read(rtnl, **filters):
    return rtnl.dump(fdb.dump(**filters), fdb.decode)


def steady(entries):
    """Without ages, and without what the kernel listens to by itself."""
    wanted = {entry["mac"] for _unused, entry in WANTED}
    kept = [{name: one[name] for name in one if name not in ("used", "updated")} for one in entries]
    kept = [one for one in kept if one["mac"] in wanted]
    return sorted(kept, key=lambda one: (one["mac"], one.get("dst", ""), one.get("vlan", 0)))


def test_read_as_bridge_shows_them(netns, rtnl):
    add_all(rtnl)
    index = iproute2.indexes(netns)
    theirs = iproute2.shown(netns, "bridge -d -s fdb")
    for one in theirs:
        one["index"] = index[one.pop("ifname")]
        for ours, name in (("master", "master"), ("via", "viaIf")):
            if name in one:
                one[ours] = index[one.pop(name)]
    ours = read(rtnl)
    assert steady(ours) == steady(theirs)
    # A bridge that knows VLANs keeps an entry without one for each VLAN of the port besides.
    assert len([one for one in steady(ours) if "vlan" not in one]) == len(WANTED)
    assert len(ours) == len(theirs)


def test_what_was_read_can_be_removed_and_put_back(rtnl):
    add_all(rtnl)
    before = steady(read(rtnl))
    for one in before:  # one without a VLAN takes those of all VLANs with it
        rtnl.batch([fdb.delete(one["index"], one)])
    assert steady(read(rtnl)) == []
    again = [(fdb.append if "dst" in one else fdb.replace)(one["index"], one) for one in before]
    assert rtnl.batch(again) == [None] * len(before)
    assert steady(read(rtnl)) == before


def test_filters(rtnl):
    add_all(rtnl)
    assert {one["index"] for one in read(rtnl, port=VXLAN)} == {VXLAN}
    assert {one["mac"] for one in steady(read(rtnl, bridge=BRIDGE))} == {MAC % number for number in (1, 2, 3, 4, 5)}
    assert [one["index"] for one in rtnl.dump(fdb.dump(), only(fdb.decode, mac=MAC % 6))] == [VXLAN]


def test_replace_and_refusals(rtnl):
    add_all(rtnl)
    again, missing = rtnl.batch([fdb.new(*WANTED[0]), fdb.delete(PORT, {"mac": MAC % 99, "flags": ["master"]})])
    assert (again.errno, missing.errno) == (errno.EEXIST, errno.ENOENT)
    assert f"RTM_NEWNEIGH {MAC % 1} on link {PORT}" in str(again)
    assert rtnl.batch([fdb.replace(VXLAN, {"mac": MAC % 6, "dst": "10.0.0.99"})]) == [None]
    assert [one["dst"] for one in read(rtnl, port=VXLAN) if one["mac"] == MAC % 6] == ["10.0.0.99"]
