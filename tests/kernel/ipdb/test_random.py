# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pairs of random hosts: one becomes the other, is right the second time, and is taken back to what it was, exactly."""

from __future__ import annotations

import os
import subprocess
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink import netns as namespaces
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.kernel.ipdb.transactions import Bench, assert_same

GUEST = os.environ.get("FLEET_KERNEL") == "guest"
COUNT = int(os.environ.get("FLEET_PAIRS") or 300)
ADDRESSES = [
    *(f"10.{network}.0.{host}/24" for network in (0, 1) for host in (1, 2, 3)),
    *("fd00::1/64", "fd00::2/64", "fd01::1/64"),
]
Host = t.Dict[str, t.List[t.Dict[str, t.Any]]]


def link(name: str, **options: t.Any) -> st.SearchStrategy[dict]:
    """A link of that name, or none."""
    always = {
        "name": st.just(name),
        "state": st.sampled_from(["up", "up", "down"]),
        "addresses": st.lists(st.sampled_from(ADDRESSES), unique=True, max_size=4),
        "alias": st.sampled_from(["", "some words"]),
    }
    options = {key: one if isinstance(one, st.SearchStrategy) else st.just(one) for key, one in options.items()}
    return st.fixed_dictionaries({**always, **options}) | st.none()


MTU = st.sampled_from([1300, 1400, 1500])
MASTER = st.sampled_from(["", "", "br0", "br1"])
BRIDGE_OPTIONS = st.fixed_dictionaries({"forward_delay": st.sampled_from([200, 400]), "mcast_snooping": st.booleans()})
BRIDGES = [link(name, kind="bridge", options=BRIDGE_OPTIONS, mtu=MTU) for name in ("br0", "br1")]
PAIRS = [
    link(f"{name}0", kind="veth", options={"peer": {"ifname": f"{name}1"}}, master=MASTER, mtu=MTU)
    for name in ("v", "w")
]
PEERS = [link(f"{name}1", master=MASTER, mtu=MTU) for name in ("v", "w")]
TAPS = [link("tap0", kind="tap", options=st.fixed_dictionaries({"user": st.sampled_from([1, 2])}), master=MASTER)]
ON_TOP = [
    link("mv0", kind="macvlan", link=st.sampled_from(["v1", "w1"]), options={"mode": "bridge"}, recreate=True),
    link("vx0", kind="vxlan", options=st.fixed_dictionaries({"id": st.sampled_from([7, 8]), "port": st.just(4789)}),
         recreate=True, master=MASTER),
]  # fmt: skip
BOND = link("bond0", kind="bond", options=st.sampled_from([{"mode": "active-backup"}, {"mode": "balance-rr"}]),
            recreate=True)  # fmt: skip
SLAVES = [link(name, kind="dummy", master=st.sampled_from(["", "bond0", "br0"])) for name in ("d0", "d1")]
VLANS = [
    link(name, kind="vlan", link=st.sampled_from(["bond0", "d0", "v1"]), recreate=True, master=MASTER,
         options=st.fixed_dictionaries({"id": st.sampled_from([5, 6])}))
    for name in ("vlan5", "vlan6")
]  # fmt: skip

LINKS = [*BRIDGES, *PAIRS, *PEERS, *TAPS, *ON_TOP, *((BOND, *SLAVES, *VLANS) if GUEST else ())]
ROUTES = st.lists(
    st.sampled_from(
        [
            {"dst": "192.0.2.0/24", "gateway": "10.0.0.254"},
            {"dst": "192.0.2.0/24", "gateway": "10.1.0.254", "metric": 5},
            {"dst": "default", "gateway": "10.0.0.254"},
            {"dst": "default", "gateway": "10.1.0.253"},
            {"dst": "198.51.100.0/24", "gateway": "10.1.0.254", "table": "100", "mtu": 1300},
            {"dst": "default", "gateway": "fd00::ff"},
            {"dst": "fd99::/64", "gateway": "fd01::ff", "metric": 7},
            {"dst": "203.0.113.0/24", "type": "blackhole"},
            {"dst": "203.0.113.9", "type": "unreachable", "table": "100"},
        ]
    ),
    max_size=5,
    unique_by=lambda one: (one["dst"], ":" in one.get("gateway", ""), one.get("metric"), one.get("table")),
)
RULES = st.lists(
    st.sampled_from([
        {"src": "10.0.0.0/24", "table": "100", "priority": 500},
        {"src": "10.1.0.0/24", "table": "100", "priority": 400},
        {"fwmark": 7, "table": "101", "priority": 500}, {"dst": "fd99::/64", "table": "100", "priority": 300},
    ]),
    max_size=3, unique_by=repr,
)  # fmt: skip


