# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links that the kernel takes down and up by itself: ports of bonds and VRFs, VLANs with the link below them."""

from __future__ import annotations

import subprocess

import pytest

from tests.kernel.links import Bench, differing


@pytest.fixture
def bench(netns, lacking):
    found = Bench(netns)
    for kind in ("bond", "vrf table 5", "dummy"):
        try:
            found.ip(f"ip link add probe type {kind}")
        except subprocess.CalledProcessError:
            lacking(kind)
        found.ip("ip link delete probe")
    found.ip(
        *(f"ip link add d{number} type dummy" for number in range(3)),
        *(f"ip link set d{number} up" for number in range(3)),
    )
    return found


BOND = {"name": "bond0", "kind": "bond", "options": {"mode": "802.3ad", "miimon": 100}, "state": "up"}
VLAN = {"name": "bond0.5", "kind": "vlan", "link": "bond0", "options": {"id": 5}}


def up(bench: Bench, name: str) -> bool:
    return "UP" in bench.shown(name)["flags"]


def test_a_port_of_a_bond_keeps_its_addresses_and_is_up_when_it_leaves(bench):
    addresses = ["10.0.0.1/24", "fd00::1/64"]
    bench.predicted(name="d0", addresses=addresses)
    bench.predicted({**BOND, "ports": ["d0"]}, {"name": "d0"})
    assert bench.shown("d0")["master"] == "bond0"
    assert sorted(bench.addresses("d0")) == addresses
    done = bench.predicted(name="d0", master="")
    assert up(bench, "d0")
    assert sorted(bench.addresses("d0")) == addresses
    assert done["diff"] == {
        "before": f"d0  netns {bench.netns}  dummy  up  master bond0  addr 10.0.0.1/24  addr fd00::1/64\n",
        "after": f"d0  netns {bench.netns}  dummy  up  addr 10.0.0.1/24  addr fd00::1/64\n",
    }
    bench.predicted({"name": "d0", "master": "bond0"})
    bench.predicted({"name": "d0", "master": "", "state": "down"})
    assert not up(bench, "d0")
    bench.predicted({"name": "d0", "master": "bond0"})
    assert up(bench, "d0")
    bench.predicted(
        {"name": "bond1", "kind": "bond", "options": {"mode": "balance-rr"}}, {"name": "d0", "master": "bond1"}
    )
    assert (bench.shown("d0")["master"], up(bench, "d0")) == ("bond1", True)


def test_a_bond_that_has_to_be_down_for_an_option_loses_nothing_on_it(bench):
    bench.predicted(
        {**BOND, "ports": ["d0", "d1"], "addresses": ["fd00::1/64"]},
        {**VLAN, "state": "up", "addresses": ["10.5.0.1/24", "fd05::1/64"]},
        {"name": "bond0.6", "kind": "vlan", "link": "bond0", "options": {"id": 6}, "state": "up"},
    )
    # Once up, a VLAN has the address that its bond then has.
    bench.predicted(name="bond0.6", state="down", addresses=["fd06::1/64"])
    bench.ip("ip route add 10.55.0.0/16 via 10.5.0.9", "ip -6 route add fd55::/16 via fd05::9")
    before = bench.picture()
    done = bench.predicted(name="bond0", options={"ad_lacp_rate": "fast"})
    assert done["changes"] == [f"bond0 in {bench.netns}: ad_lacp_rate slow -> fast (down for a moment)"]
    bench.predicted(name="bond0", options={"ad_lacp_rate": "slow"})
    assert not differing(before, bench.picture())


def test_a_vlan_stays_down_when_the_link_below_it_goes_up(bench):
    bench.predicted({**BOND, "state": "down", "ports": ["d0"]}, {**VLAN, "addresses": ["fd05::1/64"]})
    done = bench.predicted({"name": "bond0", "state": "up"}, {"name": "bond0.5", "state": "down"})
    assert f"bond0.5 in {bench.netns}: down again, after the link below it went up" in done["changes"]
    assert not up(bench, "bond0.5")
    assert bench.addresses("bond0.5") == ["fd05::1/64"]
    bench.predicted({"name": "bond0.5", "state": "up"})
    bench.predicted({"name": "bond0", "state": "down"}, {"name": "bond0.5", "state": "down"})
    assert not up(bench, "bond0.5")


@pytest.mark.parametrize("anew", [False, True])
def test_a_vlan_stays_down_on_a_new_link_that_goes_up_after_it_has_its_addresses(bench, anew):
    vlan = {"name": "p0.5", "kind": "vlan", "link": "p0", "options": {"id": 5}, "state": "down"}
    parent = {"name": "p0", "kind": "dummy", "state": "up", "addresses": ["10.7.0.1/24"]}
    if anew:
        bench.predicted(parent, vlan)
        # It has kept its address: the task says none.
        parent = {"name": "p0", "kind": "bridge", "state": "present", "recreate": True}
    done = bench.predicted(parent, {**vlan, "recreate": True})
    assert f"p0.5 in {bench.netns}: down again, after the link below it went up" in done["changes"]
    assert (up(bench, "p0"), up(bench, "p0.5")) == (True, False)
    assert bench.addresses("p0") == ["10.7.0.1/24"]


def test_a_port_of_a_vrf_keeps_its_addresses(bench):
    addresses = ["10.0.0.1/24", "fd00::1/64"]
    bench.predicted(name="d0", addresses=addresses)
    bench.predicted({"name": "vrf0", "kind": "vrf", "options": {"table": 7}, "state": "up", "ports": ["d0"]})
    assert sorted(bench.addresses("d0")) == addresses
    bench.predicted(name="d0", master="")
    assert sorted(bench.addresses("d0")) == addresses


def test_mtus_of_a_bond_and_its_vlans(bench):
    bench.predicted({**BOND, "ports": ["d0"], "mtu": 9000}, {**VLAN, "mtu": 9000})
    bench.predicted({"name": "bond0", "mtu": 1500}, {"name": "bond0.5", "mtu": 1400})
    bench.predicted({"name": "bond0.5", "mtu": 4000}, {"name": "bond0", "mtu": 4000})
    assert (bench.shown("bond0.5")["mtu"], bench.shown("bond0")["mtu"], bench.shown("d0")["mtu"]) == (4000, 4000, 4000)


def test_a_port_named_by_an_option_of_its_bond(bench):
    bond = {**BOND, "options": {"mode": "active-backup", "miimon": 100, "primary": "d1"}}
    bench.predicted({**bond, "ports": ["d0", "d1"]})
    assert bench.data("bond0")["primary"] == "d1"
    bench.predicted(name="bond0", options={"primary": ""})
    assert "primary" not in bench.data("bond0")
