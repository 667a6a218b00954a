# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Transactions on a real kernel: applied, right the second time, taken back to what was, and applied again."""

from __future__ import annotations

import os
import subprocess
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.capture import capture

from tests.kernel import iproute2
from tests.kernel.ipdb.transactions import Bench

GUEST = os.environ.get("FLEET_KERNEL") == "guest"
needs_guest = pytest.mark.skipif(not GUEST, reason="this machine's kernel lacks kinds of links; the guest's is tested")


@pytest.fixture
def bench(netns: str) -> t.Iterator[Bench]:
    if GUEST:
        subprocess.run(["modprobe", "--all", "bonding", "dummy", "8021q"], check=True)
    made = Bench(netns)
    yield made
    made.close()


def tap(name: str, **more: t.Any) -> dict[str, t.Any]:
    return {"name": name, "kind": "tap", "options": {"user": 1}, **more}


def test_names_that_change_hands(bench: Bench) -> None:
    """A ring of three, a chain, and an alternative name that becomes the name."""
    links = [tap(name, address=f"02:00:00:00:00:0{number}") for number, name in enumerate("abcde", 1)]
    links[4]["altnames"] = ["later"]
    bench.commit(interfaces=links)
    moves = {"a": "b", "b": "c", "c": "a", "d": "x", "e": "later"}
    macs = {old: f"02:00:00:00:00:0{number}" for number, old in enumerate(moves, 1)}
    with pytest.raises(ValueError, match="by names alone nobody can tell"):
        bench.plan(interfaces=[{"name": "b", "select": {"name": "a"}}, {"name": "a", "select": {"name": "b"}}])
    plan = bench.there_and_back(interfaces=[{"name": moves[old], "select": {"address": macs[old]}} for old in moves])
    assert not [step for wave in plan.waves for step in wave if step.interrupts]  # Linux 6.2 or newer
    found = {one["ifname"]: one["address"] for one in capture(bench.channel).links.values() if "address" in one}
    assert found == {moves[old]: macs[old] for old in moves}


def test_addresses_move_between_links(bench: Bench) -> None:
    bench.commit(interfaces=[tap("a", state="up", address="02:00:00:00:00:01", addresses=["10.0.0.1/24"]), tap("b")])
    bench.commit(routes=[{"dst": "default", "gateway": "10.0.0.254"}])
    plan = bench.there_and_back(
        interfaces=[
            {"name": "a", "address": "02:00:00:00:00:02", "addresses": []},
            {"name": "b", "address": "02:00:00:00:00:01", "state": "up", "addresses": ["10.0.0.1/24"]},
        ],
        routes=[{"dst": "default", "gateway": "10.0.0.254"}],
    )
    assert iproute2.shown(bench.netns, "ip route show default")[0]["dev"] == "b"
    assert any("MAC address" in step.interrupts for wave in plan.waves for step in wave)


def test_mac_addresses_that_change_hands(bench: Bench) -> None:
    """Two macvlans on one link cannot both have one, not even for a moment; two taps can."""
    macs = ["02:00:00:00:00:01", "02:00:00:00:00:02"]
    below = [
        {"name": "v0", "kind": "veth", "options": {"peer": {"ifname": "v1"}}, "state": "up"},
        {"name": "v1", "state": "up"},
    ]
    own = [{"name": name, "kind": "macvlan", "link": "v1", "options": {"mode": "bridge"}} for name in ("one", "two")]
    for made in (own, [tap("one"), tap("two")]):
        bench.commit(
            interfaces=[
                *below,
                *({**one, "address": mac, "state": "up", "recreate": True} for one, mac in zip(made, macs)),
            ],
            scope="exact",
        )
        bench.there_and_back(interfaces=[{"name": "one", "address": macs[1]}, {"name": "two", "address": macs[0]}])
        assert [bench.shown(name)["address"] for name in ("one", "two")] == macs[::-1]


