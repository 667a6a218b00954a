# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A neighbour that remembers the MAC address of ours is told when our address is at another one."""

from __future__ import annotations

import json
import subprocess
import time
import typing as t

import pytest

from tests.kernel.ipdb import tasks as txn
from tests.kernel.ipdb.transactions import Bench

NIC, BRIDGE = "02:00:00:00:00:01", "02:00:00:00:00:02"
ADDRESSES = ["192.0.2.1/24", "2001:db8::1/64"]
OURS = ("192.0.2.1", "2001:db8::1")
ON_NIC = [{"name": "nic", "master": "", "state": "up", "addresses": ADDRESSES}, {"name": "br0", "state": "absent"}]
ON_BRIDGE = [
    {"name": "nic", "master": "br0", "addresses": []},
    {"name": "br0", "kind": "bridge", "address": BRIDGE, "state": "up", "addresses": ADDRESSES},
]


def ip(netns: str, *words: str) -> t.Any:
    done = subprocess.run(["ip", "-json", "-n", netns, *words], check=True, capture_output=True, text=True)
    return json.loads(done.stdout or "[]")


class Pair(t.NamedTuple):
    ours: str
    theirs: str

    def remembered(self) -> dict[str, str]:
        """What the neighbour thinks that our addresses are at."""
        return {one["dst"]: one["lladdr"] for one in ip(self.theirs, "neigh", "show", "dev", "peer") if "lladdr" in one}


@pytest.fixture
def pair(make_netns: t.Callable[[], str]) -> Pair:
    """Two hosts on a wire; the other one has learnt where we are, from us, and says nothing of its own accord."""
    ours, theirs = make_netns(), make_netns()
    ip(ours, "link", "add", "nic", "address", NIC, "type", "veth", "peer", "name", "peer", "netns", theirs)
    for netns, name, addresses in ((ours, "nic", ADDRESSES), (theirs, "peer", ["192.0.2.2/24", "2001:db8::2/64"])):
        for address in addresses:
            ip(netns, "address", "add", address, "dev", name, *(["nodad"] if ":" in address else []))
        ip(netns, "link", "set", name, "up")
    while not all("fe80::/64" in [one["dst"] for one in ip(netns, "-6", "route")] for netns in (ours, theirs)):
        time.sleep(0.05)  # until they have seen the carrier, IPv6 receives nothing
    for address in OURS:
        ip(theirs, "neigh", "replace", address, "lladdr", NIC, "dev", "peer", "nud", "reachable")
    return Pair(ours, theirs)


def learns(pair: Pair, mac: str) -> None:
    deadline = time.monotonic() + 60
    while pair.remembered() != dict.fromkeys(OURS, mac):
        assert time.monotonic() < deadline, pair.remembered()
        time.sleep(0.05)


def test_moved_to_a_bridge_and_taken_back(pair: Pair) -> None:
    bench = Bench(pair.ours)
    try:
        plan = bench.commit(interfaces=ON_BRIDGE)
        learns(pair, BRIDGE)
        bench.roll_back(plan)
        learns(pair, NIC)
    finally:
        bench.close()


def test_another_mac_address_of_the_same_link(pair: Pair) -> None:
    bench = Bench(pair.ours)
    try:
        bench.commit(interfaces=[{"name": "nic", "address": BRIDGE}])
        learns(pair, BRIDGE)
    finally:
        bench.close()


def test_told_again_while_it_waits_to_be_confirmed_and_when_nobody_does(pair: Pair) -> None:
    """The first time may be lost: a link that has just come up does not carry yet, and a switch may learn."""
    txn.run(pair.ours, confirm_timeout=5 * txn.SLOWER, confirm="later", interfaces=ON_BRIDGE)
    for address in OURS:  # as if it had not heard
        ip(pair.theirs, "neigh", "replace", address, "lladdr", NIC, "dev", "peer", "nud", "reachable")
    learns(pair, BRIDGE)
    learns(pair, NIC)
    while txn.guards(txn.folder(pair.ours)):
        time.sleep(0.05)
    txn.run(pair.ours, state="recovered")
    assert txn.left_behind(pair.ours) == []


def test_the_way_back_through_the_module(pair: Pair) -> None:
    txn.run(pair.ours, interfaces=ON_BRIDGE)
    learns(pair, BRIDGE)
    txn.run(pair.ours, interfaces=ON_NIC)
    learns(pair, NIC)
