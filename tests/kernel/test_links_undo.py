# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task that fails, wherever it does, leaves links, addresses and routes as they were, and says what happened."""

from __future__ import annotations

import contextlib
import subprocess
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils import plan as spine
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.links.runner import Runner, Step
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl import link

from tests.kernel.links import Bench, differing, planned


class Sabotage(Runner):
    """Has the kernel refuse one action, counted from the first."""

    def __init__(self, netns: str, at: int) -> None:
        super().__init__()
        self.left = at
        self.refused = Step(netns, lambda place: [link.delete(place.index("lo"), "lo")])

    def __call__(self, actions: t.Sequence[t.Any]) -> list[Exception | None]:
        at, self.left = self.left, self.left - len(actions)
        if 0 <= at < len(actions):
            actions = [*actions[:at], self.refused, *actions[at + 1 :]]
        return super().__call__(actions)


def fail_everywhere(bench: Bench, *links: dict) -> int:
    """Fails the task at each of its changes; the number of changes. Then carries it out."""
    before = bench.picture()
    with Runner() as run:
        changes = planned(bench, links, run).changes
    for at, change in enumerate(changes):
        with Sabotage(bench.netns, at) as run, pytest.raises(spine.ChangeFailed) as failed:
            planned(bench, links, run).apply()
        words = str(failed.value)
        assert failed.value.change.how == change.how, words
        assert words.startswith(f"{change.where}: {change.what}: {change.how}: RTM_DELLINK lo: Operation not supported")
        assert not failed.value.stuck, words
        changed = differing(before, bench.picture())
        assert not changed, f"after the failure of {change.how}: {words}\n" + "\n".join(changed)
    assert bench.picture() == before
    bench.run(*links)
    assert bench.run(*links)["changes"] == []
    return len(changes)


@pytest.fixture
def bench(netns):
    """A bridge with three ports, links on links, addresses with secondaries, routes."""
    found = Bench(netns)
    found.ip(
        "ip link add v0 type veth peer name v1",
        "ip link add v2 type veth peer name v3",
        "ip link add br0 type bridge forward_delay 400",
        "ip link set v1 mtu 1400",
        "ip link set v1 master br0",
        "ip link set v1 type bridge_slave cost 7 learning off",
        "ip link set br0 mtu 1300",
        *(f"ip link set {name} up" for name in ("lo", "v0", "v1", "v2", "v3", "br0")),
        "ip link add mv0 link v0 type macvlan mode bridge",
        "ip link set mv0 mtu 1450 up",
        "ip link add vx0 type vxlan id 7 remote 192.0.2.2 dstport 4789 dev v0",
        "ip address add 10.0.0.1/24 dev br0",
        "ip address add 10.0.0.2/24 dev br0",
        "ip address add 10.0.0.3/24 dev br0 label br0:x",
        "ip address add 192.0.2.1/24 dev v0",
        "ip address add fd00::1/64 dev v0",
        "ip address add fd01::1/64 dev mv0",
        "ip address add 198.51.100.1/24 dev v3",
        "ip route add 203.0.113.0/24 via 192.0.2.9",
        "ip route add 10.99.0.0/16 via 10.0.0.99 metric 50",
        "ip -6 route add fd99::/16 via fd00::9",
        "ip link set v0 alias words",
    )
    with contextlib.suppress(subprocess.CalledProcessError):  # a kernel whose bridges know no VLANs
        found.ip("ip link set br0 type bridge vlan_filtering 1")
        found.ip(
            "bridge vlan add dev v1 vid 20-22",
            "bridge vlan add dev v1 vid 30 pvid untagged",
            "bridge vlan del dev v1 vid 1",
            "bridge vlan add dev br0 vid 40 self",
            "bridge fdb add 02:00:00:00:00:78 dev v1 vlan 20 master static",
        )
    found.ip("bridge fdb add 02:00:00:00:00:77 dev v1 master static")
    return found


def test_changes_in_place(bench):
    count = fail_everywhere(
        bench,
        {"name": "v0", "mtu": 1200, "alias": "other words", "altnames": ["front-0"], "address": "02:00:00:00:00:01"},
        {"name": "br0", "mtu": 1250, "options": {"forward_delay": 500}, "addresses": ["10.0.0.2/24", "10.0.0.7/24"]},
        {"name": "v1", "master": "", "state": "down"},
        {"name": "v3", "master": "br0", "port_options": {"hairpin": True}, "txqueuelen": 5},
        {"name": "v2", "state": "down", "addresses": [{"address": "10.3.0.1", "peer": "10.3.0.2"}]},
    )
    assert count > 15


def test_creations_and_removals(bench):
    count = fail_everywhere(
        bench,
        {"name": "br1", "kind": "bridge", "mtu": 1500, "state": "up", "ports": ["v3", "tap0", "new1"]},
        {"name": "tap0", "kind": "tap", "state": "up", "mtu": 1400},
        {"name": "new0", "kind": "veth", "options": {"peer": {"ifname": "new1"}}, "addresses": ["10.4.0.1/24"]},
        {"name": "mv1", "kind": "macvlan", "link": "new0", "state": "up", "addresses": ["fd04::1/64"]},
        {"name": "br0", "state": "absent"},
        {"name": "v0", "state": "absent"},
    )
    assert count > 15
    assert bench.names() == {"br1", "v2", "v3", "tap0", "new0", "new1", "mv1"}