def test_the_management_address_moves_to_a_bridge(bench: Bench) -> None:
    """What locks people out: everything that hangs on the NIC goes to a bridge above it."""
    mac = "02:00:00:00:00:01"
    nic = tap("nic", state="up", address=mac, addresses=["10.0.0.5/24", "fd00::5/64"])
    routes = [{"dst": "default", "gateway": "10.0.0.1"}, {"dst": "default", "gateway": "fd00::1"}]
    bench.commit(interfaces=[nic], routes=routes)
    bridge = {"name": "br0", "kind": "bridge", "state": "up", "address": mac, "addresses": nic["addresses"]}
    port = {"name": "nic", "master": "br0", "addresses": []}
    plan = bench.there_and_back(interfaces=[bridge, port], routes=[{**route, "dev": "br0"} for route in routes])
    shown = bench.shown("nic")
    assert shown["master"] == "br0"
    assert [one["dev"] for one in iproute2.shown(bench.netns, "ip route show default")] == ["br0"]
    assert [one["dev"] for one in iproute2.shown(bench.netns, "ip -6 route show default")] == ["br0"]
    taken = [line for wave in plan.waves for step in wave for line in step.side_effects()]
    assert "default  via 10.0.0.1  dev nic" in taken


def test_the_first_address_of_a_network(bench: Bench) -> None:
    """Whether the kernel promotes the second one or drops it, the order is as wanted, there and back."""
    for promote in (0, 1):
        bench.sysctl("ipv4/conf/all/promote_secondaries", promote)
        three = ["10.0.0.1/24", "10.0.0.2/24", "10.0.0.3/24"]
        bench.commit(interfaces=[tap("a", state="up", addresses=three)])
        bench.there_and_back(interfaces=[{"name": "a", "addresses": three[1:]}])
        bench.there_and_back(interfaces=[{"name": "a", "addresses": [three[2], "10.0.1.1/24"]}])
        assert bench.addresses("a") == ["10.0.0.3/24", "10.0.1.1/24"]
        bench.commit(interfaces=[{"name": "a", "state": "absent"}])


def test_addresses_with_all_they_can_have(bench: Bench) -> None:
    first = {"address": "10.0.0.1/24", "broadcast": "10.0.0.255", "label": "a:1", "scope": "link", "metric": 5}
    bench.commit(interfaces=[tap("a", state="up", addresses=[first, {"address": "10.1.0.1/32", "peer": "10.1.0.2"}])])
    other = {**first, "metric": 7, "scope": "global"}
    bench.there_and_back(
        interfaces=[{"name": "a", "addresses": [other, {"address": "fd00::1/64", "nodad": True, "valid_lft": 900}]}]
    )
    assert bench.shown("a")["addr_info"][0]["metric"] == 7


def test_what_goes_down_with_a_link_is_foreseen(bench: Bench) -> None:
    bench.commit(interfaces=[tap("a", state="up", addresses=["10.0.0.1/24", "fd00::1/64"])])
    bench.commit(
        routes=[
            {"dst": "192.0.2.0/24", "gateway": "10.0.0.254"},
            {"dst": "fd99::/64", "gateway": "fd00::2"},
            {"dst": "203.0.113.0/24", "dev": "a", "table": "100", "prefsrc": "10.0.0.1"},
        ],
        neighbours=[{"dst": "10.0.0.9", "dev": "a", "lladdr": "02:00:00:00:00:09"}],
    )
    plan = bench.there_and_back(interfaces=[{"name": "a", "state": "down"}])
    taken = {line for wave in plan.waves for step in wave for line in step.side_effects()}
    assert {
        "192.0.2.0/24  via 10.0.0.254  dev a",
        "fd99::/64  via fd00::2  dev a",
        "203.0.113.0/24  dev a  table 100  src 10.0.0.1",
    } <= taken
    assert plan.review()[0] == "a: down"
    assert plan.waves[0][0].interrupts == "a goes down"