def consistent(links: t.Sequence[dict | None]) -> list[dict[str, t.Any]]:
    """Without masters, parents and other ends that are not there, and nothing up on a link that is down."""
    there: dict[str, dict] = {}
    for one in links:
        if one is None or (one.get("link") and one["link"] not in there):
            continue
        if one["name"] in ("v1", "w1") and f"{one['name'][0]}0" not in there:
            continue
        if one.get("link") and there[one["link"]]["state"] == "down":
            one["state"] = "down"
        there[one["name"]] = one
    for end in ("v", "w"):
        if f"{end}0" in there and f"{end}1" not in there:
            del there[f"{end}0"]
    gone = [name for name, one in there.items() if one.get("link") and one["link"] not in there]
    for name in gone:
        del there[name]
    for one in there.values():
        if one.get("master") and (one["master"] not in there or one.get("addresses") is None):
            one["master"] = ""
        if one.get("master") == "bond0":
            one.update(state="up", addresses=[])  # IPv6 is off on a bond's ports
        if one.get("link") in there and there[one["link"]].get("master") == "bond0":
            one["drop"] = True  # a VLAN on a port of a bond: nobody has that
    carrying = {one["link"] for one in there.values() if one.get("kind") == "macvlan"}
    for name in carrying:  # a link has macvlans on it, or a master
        there[name]["master"] = ""
    used: set[tuple] = set()
    for one in there.values():
        key = (one.get("kind"), one.get("link"), repr(sorted(one.get("options", {}).items())))
        if one.get("kind") in ("vlan", "vxlan") and key in used:
            one["drop"] = True
        used.add(key)
    return [one for one in there.values() if not one.pop("drop", False)]


def reachable(links: list[dict], routes: list[dict]) -> list[dict]:
    """The routes whose gateway lies in a network of exactly one link that is up."""

    def fits(route: dict) -> bool:
        if "gateway" not in route:
            return True
        network = route["gateway"].rsplit("." if "." in route["gateway"] else "::", 1)[0]
        ups = [
            one for one in links if any(a.startswith(network + (":" if ":" in a else ".")) for a in one["addresses"])
        ]
        return len(ups) == 1 and ups[0]["state"] == "up"

    return [route for route in routes if fits(route)]


def host(parts: tuple) -> Host:
    links = consistent([one and dict(one) for one in parts[0]])
    return {"interfaces": [*links, {"name": "lo"}], "routes": reachable(links, parts[1]), "rules": parts[2]}


HOSTS = st.tuples(st.tuples(*LINKS), ROUTES, RULES).map(host)


@pytest.fixture(scope="module")
def kinds() -> None:
    """Whether the guest really has what is only tried there."""
    if GUEST:
        subprocess.run(["modprobe", "--all", "bonding", "dummy", "8021q"], check=True)


class Hosts:
    """One namespace for all pairs, since making and removing some takes longer than the rest; another after a fault."""

    def __init__(self) -> None:
        self._count = 0
        self._bench: Bench | None = None

    def bench(self) -> Bench:
        if self._bench is None:
            self._count += 1
            namespaces.create(self._name)
            self._bench = Bench(self._name)
        return self._bench

    @property
    def _name(self) -> str:
        return f"fleet-txn-{os.getpid()}-{self._count}"

    def clear(self) -> None:
        if self._bench is not None:
            self._bench.close()
            namespaces.remove(self._name)
            self._bench = None


@pytest.fixture(scope="module")
def hosts() -> t.Iterator[Hosts]:
    made = Hosts()
    yield made
    made.clear()


@given(pair=st.tuples(HOSTS, HOSTS))
@settings(
    max_examples=COUNT,
    derandomize="FLEET_RANDOM" not in os.environ,  # the same pairs each time, unless others are asked for
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    phases=[Phase.generate],  # shrinking would take minutes
)
def test_any_host_becomes_any_other_and_back(kinds, hosts, pair):
    bench = hosts.bench()
    try:
        bench.commit(**pair[0], scope="exact")
        plan = bench.commit(**pair[1], scope="exact")
        bench.roll_back(plan)
        assert_same(bench.capture(), plan.before)
    except BaseException:
        hosts.clear()
        raise