def test_names_and_namespaces(bench, make_netns):
    there = Bench(make_netns())
    there.ip("ip link add blocker index 40 type veth peer name b1 index 41")
    count = fail_everywhere(
        bench,
        {"name": "v2", "select": {"ifindex": bench.shown("v3")["ifindex"]}},
        {"name": "v3", "select": {"ifindex": bench.shown("v2")["ifindex"]}, "addresses": ["10.5.0.1/24"]},
        {
            "name": "outer",
            "select": {"name": "v0"},
            "move_to": there.netns,
            "addresses": ["10.6.0.1/24"],
            "state": "up",
        },
    )
    assert count > 6
    assert there.addresses("outer") == ["10.6.0.1/24"]
    assert bench.addresses("v2") == ["198.51.100.1/24"]


def test_links_made_anew(bench):
    count = fail_everywhere(
        bench,
        {"name": "vx0", "kind": "vxlan", "options": {"id": 8}, "recreate": True, "link": "v0", "state": "up"},
        {"name": "br0", "kind": "ifb", "recreate": True, "state": "up"},
    )
    assert count > 4


def test_bonds_vlans_and_vrfs(bench, lacking):
    for kind, options in (("bond", "mode active-backup miimon 100"), ("vrf", "table 7"), ("dummy", "")):
        try:
            bench.ip(f"ip link add {kind}0 type {kind} {options}")
        except Exception:
            lacking(kind)
    bench.ip(
        "ip link add w0 type veth peer name w1",
        "ip link add w2 type veth peer name w3",
        *(f"ip link set {name} master bond0" for name in ("w0", "w2")),
        *(f"ip link set {name} up" for name in ("w1", "w3", "bond0", "vrf0", "dummy0")),
        "ip link add link bond0 name bond0.5 type vlan id 5 egress-qos-map 1:2",
        "ip address add 10.7.0.1/24 dev bond0.5",
        "ip address add fd07::1/64 dev bond0.5",
        "ip link set bond0.5 up",
        "ip address add fd08::1/64 dev dummy0",
        "ip route add 10.77.0.0/16 via 10.7.0.9",
    )
    count = fail_everywhere(
        bench,
        {"name": "w0", "master": "", "addresses": ["fd09::1/64"]},
        {"name": "v3", "master": "bond0"},
        {"name": "bond0", "options": {"miimon": 200, "primary": "v3"}, "mtu": 1400},
        {"name": "bond0.5", "options": {"egress_qos": [{"from": 2, "to": 3}]}, "mtu": 1300},
        {"name": "dummy0", "master": "vrf0"},
    )
    assert count > 8
    assert "fd08::1/64" in bench.addresses("dummy0")
    count = fail_everywhere(
        bench,
        {"name": "bond0", "kind": "bond", "options": {"mode": "802.3ad"}, "recreate": True},
        {"name": "bond0.5", "kind": "vlan", "link": "bond0", "options": {"id": 5}, "state": "up"},
        {"name": "w2", "alias": "second port"},
        {"name": "dummy0", "master": ""},
    )
    assert count > 6
    assert {bench.shown(name)["master"] for name in ("w2", "v3")} == {"bond0"}
    assert "fd08::1/64" in bench.addresses("dummy0")


def test_the_kernel_refuses_a_value(bench):
    before = bench.picture()
    with pytest.raises(spine.ChangeFailed) as failed:
        bench.run(
            {"name": "new", "kind": "bridge"},
            {"name": "v3", "master": "new"},
            {"name": "mv0", "mtu": 1400},
            {"name": "v0", "mtu": 99999999},
        )
    words = str(failed.value)
    assert words.startswith("links[3]: v0 in ")
    assert "mtu 1500 -> 99999999: RTM_SETLINK v0: mtu greater than device maximum (Invalid argument)" in words
    assert "undone again: " in words
    assert "\n" not in words
    assert bench.picture() == before


def test_a_name_is_taken_meanwhile(bench):
    links = [{"name": "a", "kind": "ifb"}, {"name": "late", "kind": "bridge"}, {"name": "v3", "master": "late"}]
    with Runner() as run:
        ready = planned(bench, links, run)
        bench.ip("ip link add late type ifb")
        before = bench.picture()
        with pytest.raises(
            spine.ChangeFailed, match=r"links\[1\]: late .*: create bridge: .*File exists.*undone again: a"
        ):
            ready.apply()
    assert bench.picture() == before


def test_a_link_disappears_half_way(bench):
    links = [{"name": "br0", "alias": "new words"}, {"name": "v2", "mtu": 1400}, {"name": "v3", "mtu": 1400}]
    with Runner() as run:
        ready = planned(bench, links, run)
        bench.ip("ip link delete v2")
        before = bench.picture()
        with pytest.raises(
            spine.ChangeFailed, match=r"links\[1\]: v2 .*: mtu 1500 -> 1400: .*No such device"
        ) as failed:
            ready.apply()
    assert "\n" not in str(failed.value)
    assert bench.picture() == before


def test_an_undo_that_fails_is_said(bench):
    links = [{"name": "new", "kind": "ifb"}, {"name": "v2", "mtu": 1400}, {"name": "lo", "state": "absent"}]

    class Thief(Runner):
        """Takes the new link away when the last change is tried."""

        def __call__(self, actions):
            outcomes = super().__call__(actions)
            if any(outcomes) and "new" in bench.names():
                bench.ip("ip link delete new")
            return outcomes

    with Thief() as run, pytest.raises(spine.ChangeFailed) as failed:
        planned(bench, links, run).apply()
    words = str(failed.value)
    assert "undone again: v2" in words
    assert "NOT undone: new" in words
    assert "No such device" in words