def test_routes_change_in_place(bench: Bench) -> None:
    bench.commit(interfaces=[tap("a", state="up", addresses=["10.0.0.1/24", "10.1.0.1/24", "fd00::1/64"])])
    bench.there_and_back(
        routes=[
            {"dst": "default", "gateway": "10.0.0.254", "mtu": 1400},
            {"dst": "192.0.2.0/24", "nexthops": [{"gateway": "10.0.0.2"}, {"gateway": "10.1.0.2", "weight": 3}]},
            {"dst": "fd99::/64", "nexthops": [{"gateway": "fd00::2"}, {"gateway": "fd00::3"}]},
            {"dst": "198.51.100.7", "gateway": "172.16.0.1", "dev": "a", "onlink": True},
            {"dst": "203.0.113.0/24", "type": "blackhole", "table": "77", "metric": 9},
            {"dst": "fd98::/64", "type": "unreachable"},
        ]
    )
    plan = bench.there_and_back(
        routes=[
            {"dst": "default", "gateway": "10.1.0.254"},
            {"dst": "192.0.2.0/24", "gateway": "10.0.0.2", "prefsrc": "10.1.0.1"},
            {"dst": "fd99::/64", "gateway": "fd00::3"},
            {"dst": "203.0.113.0/24", "table": "77", "metric": 9, "state": "absent"},
        ]
    )
    words = {step.how for wave in plan.waves for step in wave}
    assert words == {"replace", "remove"}


def test_routes_of_one_key(bench: Bench) -> None:
    """IPv4 keeps several routes of one destination and metric in their order; only others can have made them."""
    bench.commit(interfaces=[tap("a", state="up", addresses=["10.0.0.1/24"])])
    bench.ip("ip route add 192.0.2.0/24 via 10.0.0.2", "ip route append 192.0.2.0/24 via 10.0.0.3")
    bench.there_and_back(interfaces=[{"name": "a", "state": "down"}])
    bench.there_and_back(interfaces=[{"name": "a", "state": "absent"}])


def test_rules(bench: Bench) -> None:
    bench.there_and_back(
        rules=[
            {"src": "10.0.0.0/8", "table": "100", "priority": 500},
            {"dst": "fd00::/16", "table": "100"},
            {"fwmark": 7, "fwmask": 255, "action": "prohibit", "priority": 501, "invert": True},
            {"iif": "lo", "table": "101", "priority": 502, "ipproto": "tcp", "dport": "80-90"},
        ]
    )
    bench.there_and_back(
        rules=[
            {"src": "10.0.0.0/8", "table": "101", "priority": 500},
            {"priority": 502, "state": "absent"},
            {"src": "10.0.0.0/8", "table": "100", "state": "absent"},
        ]
    )
    found = {(one["priority"], one.get("table")) for one in capture(bench.channel).rules.values()}
    assert (500, 101) in found
    assert (500, 100) not in found


def test_neighbours(bench: Bench) -> None:
    bench.commit(interfaces=[tap("a", state="up", addresses=["10.0.0.1/24"])])
    bench.there_and_back(
        neighbours=[
            {"dst": "10.0.0.9", "dev": "a", "lladdr": "02:00:00:00:00:09"},
            {"dst": "fd00::9", "dev": "a", "lladdr": "02:00:00:00:00:09", "router": True},
            {"dst": "10.0.0.10", "dev": "a", "proxy": True},
        ]
    )
    bench.there_and_back(interfaces=[{"name": "a", "address": "02:00:00:00:00:77"}])
    bench.there_and_back(
        neighbours=[
            {"dst": "10.0.0.9", "dev": "a", "lladdr": "02:00:00:00:00:08"},
            {"dst": "10.0.0.10", "dev": "a", "proxy": True, "state": "absent"},
        ]
    )


def test_links_that_are_made_anew(bench: Bench) -> None:
    """Under the index that they had, with what is theirs and what stands on them."""
    bench.commit(
        interfaces=[
            {"name": "br0", "kind": "bridge"},
            {"name": "vx0", "kind": "vxlan", "options": {"id": 7, "port": 4789}, "state": "up", "master": "br0",
             "addresses": ["10.0.0.1/24"], "alias": "some words"},
            {"name": "v0", "kind": "veth", "options": {"peer": {"ifname": "v1"}}, "state": "up"},
            {"name": "v1", "state": "up"},
            {"name": "mv0", "kind": "macvlan", "link": "v1", "options": {"mode": "bridge"}, "addresses": ["10.1.0.1/8"],
             "state": "up"},
        ]
    )  # fmt: skip
    index = bench.shown("vx0")["ifindex"]
    plan = bench.there_and_back(interfaces=[{"name": "vx0", "kind": "vxlan", "options": {"id": 8}, "recreate": True}])
    assert bench.shown("vx0")["ifindex"] == index
    assert bench.data("vx0")["id"] == 8
    assert bench.shown("vx0")["master"] == "br0"
    assert plan.waves[0][0].interrupts == "vx0 is removed and made anew"
    bench.there_and_back(interfaces=[{"name": "v0", "state": "absent"}])
    assert bench.names() == {"br0", "vx0"}


