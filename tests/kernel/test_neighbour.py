# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Neighbours on the real kernel, beside what `ip -j neigh` shows."""

from __future__ import annotations

import errno

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl import neighbour
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl.numbers import AF_INET6
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl.selection import only

from tests.kernel import iproute2

DEVICE = 10
MAC = "02:00:00:00:00:%02x"
WANTED = [
    {"dst": "10.0.0.9", "lladdr": MAC % 9},
    {"dst": "10.0.0.8", "lladdr": MAC % 8, "state": "STALE", "extern_learn": True, "protocol": "bgp"},
    {"dst": "fd00::9", "lladdr": MAC % 9, "state": "reachable", "router": True},
    {"dst": "10.0.0.7", "lladdr": MAC % 7, "state": ["NOARP"]},
]
PROXY = {"dst": "10.0.0.19", "proxy": True}
AGES = ("used", "confirmed", "updated", "refcnt", "probes")


@pytest.fixture
def rtnl(netns, rtnl):
    iproute2.pair(netns, index=DEVICE, quiet=True)
    iproute2.run(netns, "ip addr add 10.0.0.1/24 dev v0", "ip addr add fd00::1/64 dev v0 nodad")
    return rtnl


def add_all(rtnl):
    assert rtnl.batch([neighbour.new(DEVICE, wanted) for wanted in (*WANTED, PROXY)]) == [None] * 5


def read(rtnl, **filters):
    return rtnl.dump(neighbour.dump(**filters), neighbour.decode)


def steady(found):
    """Without ages, and without neighbours of the kernel's own making (multicast of IPv6)."""
    kept = [{name: one[name] for name in one if name not in AGES} for one in found if not one["dst"].startswith("ff")]
    return sorted(kept, key=lambda one: one["dst"])


def test_read_as_ip_shows_them(netns, rtnl):
    add_all(rtnl)
    index = iproute2.indexes(netns)
    ours, shown = iproute2.steadily(
        lambda: steady(read(rtnl)), lambda: iproute2.shown(netns, "ip -s neigh show nud all")
    )
    theirs = [{**iproute2.without_nulls(one), "index": index[one["dev"]]} for one in shown]
    for one in theirs:
        one["family"] = "inet6" if ":" in one["dst"] else "inet"
        del one["dev"]
    assert ours == steady(theirs)
    (proxy,) = read(rtnl, proxy=True)
    assert proxy == {"dst": "10.0.0.19", "index": DEVICE, "family": "inet", "proxy": True, "state": []}


def test_ages_are_seconds(netns, rtnl):
    add_all(rtnl)
    theirs = {one["dst"]: one for one in iproute2.shown(netns, "ip -s neigh")}
    for one in read(rtnl):
        if one["dst"] in theirs:
            for age in ("used", "confirmed", "updated"):
                assert one[age] == pytest.approx(theirs[one["dst"]][age], abs=2)


def test_what_was_read_can_be_removed_and_put_back(rtnl):
    add_all(rtnl)
    before = steady(read(rtnl))
    assert len(before) == len(WANTED)
    assert rtnl.batch([neighbour.delete(DEVICE, one) for one in before]) == [None] * len(before)
    left = [one for one in steady(read(rtnl)) if one["state"] not in (["FAILED"], [])]
    assert left == []
    assert rtnl.batch([neighbour.replace(DEVICE, one) for one in before]) == [None] * len(before)
    assert steady(read(rtnl)) == before


def test_filters(rtnl):
    add_all(rtnl)
    assert {one["index"] for one in read(rtnl, index=DEVICE)} == {DEVICE}
    assert {one["family"] for one in read(rtnl, family=AF_INET6)} == {"inet6"}
    permanent = rtnl.dump(neighbour.dump(), only(neighbour.decode, state="PERMANENT"))
    assert [one["dst"] for one in permanent] == ["10.0.0.9"]


def test_replace_and_delete(rtnl):
    add_all(rtnl)
    (again,) = rtnl.batch([neighbour.new(DEVICE, WANTED[0])])
    assert again.errno == errno.EEXIST
    assert rtnl.batch([neighbour.replace(DEVICE, {**WANTED[0], "lladdr": MAC % 10})]) == [None]
    assert {one["dst"]: one.get("lladdr") for one in read(rtnl)}["10.0.0.9"] == MAC % 10
    assert rtnl.batch([neighbour.delete(DEVICE, PROXY)]) == [None]
    assert read(rtnl, proxy=True) == []
    (missing,) = rtnl.batch([neighbour.delete(DEVICE, {"dst": "10.0.0.200"})])
    assert missing.errno == errno.ENOENT
    assert "RTM_DELNEIGH 10.0.0.200 on link 10" in str(missing)
