# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The namespaces that are measured in: made, filled, emptied, and waited for.

Each function runs in a process of its own (see side.py), so that the measuring process stays small:
a process starts with the peak memory of the one that made it.
"""

from __future__ import annotations

import time
import typing as t

from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink import netns
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.channel import NetlinkSocket
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.message import Request
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl import address, link
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl import route as routes
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl.numbers import (
    RTM_DELLINK,
)
from names import FIRST, GATEWAY, ROUTED, bridge_name, destination

Work = t.Callable[[], t.Any]

TOGETHER = 50  # bridges deleted in one step: each holds the network's one lock for some 20 ms
STILL, QUIET, PATIENCE = 20, 0.005, 120.0  # so many questions in a row, seconds each, seconds at all


def make(name: str) -> Work:
    return lambda: netns.create(name)


def remove(name: str) -> Work:
    def work() -> None:
        _delete_links(name)
        netns.remove(name)

    return work


def _delete_links(name: str) -> None:
    """All links, in groups: removed with their namespace they would hold the lock for minutes."""
    with NetlinkSocket(netns=name) as sock:
        while True:
            found = sock.dump(link.dump(), link.decode_name)
            indexes = [index for index, one in found if one != "lo"][:TOGETHER]
            if not indexes:
                return
            sock.batch([link.change(index, group=7) for index in indexes])
            body = link.IFINFO.pack(0, 0, 0, 0, 0) + link.TABLE.encode({"group": 7})
            sock.ask(Request("RTM_DELLINK", RTM_DELLINK, 0, body, link.TABLE, 16))


def quiet(name: str) -> Work:
    """Waits until nobody holds the network's lock for long; False when that was in vain."""

    def work() -> bool:
        end, still = time.monotonic() + PATIENCE, 0
        with NetlinkSocket(netns=name, timeout=PATIENCE) as sock:
            while still < STILL and time.monotonic() < end:
                start = time.perf_counter()
                sock.ask(link.change(1, "lo", txqlen=1000))
                still = still + 1 if time.perf_counter() - start < QUIET else 0
                time.sleep(0.01)
        return still >= STILL

    return work


def _all(requests: list[Request]) -> int:
    with NetlinkSocket() as sock:
        for failure in sock.batch(requests):
            if failure:
                raise failure
    return len(requests)


def mixed_links(count: int) -> Work:
    """`count` links: a quarter bridges, half veths, the rest vxlans and macvlans.

    A tenth of the veths are ports of the first bridge; the macvlans stand on the second.
    """

    def work() -> int:
        quarter, eighth = count // 4, count // 8
        requests = [link.new(bridge_name(number), "bridge", index=FIRST + number) for number in range(quarter)]
        requests += [
            link.new(
                f"veth{number}",
                "veth",
                linkinfo={"info_data": {"peer": {"ifname": f"peer{number}"}}},
                master=FIRST if number < count // 20 else None,
            )
            for number in range(quarter)
        ]
        requests += [
            link.new(
                f"vxlan{number}",
                "vxlan",
                linkinfo={"info_data": {"id": number + 1, "port": 4789, "learning": False}},
            )
            for number in range(eighth)
        ]
        requests += [
            link.new(
                f"macvlan{number}",
                "macvlan",
                link=FIRST + 1,
                linkinfo={"info_data": {"mode": "bridge"}},
            )
            for number in range(eighth)
        ]
        return _all(requests)

    return work


def _over_bridge() -> list[Request]:
    return [
        link.new(bridge_name(0), "bridge", index=ROUTED, up=True),
        address.new(ROUTED, "192.0.2.1/24"),
    ]


def one_bridge() -> Work:
    return lambda: _all(_over_bridge())


def many_routes(count: int, table: int = 254) -> Work:
    def work() -> int:
        wanted = (
            {"dst": destination(number), "gateway": GATEWAY, "oif": ROUTED, "table": table} for number in range(count)
        )
        return _all(_over_bridge() + [routes.new(one) for one in wanted])

    return work


def bare() -> Work:
    return lambda: 0
