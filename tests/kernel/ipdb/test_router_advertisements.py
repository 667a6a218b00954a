# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a router advertises is the kernel's: never a difference, never taken away, whatever a transaction is about."""

from __future__ import annotations

import socket
import struct
import time
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.failures import TransactionFailed
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.netns import opened_in

from tests.kernel import iproute2
from tests.kernel.ipdb import tasks as txn

ADVERTISEMENT, PREFIX = 134, 3  # RFC 4861, 4.2 and 4.6.2
ALL_NODES = "ff02::1"
ROUTER = "fe80::1"
NET = "fd5e::"

Learnt = t.Tuple[t.Set[str], t.Set[str]]


def advertisement() -> bytes:
    """Of a router for half an hour, and of one prefix for addresses that hosts give themselves."""
    router = struct.pack("!BBHBBHII", ADVERTISEMENT, 0, 0, 64, 0, 1800, 0, 0)
    on_link, autonomous = 0x80, 0x40
    prefix = struct.pack("!BBBBIII", PREFIX, 4, 64, on_link | autonomous, 1800, 900, 0)
    return router + prefix + socket.inet_pton(socket.AF_INET6, NET)


def advertise(router: str, device: str) -> None:
    def send() -> None:
        index = socket.if_nametoindex(device)
        with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sock:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)  # others are not believed
            sock.bind((ROUTER, 0, 0, index))
            sock.sendto(advertisement(), (ALL_NODES, 0, 0, index))

    opened_in(router, send)


def write(netns: str, path: str, value: object) -> None:
    def there() -> None:
        with open(f"/proc/sys/net/ipv6/conf/{path}", "w") as file:
            file.write(str(value))

    opened_in(netns, there)


def learnt(netns: str) -> Learnt:
    """Addresses that the host gave itself, and the destinations of routes that an advertisement made."""
    addresses = [one for link in iproute2.shown(netns, "ip -6 addr show dev v0") for one in link.get("addr_info", ())]
    routes = iproute2.shown(netns, "ip -6 route show")
    return (
        {one["local"] for one in addresses if one.get("dynamic")},
        {one["dst"] for one in routes if one["protocol"] in ("ra", "kernel") and one.get("expires")},
    )


@pytest.fixture
def host(make_netns: t.Callable[[], str]) -> str:
    """A namespace with `v0`, whose other end is in a router's, which has advertised itself."""
    host, router = make_netns(), make_netns()
    iproute2.run(host, f"ip link add v0 type veth peer name v1 netns {router}")
    for netns, device in ((host, "v0"), (router, "v1")):
        write(netns, f"{device}/accept_dad", 0)
        iproute2.run(netns, f"ip link set {device} up")
    write(host, "v0/accept_ra", 1)
    iproute2.run(router, f"ip addr add {ROUTER}/64 dev v1 nodad")
    deadline = time.monotonic() + 20 * txn.SLOWER
    while not all(learnt(host)):
        assert time.monotonic() < deadline, "the advertisement did not arrive"
        advertise(router, "v1")
        time.sleep(0.1)
    return host


WANTED: dict[str, t.Any] = {
    "interfaces": [{"name": "v0", "state": "up", "mtu": 1400, "addresses": ["10.0.0.1/24", "fd00::1/64"]}],
    "routes": [{"dst": "default", "gateway": "10.0.0.254"}, {"dst": "2001:db8::/32", "gateway": "fd00::fe"}],
}


def assert_learnt(found: Learnt) -> None:
    (address,), routes = found
    assert address.startswith(NET)
    assert routes == {"default", f"{NET}/64"}


@pytest.mark.parametrize("scope", ["listed", "exact"])
def test_what_is_advertised_is_no_difference(host: str, scope: str) -> None:
    assert_learnt(learnt(host))
    first = txn.run(host, scope=scope, **WANTED)
    assert (first["changed"], first["meanwhile"]) == (True, [])
    assert NET not in str(first["review"])
    second = txn.run(host, scope=scope, **WANTED)
    assert (second["changed"], second["review"]) == (False, [])
    assert_learnt(learnt(host))


@pytest.mark.parametrize("scope", ["listed", "exact"])
def test_no_addresses_and_no_routes_wanted_leaves_what_is_advertised(host: str, scope: str) -> None:
    txn.run(host, **WANTED)
    bare = {"interfaces": [{"name": "v0", "state": "up", "addresses": []}], "routes": []}
    assert txn.run(host, scope=scope, **bare)["changed"]
    assert not txn.run(host, scope=scope, **bare)["changed"]
    assert_learnt(learnt(host))
    assert not iproute2.shown(host, "ip -4 route show")


def test_what_is_undone_leaves_what_is_advertised(host: str) -> None:
    seen = txn.network(host)
    refused = {"dst": "198.51.100.0/24", "gateway": "203.0.113.1", "dev": "v0"}
    with pytest.raises(TransactionFailed, match="everything was undone"):
        txn.run(host, interfaces=WANTED["interfaces"], routes=[*WANTED["routes"], refused])
    assert txn.network(host) == seen
    assert_learnt(learnt(host))
