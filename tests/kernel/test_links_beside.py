# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back of links that reach into another namespace: what is there comes back with them."""

from __future__ import annotations

import contextlib
import os
import subprocess
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink import netns as namespaces

from tests.kernel import iproute2
from tests.kernel.links import Bench, differing, refused


@pytest.fixture
def bench(netns):
    found = Bench(netns)
    found.ip("ip link add br0 type bridge", "ip link set br0 up")
    return found


@pytest.fixture
def there(bench, make_netns):
    """The far end of a pair: a port with a VLAN on it, and another one with addresses and routes."""
    far = Bench(make_netns())
    bench.ip(
        f"ip link add n0 index 30 type veth peer name n1 index 50 netns {far.netns}",
        f"ip link add m0 index 31 type veth peer name m1 index 51 netns {far.netns}",
        "ip link set n0 master br0 up",
        "ip address add 10.7.0.1/24 dev m0",
        "ip link set m0 mtu 1420 up",
    )
    far.ip(
        "ip link add br9 type bridge",
        "ip link set n1 mtu 1400 address 02:00:00:00:00:51",
        "ip link set n1 master br9",
        "ip link set n1 type bridge_slave cost 9",
        "ip link set br9 up",
        "ip link set n1 up alias far",
        "ip link set m1 txqueuelen 77 up",
        "ip link add link m1 name mv1 type macvlan mode bridge",
        "ip address add 10.8.0.2/24 dev mv1",
        "ip address add 10.7.0.2/24 dev m1",
        "ip address add fd07::2/64 dev m1",
        "ip route add 203.0.113.0/24 via 10.7.0.1",
    )
    return far


def test_both_ends_of_a_pair_come_back(bench, there):
    pictures = bench.picture(), there.picture()
    for gone in (
        [{"name": "n0", "state": "absent"}],
        [{"name": "m0", "state": "absent"}],
        [{"name": name, "state": "absent"} for name in ("br0", "m0", "n0")],
        [{"name": name, "state": "absent", "netns": there.netns} for name in ("n1", "m1")],
        [{"name": "m0", "kind": "bridge", "recreate": True, "mtu": 1300}],
    ):
        words = refused(bench, *gone)
        assert "NOT undone" not in words
        changed = differing(pictures[0], bench.picture()) + differing(pictures[1], there.picture())
        assert not changed, f"{words}\n" + "\n".join(changed)
    assert iproute2.indexes(there.netns)["n1"] == 50
    bench.run({"name": "n0", "state": "absent"})
    assert "n1" not in there.names()


def test_both_ends_of_a_pair_are_removed_in_one_task(bench, there):
    pictures = bench.picture(), there.picture()
    gone = [{"name": "n1", "state": "absent", "netns": there.netns}, {"name": "n0", "state": "absent"}]
    words = refused(bench, *gone)
    assert "NOT undone" not in words
    assert not differing(pictures[0], bench.picture()) + differing(pictures[1], there.picture())
    done = bench.predicted(*gone)
    assert [one.split(": ")[1] for one in done["changes"]] == ["remove", "goes with its peer"]


def test_a_namespace_without_a_name_is_found_by_its_processes(bench, there):
    sleeper = subprocess.Popen(["ip", "netns", "exec", there.netns, "sleep", "300"])
    try:
        seen = there.picture()
        with unnamed(there.netns):
            words = refused(bench, {"name": "n0", "state": "absent"}, {"name": "m0", "state": "absent"})
        assert "NOT undone" not in words
        assert not differing(seen, there.picture())
    finally:
        sleeper.kill()
        sleeper.wait()


@contextlib.contextmanager
def unnamed(netns: str) -> t.Iterator[None]:
    """Takes the name away meanwhile; a file of this process keeps the namespace, which nobody can find."""
    file = namespaces.open_file(netns)
    namespaces.remove(netns)
    try:
        yield
    finally:
        path = namespaces.path_of(netns)
        open(path, "x").close()
        subprocess.run(["mount", "-c", "--bind", f"/proc/{os.getpid()}/fd/{file}", path], check=True)
        os.close(file)


def test_what_cannot_be_found_is_said(bench, there):
    """A namespace that has neither a name nor a process."""
    with unnamed(there.netns):
        words = refused(bench, {"name": "n0", "state": "absent"}, {"name": "br0", "mtu": 1400})
    assert "NOT undone: n0" in words
    assert "there is no way back" in words
    assert "undone again: br0" in words
    assert "n1" not in there.names()


def test_a_link_comes_back_onto_one_elsewhere(bench, there):
    """A macvlan that was moved: its parent has the same number as another link here."""
    there.ip("ip link add wanderer link m1 type macvlan mode private", f"ip link set wanderer netns {bench.netns}")
    bench.ip("ip link add decoy index 51 type bridge")
    before = bench.shown("wanderer")
    refused(bench, {"name": "wanderer", "state": "absent"})
    after = bench.shown("wanderer")
    for key in ("link_index", "link_netnsid", "address", "ifindex"):
        assert after[key] == before[key]
    assert after["linkinfo"]["info_data"]["mode"] == "private"