def test_mtus_that_depend_on_each_other(bench: Bench) -> None:
    bench.commit(
        interfaces=[
            {"name": "v0", "kind": "veth", "mtu": 9000, "options": {"peer": {"ifname": "v1"}}},
            {"name": "v1", "mtu": 9000},
            {"name": "mv0", "kind": "macvlan", "link": "v1", "mtu": 9000, "options": {"mode": "bridge"}},
            {"name": "br0", "kind": "bridge", "ports": ["v0"]},
        ]
    )
    bench.there_and_back(interfaces=[{"name": "v1", "mtu": 1400}])
    assert bench.shown("mv0")["mtu"] == 1400
    bench.there_and_back(interfaces=[{"name": "mv0", "mtu": 4000}, {"name": "v1", "mtu": 4000}])
    bench.there_and_back(interfaces=[{"name": "v0", "mtu": 1500}])
    assert bench.shown("br0")["mtu"] == 1500  # it was as its port, and follows it


@needs_guest
def test_bonds(bench: Bench) -> None:
    dummies = [{"name": f"d{number}", "kind": "dummy", "state": "up", "mtu": 2000} for number in (0, 1)]
    bench.commit(interfaces=dummies)
    bond = {"name": "bond0", "kind": "bond", "options": {"mode": "active-backup", "miimon": 100}, "state": "up"}
    bench.there_and_back(
        interfaces=[{**bond, "ports": ["d0", "d1"], "addresses": ["10.0.0.1/24", "fd00::1/64"], "mtu": 1400}]
    )
    chosen = bench.there_and_back(interfaces=[{**bond, "options": {"primary": "d1"}}])
    assert chosen.review() == ["bond0: primary none -> d1"]
    bench.there_and_back(interfaces=[{**bond, "options": {"primary": "d0", "miimon": 200}}])
    bench.there_and_back(interfaces=[{"name": "d0", "master": "", "addresses": ["10.0.1.1/24"]}])
    bench.there_and_back(interfaces=[{**bond, "options": {"mode": "balance-rr"}, "recreate": True}])
    bench.there_and_back(interfaces=[{"name": "bond0", "state": "absent"}])


@needs_guest
def test_vlans_on_a_bond_that_moves_into_bridges(bench: Bench) -> None:
    """A KVM node's network, in one transaction and another: bond, VLANs on it, a bridge on each, one with addresses."""
    base = [{"name": f"d{number}", "kind": "dummy"} for number in (0, 1)]
    base += [{"name": "bond0", "kind": "bond", "options": {"mode": "802.3ad", "miimon": 100}, "state": "up",
              "ports": ["d0", "d1"], "mtu": 9000}]  # fmt: skip
    for vlan in (10, 20, 30):
        base += [
            {"name": f"bond0.{vlan}", "kind": "vlan", "link": "bond0", "options": {"id": vlan}, "master": f"br{vlan}",
             "state": "up"},
            {"name": f"br{vlan}", "kind": "bridge", "state": "up", "options": {"vlan_filtering": 1}},
        ]  # fmt: skip
    base[-1]["addresses"] = ["192.0.2.10/24", "fd00::10/64"]
    routes = [{"dst": "default", "gateway": "192.0.2.1"}]
    bench.there_and_back(interfaces=base, routes=routes)
    bench.there_and_back(interfaces=[{"name": "bond0", "state": "down"}])
    bench.there_and_back(interfaces=[{"name": "bond0", "state": "up"}])
    bench.there_and_back(interfaces=[{"name": "bond0", "mtu": 1500}])
    bench.there_and_back(interfaces=[{"name": "bond0.10", "kind": "vlan", "options": {"id": 11}, "recreate": True}])
    bench.there_and_back(interfaces=[{"name": "bond0", "state": "absent"}])
    assert bench.names() == {"d0", "d1", "br10", "br20", "br30"}


