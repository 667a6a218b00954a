# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random small networks, one after the other on the same host: each becomes true, is right the second time, and its
lines of a link before and after are exact: what one plan promises, a later one finds.
"""

from __future__ import annotations

import os
import subprocess
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink import netns as namespaces
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.kernel.links import Bench

GUEST = os.environ.get("FLEET_KERNEL") == "guest"
IPV4 = [f"10.{network}.0.{host}/24" for network in (0, 1) for host in (1, 2, 3)]
IPV6 = ["fd00::1/64", "fd00::2/64", "fd01::1/64", "fe80::1/64"]
STATES = st.sampled_from(["up", "down"])
MTUS = st.sampled_from([1300, 1400, 1500])
ADDRESSES = st.lists(st.sampled_from(IPV4 + IPV6), unique=True, max_size=4)

Network = t.List[t.Dict[str, t.Any]]


def anything(kind: str, name: str, **options: t.Any) -> st.SearchStrategy[dict]:
    """A link of that name and kind with every setting said, or none of it."""
    there = st.fixed_dictionaries(
        {
            "name": st.just(name),
            "kind": st.just(kind),
            "state": STATES,
            "addresses": ADDRESSES,
            "alias": st.sampled_from(["", "some words"]),
            **options,
        }
    )
    return there | st.just({"name": name, "state": "absent"})


def fixed(**values: t.Any) -> st.SearchStrategy[dict]:
    return st.just(values)


BRIDGES = [
    anything(
        "bridge",
        name,
        options=st.fixed_dictionaries({"forward_delay": st.sampled_from([200, 400]), "mcast_snooping": st.booleans()}),
        mtu=MTUS,
    )
    for name in ("br0", "br1")
]
MASTERS = st.sampled_from(["", "br0", "br1"])
PORTS = [anything("tap", name, options=fixed(user=1), master=MASTERS, mtu=MTUS) for name in ("tap0", "tap1")]
PAIR = anything("veth", "v0", options=fixed(peer={"ifname": "v1"}), master=MASTERS, mtu=st.just(1500))
ON_TOP = [
    anything("macvlan", "mv0", link=st.just("v1"), options=fixed(mode="bridge"), mtu=MTUS),
    anything("vxlan", "vx0", options=fixed(id=7, remote="192.0.2.2", port=4789), master=MASTERS, mtu=MTUS),
]
BOND = anything("bond", "bond0", options=st.fixed_dictionaries({"mode": st.just("active-backup"), "miimon": MTUS}))
DUMMIES = [anything("dummy", name, master=st.sampled_from(["", "bond0", "br0"])) for name in ("d0", "d1")]
VLAN = anything("vlan", "bond0.5", link=st.just("bond0"), options=fixed(id=5), master=MASTERS)


def consistent(network: Network) -> Network:
    """Without masters and parents that are not there, and nothing up on a link that is down, as the kernel has it."""
    there: dict[str, dict] = {"": {}}
    for link in network:  # what stands on a link comes after it
        if link.get("link", "") not in there or link["state"] == "absent":
            continue
        if there[link.get("link", "")].get("state") == "down":
            link["state"] = "down"
        there[link["name"]] = link
        if link["name"] == "v0":
            there["v1"] = {}
    for link in there.values():
        if link.get("master") and link["master"] not in there:
            link["master"] = ""
    return [there.get(link["name"], {"name": link["name"], "state": "absent"}) for link in network]


NETWORK = st.tuples(*BRIDGES, *PORTS, PAIR, *ON_TOP, *((BOND, *DUMMIES, VLAN) if GUEST else ())).map(
    lambda links: consistent([dict(link) for link in links])
)


@pytest.fixture(scope="module")
def kinds() -> None:
    """Whether the guest really has what is only tried there."""
    if GUEST:
        subprocess.run(["modprobe", "--all", "bonding", "dummy", "8021q"], check=True)


def told(lines: str) -> dict[str, str]:
    return {line.split("  ")[0]: line for line in lines.splitlines()}


@given(networks=st.lists(NETWORK.flatmap(st.permutations), min_size=2, max_size=3))
@settings(
    max_examples=6 if GUEST else 40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    phases=[Phase.generate],  # shrinking would take minutes; each link of an example says why it is there
)
def test_any_network_becomes_any_other(kinds, networks):
    name = f"fleet-random-{os.getpid()}"
    namespaces.create(name)
    try:
        become(Bench(name), networks)
    finally:
        namespaces.remove(name)


def become(bench: Bench, networks: list[Network]) -> None:
    last: dict[str, str] = {}  # the line of each link, as the last plan that spoke of it left it
    for network in networks:
        done = bench.run(*network)
        again = bench.run(*network)
        assert again["changes"] == []
        before, after = told(done["diff"]["before"]), told(done["diff"]["after"])
        gone = {link["name"] for link in network if link["state"] == "absent"}
        for name in set(before) - gone - {"v1"}:  # of which no task speaks
            assert before[name] == last.get(name), "what a plan finds is what the one before promised"
        last.update(after)
        for name in set(before) - set(after):
            last.pop(name, None)
        read_back(bench, network)


def read_back(bench: Bench, network: Network) -> None:
    """Beside iproute2."""
    for link in network:
        if link["state"] == "absent":
            assert link["name"] not in bench.names()
            continue
        seen = bench.shown(link["name"])
        assert seen.get("ifalias", "") == link["alias"]
        assert ("UP" in seen["flags"]) == (link["state"] == "up")
        assert seen.get("master", "") == link.get("master", "")
        assert seen["mtu"] == link.get("mtu", seen["mtu"])
        there = {f"{one['local']}/{one['prefixlen']}" for one in seen["addr_info"] if one}
        assert set(link["addresses"]) <= there
        assert not there & (set(IPV4 + IPV6) - set(link["addresses"]))
