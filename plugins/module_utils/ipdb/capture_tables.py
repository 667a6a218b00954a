# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of a picture beside links and addresses: one dump each, and nothing kept that the kernel made by itself.

What that is, is known here: routes of the protocols `kernel` and `ra`, rules of the protocol `kernel`, resolved
neighbours, learnt forwarding entries and those of a link's own addresses.
"""

from __future__ import annotations

import typing as t

from ..netlink.channel import NetlinkSocket
from ..netlink.links.found import kind_of
from ..netlink.rtnl import bridge_vlan, fdb, neighbour, route, rule
from ..netlink.rtnl.numbers import IPV6_METRIC
from .capture import NO_ADDRESS
from .picture import Object, Objects, keyed

Decode = t.Callable[[bytes, int, int], t.Optional[Object]]


def tables(channel: NetlinkSocket, links: t.Sequence[Object]) -> dict[str, Objects]:
    """By name; `links` as they were dumped. Raises NetlinkError, NetlinkTimeout, DumpInterrupted."""
    kinds = set(map(kind_of, links))
    routes = channel.dump(route.dump(), _route)
    rules = channel.dump(rule.dump(), _rule)
    neighbours = channel.dump(neighbour.dump(), _neighbour) + channel.dump(neighbour.dump(proxy=True), _proxy)
    entries = channel.dump(fdb.dump(), _entry_filter(links)) if kinds & {"bridge", "vxlan"} else []
    vlans = channel.dump(bridge_vlan.dump(), bridge_vlan.decode) if "bridge" in kinds else []
    for one in vlans:
        one.pop("master", None)
    found = {"routes": routes, "rules": rules, "neighbours": neighbours, "fdb": entries, "vlans": vlans}
    return {name: keyed(name, some) for name, some in found.items()}


# Routes and rules


def _route(data: bytes, start: int, end: int) -> Object | None:
    # struct rtmsg: the protocol is its sixth byte (2: kernel, 9: ra, 1: redirect); 0x200 of its flags: a cached route
    if end - start >= 12 and (data[start + 5] in (1, 2, 9) or data[start + 9] & 2):
        return None
    return _decode_route(data, start, end)


def configured_route(found: Object) -> Object:
    """A decoded route without what only the kernel says of it; changed in place."""
    if found["flags"]:
        found["flags"] = [flag for flag in found["flags"] if flag in route.SETTABLE]
    if not found["flags"]:
        del found["flags"]
    if "nexthops" in found:
        found["nexthops"] = [_hop(hop) for hop in found["nexthops"]]
    if found.get("pref") == "medium":
        del found["pref"]
    if found["family"] == "inet6" and found.get("metric") == IPV6_METRIC:
        del found["metric"]
    return found


_decode_route = route.decoder(lambda found: None if "expires" in found else configured_route(found))


def _hop(hop: Object) -> Object:
    flags = [flag for flag in hop["flags"] if flag in route.SETTABLE]
    return {**{key: value for key, value in hop.items() if key != "flags"}, **({"flags": flags} if flags else {})}


RULE_STATES = ("unresolved", "iif_detached", "oif_detached")


def _rule(data: bytes, start: int, end: int) -> Object | None:
    found = rule.decode(data, start, end)
    if found is None or found.get("protocol") == "kernel":
        return None
    for state in RULE_STATES:
        found.pop(state, None)
    return found


# Neighbours and forwarding entries


def _neighbour(data: bytes, start: int, end: int) -> Object | None:
    # struct ndmsg: the state is at 8; flags at 10
    if end - start >= 12 and not (data[start + 8] & neighbour.PERMANENT or data[start + 10] & 0x10):
        return None
    return _set_neighbour(neighbour.decode(data, start, end))


def _proxy(data: bytes, start: int, end: int) -> Object | None:
    return _set_neighbour(neighbour.decode(data, start, end))


def _set_neighbour(found: Object | None) -> Object | None:
    if found is None:
        return None
    if found.get("proxy"):
        found.pop("state", None)
    return {key: value for key, value in found.items() if key not in neighbour.READ_ONLY}


def _entry_filter(links: t.Sequence[Object]) -> Decode:
    """Leaves out what was learnt, and permanent entries of links' addresses: a bridge and a NIC keep those themselves.

    A static entry for the address of a link, the other end of a port in another namespace say, is somebody's.
    """
    macs = {one["address"] for one in links if "address" in one}
    macs.discard(NO_ADDRESS)  # which is lo's, and tunnels' for all others
    own = {bytes.fromhex(mac.replace(":", "")) for mac in macs}
    tunnels = {one["ifindex"] for one in links if kind_of(one) == "vxlan"}

    def is_kernels(index: int, state: int, flags: int, mac: bytes) -> bool:
        if state & fdb.PERMANENT and mac in own:
            return True
        return bool(flags & fdb.SELF and mac and mac[0] & 1) and index not in tunnels  # what a NIC listens to

    def decode(data: bytes, start: int, end: int) -> Object | None:
        found = fdb.decode_set(data, start, end, is_kernels)
        if found is None:
            return None
        on_tunnel = found["index"] in tunnels
        if "master" not in found["flags"] and "self" not in found["flags"]:
            found["flags"].append("self" if on_tunnel else "master")
        return {key: value for key, value in found.items() if key not in ("master", "used", "updated", "protocol")}

    return decode
