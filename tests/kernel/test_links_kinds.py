# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of link through the planner: created, read back beside `ip`, changed, made anew, removed.

Each step is predicted by check mode, and the same task has nothing to do a second time.
"""

from __future__ import annotations

import subprocess
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.links.wanted import WrongLink
from ansible_collections.fleet.hypervisor.plugins.module_utils.plan import ChangeFailed

from tests.kernel.links import Bench, differing


class Case(t.NamedTuple):
    kind: str
    options: dict = {}
    changed: dict = {}  # options that an existing link takes
    fixed: dict = {}  # options that only another link can have
    link: str = ""  # what it stands on
    id: str = ""

    @property
    def task(self) -> dict:
        return {"kind": self.kind, "options": self.options, **({"link": self.link} if self.link else {})}


CASES = [
    Case("dummy"),
    Case("ifb"),
    Case("bridge", {"stp_state": 1, "forward_delay": 400}, {"ageing_time": 6000, "priority": 8192}),
    Case(
        "bridge",
        {"vlan_filtering": True, "vlan_protocol": "802.1ad"},
        {"vlan_filtering": False, "vlan_default_pvid": 7},
        id="bridge-vlan",
    ),
    Case(
        "bond",
        {"mode": "802.3ad", "miimon": 100, "xmit_hash_policy": "layer3+4"},
        {"miimon": 200, "ad_lacp_rate": "fast", "min_links": 1},
    ),
    Case(
        "bond",
        {"mode": "active-backup", "arp_interval": 100, "arp_ip_target": ["10.0.0.9"]},
        {"arp_ip_target": ["10.0.0.8", "10.0.0.7"], "mode": "balance-xor"},
        id="bond-arp",
    ),
    Case("vlan", {"id": 100}, {"egress_qos": [{"from": 1, "to": 5}]}, {"id": 101}, "P"),
    Case("vlan", {"id": 100, "protocol": "802.1ad"}, {"flags": ["REORDER_HDR", "GVRP"]}, {}, "P", "vlan-ad"),
    Case(
        "vxlan",
        {"id": 42, "local": "10.0.0.1", "remote": "10.0.0.2", "port": 4789},
        {"remote": "10.0.0.3", "ageing": 100},
        {"id": 43},
    ),
    Case("vxlan", {"id": 42, "remote": "fd00::2", "port": 4789}, {"learning": False}, {"port": 4790}, "P", "vxlan-6"),
    Case("geneve", {"id": 42, "remote": "10.0.0.2"}, {"ttl": 9}, {"id": 43}),
    Case("macvlan", {"mode": "bridge"}, {"mode": "private"}, {}, "P"),
    Case("macvtap", {"mode": "bridge"}, {"mode": "vepa"}, {}, "P"),
    Case("ipvlan", {"mode": "l2"}, {"mode": "l3"}, {}, "P"),
    Case("vrf", {"table": 100}, {}, {"table": 101}),
    Case("tap", {"user": 1, "multi_queue": True}, {"user": 2, "group": 3}, {"multi_queue": False}),
    Case("tun", {"group": 1}, {"user": 2, "vnet_hdr": True}),
    Case("gre", {"local": "10.0.0.1", "remote": "10.0.0.2", "key": 7}, {"remote": "10.0.0.3", "ttl": 9}),
    Case("gretap", {"local": "10.0.0.1", "remote": "10.0.0.2"}, {"ikey": 5, "okey": 5}),
    Case("ipip", {"local": "10.0.0.1", "remote": "10.0.0.2"}, {"ttl": 9}),
    Case("sit", {"local": "10.0.0.1", "remote": "10.0.0.2"}, {"ttl": 9}),
    Case("ip6gre", {"local": "fd00::1", "remote": "fd00::2"}, {"ttl": 9}),
    Case("wireguard"),
]


@pytest.fixture
def bench(netns):
    found = Bench(netns)
    found.ip("ip link add P type veth peer name Q", "ip link set P up")
    return found


def filters_vlans(bench: Bench) -> bool:
    try:
        bench.ip("ip link add F type bridge vlan_filtering 1")
    except subprocess.CalledProcessError:
        return False
    bench.ip("ip link delete F")
    return True


@pytest.fixture
def create(bench, lacking):
    """Creates L as the case says, or says that the kernel does not have the kind."""

    def create(case: Case, **more: t.Any) -> dict:
        if "vlan_filtering" in case.options and not filters_vlans(bench):
            lacking("VLAN filtering of bridges")
        try:
            return bench.predicted(name="L", **case.task, **more)
        except ChangeFailed as error:
            if "does not have the module" not in str(error):
                raise
            assert bench.names() == {"P", "Q"}
            lacking(case.kind)

    return create


def told(data: dict, options: dict) -> dict:
    """What `ip` prints of these options, where it prints them by the same name and value."""
    return {name: data[name] for name, value in options.items() if name in data and type(data[name]) is type(value)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id or case.kind)
def test_every_kind_is_created_changed_and_removed(bench, create, case):
    done = create(case)
    assert done["changes"] == [f"L in {bench.netns}: create {case.kind}" + (f" on {case.link}" if case.link else "")]
    assert done["diff"]["before"] == ""
    seen = bench.shown("L")
    assert seen["linkinfo"]["info_kind"] == {"tap": "tun"}.get(case.kind, case.kind)
    assert (seen.get("link") or "") == ("" if case.kind == "vxlan" else case.link)
    assert "UP" not in seen["flags"]
    assert told(bench.data("L"), case.options) == {
        name: value for name, value in case.options.items() if name in told(bench.data("L"), case.options)
    }
    if case.changed:
        done = bench.predicted(name="L", options=case.changed)
        assert len(done["changes"]) == 1
        assert done["diff"]["before"] != done["diff"]["after"]
        kept = {**case.options, **case.changed}
        assert told(bench.data("L"), kept) == {name: kept[name] for name in told(bench.data("L"), kept)}
    bench.predicted(name="L", state="absent")
    assert bench.names() == {"P", "Q"}


@pytest.mark.parametrize("case", [case for case in CASES if case.fixed], ids=lambda case: case.id or case.kind)
def test_what_cannot_be_changed_in_place_is_refused_or_made_anew(bench, create, case):
    create(case, state="up", mtu=1400)
    before = bench.picture()
    wanted = {**case.task, "options": {**case.options, **case.fixed}}
    option = next(iter(case.fixed))
    with pytest.raises(WrongLink, match=rf"^L exists and cannot be changed in place \({option} is .*recreate: true"):
        bench.run(name="L", **wanted)
    assert bench.picture() == before
    done = bench.predicted(name="L", **wanted, recreate=True, state="up")
    assert "remove to make it anew" in done["changes"][0]
    assert "UP" in bench.shown("L")["flags"]


def test_a_kind_that_the_link_is_not_is_refused_or_made_anew(bench):
    bench.predicted(name="L", kind="bridge")
    with pytest.raises(WrongLink, match="kind is bridge, not ifb"):
        bench.run(name="L", kind="ifb")
    bench.predicted(name="L", kind="ifb", recreate=True)
    assert bench.shown("L")["linkinfo"]["info_kind"] == "ifb"


def test_a_link_made_anew_keeps_the_kind_that_the_task_does_not_say(bench, create):
    create(Case("vxlan", {"id": 5}))
    done = bench.predicted(name="L", options={"id": 6}, recreate=True)
    place = f"L in {bench.netns}"
    assert done["changes"] == [f"{place}: remove to make it anew (id is 5, not 6)", f"{place}: create vxlan"]
    assert bench.data("L")["id"] == 6


def test_a_physical_link_is_never_made_anew(bench):
    with pytest.raises(WrongLink, match="lo is a physical link, not of kind bridge: it cannot be replaced"):
        bench.run(name="lo", kind="bridge", recreate=True)


def test_a_kind_that_no_kernel_has(bench):
    before = bench.picture()
    with pytest.raises(ChangeFailed, match="L.*: create warp: .*does not have the module warp, or could not load it"):
        bench.run(name="L", kind="warp")
    assert bench.picture() == before


def test_a_pair_with_its_other_end_in_another_namespace(bench, make_netns):
    there = Bench(make_netns())
    tasks = (
        {"name": "here", "kind": "veth", "options": {"peer": {"ifname": "there", "netns": there.netns}}, "state": "up"},
        {"name": "there", "netns": there.netns, "mtu": 1400, "addresses": ["10.9.9.2/24"], "state": "up"},
    )
    done = bench.predicted(*tasks)
    assert any("create as the other end of a pair" in change for change in done["changes"])
    assert there.shown("there")["mtu"] == 1400
    assert there.addresses("there") == ["10.9.9.2/24"]
    assert there.shown("there")["operstate"] == "UP"
    bench.predicted(name="here", state="absent")
    assert there.names() == set()


def test_both_ends_of_a_pair_may_be_described(bench):
    bench.predicted(
        {"name": "a", "kind": "veth", "options": {"peer": {"ifname": "b"}}, "state": "up"},
        {"name": "b", "kind": "veth", "options": {"peer": {"ifname": "a"}}, "address": "02:00:00:00:00:07"},
        {"name": "br0", "kind": "bridge", "ports": ["b"]},
    )
    assert bench.shown("a")["link"] == "b"
    assert bench.shown("b")["address"] == "02:00:00:00:00:07"
    assert bench.shown("b")["master"] == "br0"


def test_the_other_end_of_a_pair_is_checked(bench):
    with pytest.raises(WrongLink, match=r"^options.peer.netns: .*no-such"):
        bench.run(name="a", kind="veth", options={"peer": {"ifname": "b", "netns": "no-such"}})
    with pytest.raises(WrongLink, match=r"^options.peer.ifname: 'x/y' is not a link's name"):
        bench.run(name="a", kind="veth", options={"peer": {"ifname": "x/y"}})
    with pytest.raises(WrongLink, match=r"^options.peer.ifname: there is a link P already"):
        bench.run(name="a", kind="veth", options={"peer": {"ifname": "P"}})
    with pytest.raises(WrongLink, match=r"^options.peer.colour: unknown"):
        bench.run(name="a", kind="veth", options={"peer": {"ifname": "b", "colour": "red"}})


@pytest.mark.parametrize("case", [case for case in CASES if not case.id], ids=lambda case: case.kind)
def test_a_removed_link_comes_back_as_it_was(bench, create, case):
    """The way back of a removal, when something later fails."""
    create(case, state="up", mtu=1400, alias="some words")
    bench.run(name="L", altnames=["another-name-of-it"])
    before = bench.picture()
    with pytest.raises(ChangeFailed) as failed:
        bench.run({"name": "L", "state": "absent"}, {"name": "lo", "state": "absent"})
    assert "undone again: L" in str(failed.value)
    assert not differing(before, bench.picture())


def test_taps_have_owners_and_queues(bench):
    bench.predicted(name="L", kind="tap", options={"user": "nobody", "group": 0, "multi_queue": True, "vnet_hdr": True})
    data = bench.data("L")
    assert (data["type"], data["multi_queue"], data["vnet_hdr"], data["persist"]) == ("tap", True, True, True)
    assert data["user"] == "nobody"
    with pytest.raises(WrongLink, match=r"^options.type: contradicts the kind tap"):
        bench.run(name="L", kind="tap", options={"type": "tun"})
    with pytest.raises(WrongLink, match=r"^options.user: takes a user of this host"):
        bench.run(name="L", kind="tap", options={"user": "no-such-user"})