@needs_guest
def test_vlans_of_bridges(bench: Bench) -> None:
    bench.commit(
        interfaces=[
            {"name": "br0", "kind": "bridge", "options": {"vlan_filtering": 1}, "state": "up"},
            {"name": "d0", "kind": "dummy", "master": "br0", "state": "up"},
        ]
    )
    trunk = {"dev": "d0", "vlans": [{"vid": "10-20"}, {"vid": "5", "pvid": True, "untagged": True}]}
    bench.there_and_back(bridge_vlans=[trunk, {"dev": "br0", "vlans": [{"vid": "10"}], "mode": "add"}])
    assert iproute2.vlans(bench.netns)["d0"] == [
        {"vlan": 5, "flags": ["PVID", "Egress Untagged"]},
        {"vlan": 10, "vlanEnd": 20},
    ]
    bench.there_and_back(fdb=[{"mac": "02:00:00:00:00:10", "dev": "d0", "vlan": 10}])
    bench.there_and_back(interfaces=[{"name": "d0", "master": ""}])
    bench.there_and_back(interfaces=[{"name": "d0", "master": "br0"}])


@needs_guest
def test_vrfs_take_their_ports_down_for_a_moment(bench: Bench) -> None:
    subprocess.run(["modprobe", "vrf"], check=True)
    bench.commit(
        interfaces=[{"name": "d0", "kind": "dummy", "state": "up", "addresses": ["10.0.0.1/24", "fd00::1/64"]}]
    )
    bench.commit(routes=[{"dst": "192.0.2.0/24", "gateway": "10.0.0.254"}])
    bench.there_and_back(
        interfaces=[
            {"name": "red", "kind": "vrf", "options": {"table": 100}, "state": "up"},
            {"name": "d0", "master": "red"},
        ]
    )


def test_tunnels_forward_as_they_did(bench: Bench) -> None:
    bench.commit(interfaces=[{"name": "vx0", "kind": "vxlan", "options": {"id": 7, "port": 4789}, "state": "up"}])
    bench.there_and_back(
        fdb=[
            {"mac": "02:00:00:00:00:10", "dev": "vx0", "dst": "192.0.2.9"},
            {"mac": "00:00:00:00:00:00", "dev": "vx0", "dst": "192.0.2.9"},
            {"mac": "00:00:00:00:00:00", "dev": "vx0", "dst": "192.0.2.10"},
        ]
    )
    bench.there_and_back(interfaces=[{"name": "vx0", "kind": "vxlan", "options": {"id": 8}, "recreate": True}])
    bench.there_and_back(fdb=[{"mac": "00:00:00:00:00:00", "dev": "vx0", "dst": "192.0.2.9", "state": "absent"}])


def test_exactly_what_is_listed(bench: Bench) -> None:
    bench.commit(
        interfaces=[
            tap("keep", state="up", addresses=["10.0.0.1/24"]), tap("vnet7", state="up"), tap("carrier", state="up"),
            tap("old"), {"name": "br9", "kind": "bridge", "ports": ["carrier", "old"]},
        ],
        routes=[{"dst": "192.0.2.0/24", "gateway": "10.0.0.254"}, {"dst": "198.51.100.0/24", "dev": "vnet7"}],
        rules=[{"src": "10.9.0.0/16", "table": "9", "priority": 9}],
    )  # fmt: skip
    bench.there_and_back(scope="exact", protect=["vnet*", "carrier"], interfaces=[{"name": "keep"}], routes=[])
    assert bench.names() == {"keep", "vnet7", "carrier", "br9"}  # what `carrier` belongs to stays
    found = capture(bench.channel)
    assert [one["dst"] for one in found.routes.values()] == ["198.51.100.0/24"]
    assert len(found.rules) == 1  # nothing was said of rules
    bench.there_and_back(scope="exact", interfaces=[], rules=[])
    assert bench.names() == set()
    assert not capture(bench.channel).rules
