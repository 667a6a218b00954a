# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same by pyroute2, its messages brought to plain dictionaries as `netlink_info` returns them."""

from __future__ import annotations

import functools
import socket
import typing as t

from names import GATEWAY, ROUTED, bridge_address, bridge_name, destination
from pyroute2 import IPRoute

Work = t.Callable[[], t.Any]

# What netlink_info does not return either; pyroute2 decodes values only when they are asked for.
UNWANTED = {
    "IFLA_STATS",
    "IFLA_STATS64",
    "IFLA_AF_SPEC",
    "IFLA_MAP",
    "IFLA_XDP",
    "IFLA_PROTO_DOWN",
    "UNKNOWN",
}
FAMILIES = ("IFLA_BRPORT_", "IFLA_BR_", "IFLA_VXLAN_", "IFLA_MACVLAN_", "IFLA_")
FLAGS = {
    0x1: "UP", 0x2: "BROADCAST", 0x8: "LOOPBACK", 0x10: "POINTOPOINT", 0x80: "NOARP", 0x100: "PROMISC",
    0x1000: "MULTICAST", 0x10000: "LOWER_UP",
}  # fmt: skip


@functools.lru_cache(maxsize=None)
def _key(name: str) -> str:
    for family in FAMILIES:
        if name.startswith(family):
            return name[len(family) :].lower()
    return name.lower()


def _plain(value: t.Any) -> t.Any:
    if not isinstance(value, dict):
        return value
    out = {key: item for key, item in value.items() if key not in ("attrs", "header", "event")}
    for name, item in value.get("attrs", ()):
        if name not in UNWANTED:
            out[_key(name)] = _plain(item)
    return out


def _links(found: t.Iterable[t.Any]) -> list[dict[str, t.Any]]:
    links = [_plain(one) for one in found]
    names = {one["index"]: one["ifname"] for one in links}
    for one in links:
        flags = one["flags"]
        one["flags"] = [name for bit, name in FLAGS.items() if flags & bit]
        for key in ("master", "link"):
            if key in one:
                one[key] = names.get(one[key], one[key])
    return links


def _read(ask: t.Callable[[IPRoute], t.Iterable[t.Any]], shape: t.Callable[..., t.Any]) -> Work:
    def work() -> int:
        with IPRoute() as route:
            return len(shape(ask(route)))

    return work


def links() -> Work:
    return _read(lambda ipr: ipr.get_links(), _links)


def links_of_master(master: str) -> Work:
    def ask(ipr: IPRoute) -> t.Iterable[t.Any]:
        return ipr.link("dump", master=ipr.link_lookup(ifname=master)[0])

    return _read(ask, _links)


def links_of_kind(kind: str) -> Work:
    return _read(lambda ipr: ipr.link("dump", kind=kind), _links)


def one_link(name: str) -> Work:
    return _read(lambda ipr: ipr.link("get", ifname=name), _links)


def _routes(found: t.Iterable[t.Any]) -> list[dict[str, t.Any]]:
    out = []
    for one in found:
        get = one.get_attr
        address = get("RTA_DST")
        bits = one["dst_len"]
        out.append(
            {
                "type": one["type"],
                "dst": address if bits == 32 else f"{address}/{bits}" if address else "default",
                "gateway": get("RTA_GATEWAY"),
                "dev": get("RTA_OIF"),
                "table": get("RTA_TABLE"),
                "protocol": one["proto"],
                "scope": one["scope"],
                "prefsrc": get("RTA_PREFSRC"),
                "metric": get("RTA_PRIORITY"),
                "flags": one["flags"],
            }
        )
    return out


def routes() -> Work:
    return _read(lambda ipr: ipr.get_routes(family=socket.AF_INET, table=254), _routes)


def _right(ipr: IPRoute, count: int) -> int:
    """How many of the bridges are up and have their address."""
    links = {one["ifname"]: one for one in _links(ipr.get_links())}
    found = {(one["index"], f"{one.get_attr('IFA_ADDRESS')}/{one['prefixlen']}") for one in ipr.get_addr()}
    wanted = [(links[bridge_name(number)], bridge_address(number)) for number in range(count)]
    return sum("UP" in one["flags"] and (one["index"], address) in found for one, address in wanted)


def make_bridges(count: int) -> Work:
    """Read back and compared like ours."""

    def work() -> int:
        with IPRoute() as ipr:
            for number in range(count):
                name = bridge_name(number)
                address, bits = bridge_address(number).split("/")
                ipr.link("add", ifname=name, kind="bridge")
                index = ipr.link_lookup(ifname=name)[0]
                ipr.addr("add", index=index, address=address, prefixlen=int(bits))
                ipr.link("set", index=index, state="up")
            return _right(ipr, count)

    return work


def make_routes(count: int) -> Work:
    def work() -> int:
        with IPRoute() as ipr:
            for number in range(count):
                ipr.route("add", dst=destination(number), gateway=GATEWAY, oif=ROUTED)
        return count

    return work
