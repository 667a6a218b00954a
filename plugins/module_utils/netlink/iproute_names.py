# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keyword arguments of the seed's IPRoute, in its old names, turned into this core's dictionaries."""

from __future__ import annotations

import socket
import typing as t

from .errors import NetlinkEncodeError
from .kinds import registry
from .rtnl import link

Values = t.Dict[str, t.Any]

ADDRESS = {"prefixlen": "mask", "proto": "protocol", "rt_priority": "metric"}
ROUTE = {
    "prefix": "dst", "rtype": "type", "rtproto": "protocol", "proto": "protocol", "rtscope": "scope", "index": "oif",
    "ifindex": "oif", "priority": "metric", "src": "from", "multipath": "nexthops", "nh_id": "nhid",
}  # fmt: skip
RULE = {
    "iifname": "iif", "oifname": "oif", "src_len": "srclen", "dst_len": "dstlen", "ip_proto": "ipproto",
}  # fmt: skip
FDB = {"lladdr": "mac"}
QDISC = {"latency": "lat", "loss": "loss-random", "mtu": "minburst", "rate2quantum": "r2q"}
VLAN = {"vid": "vlan", "vid_end": "vlanEnd"}
VLAN_FLAGS = {"pvid": "PVID", "untagged": "Egress Untagged"}

PREFIXES = ("RTN_", "RTPROT_", "RT_SCOPE_", "RT_TABLE_", "FR_ACT_", "NUD_")


def _plain(value: t.Any) -> t.Any:
    """A constant's name as this core writes it: RT_SCOPE_UNIVERSE is "global", RTN_UNICAST "unicast"."""
    for prefix in PREFIXES:
        if isinstance(value, str) and value.startswith(prefix):
            name = value[len(prefix) :].lower()
            return "global" if name == "universe" else name
    return value


def renamed(values: t.Mapping[str, t.Any], names: t.Mapping[str, str]) -> Values:
    """`values` under this core's names, without those that are None."""
    return {names.get(name, name): _plain(value) for name, value in values.items() if value is not None}


def mask_bits(mask: t.Any) -> int | None:
    """The length of a prefix given as number (24) or as netmask ("255.255.255.0")."""
    if mask is None:
        return None
    try:
        if isinstance(mask, str) and "." in mask:
            bits = int.from_bytes(socket.inet_aton(mask), "big")
            ones = bin(bits).count("1")
            if bits == (0xFFFFFFFF << 32 - ones) & 0xFFFFFFFF:
                return ones
        else:
            return int(mask)
    except (OSError, TypeError, ValueError):
        pass
    raise NetlinkEncodeError("mask", f"takes a prefix length or a netmask, not {mask!r}")


def address(values: t.Mapping[str, t.Any]) -> Values:
    """`address` alone, or beside `peer`, is the link's own; beside `local` it is the peer's, as in IFA_ADDRESS."""
    given = renamed(values, ADDRESS)
    if "peer" in given:
        given["local"], given["address"] = given.get("local") or given.get("address"), given.pop("peer")
    given.pop("family", None)
    mask = mask_bits(given.pop("mask", None))
    local = given.pop("local", None) or given.pop("address", None)
    if not local:
        raise NetlinkEncodeError("address", "an address is needed")
    if mask is not None and "/" not in local:
        local = f"{local}/{mask}"
    return {**given, "local": local}


def _nexthop(hop: t.Mapping[str, t.Any]) -> Values:
    values = renamed(hop, ROUTE)
    hops = values.pop("hops", None)
    return values if hops is None else {**values, "weight": int(hops) + 1}


def route(values: t.Mapping[str, t.Any]) -> Values:
    given = renamed(values, ROUTE)
    length = mask_bits(given.pop("dst_len", given.pop("mask", None)))
    if length is not None and given.get("dst") and "/" not in given["dst"]:
        given["dst"] = f"{given['dst']}/{length}"
    if given.get("nexthops"):
        given["nexthops"] = [_nexthop(hop) for hop in given["nexthops"]]
    return given


def _kind_option(kind: str, name: str) -> str | None:
    """The kind's own name of an option: `vxlan_id` and `br_forward_delay` have their kind before it."""
    table = registry.get(kind).table
    for prefix in (f"{kind}_", *(("br_",) if kind == "bridge" else ())):
        if name.startswith(prefix) and name[len(prefix) :] in table:
            return name[len(prefix) :]
    return name if name in table else None


def link_attributes(kind: str, values: t.Mapping[str, t.Any]) -> Values:
    """What belongs to every link stays, what is the kind's own goes into `linkinfo`."""
    attributes: Values = {}
    options: Values = {}
    for name, value in values.items():
        if name in link.TABLE:
            attributes[name] = value
            continue
        own = _kind_option(kind, name)
        if own is None:
            raise NetlinkEncodeError(name, f"no attribute of a link{' of kind ' + kind if kind else ''}")
        options[own] = {"ifname": value} if own == "peer" and isinstance(value, str) else value
    if options:
        attributes["linkinfo"] = {"info_kind": kind, "info_data": options}
    return attributes


def vlans(given: t.Any) -> list[Values]:
    """VLANs of a bridge port, from one or more of `{"vid": 10, "flags": ["pvid", "untagged"]}`."""
    entries = [renamed(entry, VLAN) for entry in ([given] if isinstance(given, dict) else given)]
    for entry in entries:
        flags = entry.get("flags") or ()
        flags = [flags] if isinstance(flags, str) else flags
        entry["flags"] = [VLAN_FLAGS.get(str(flag).lower(), flag) for flag in flags]
    return entries
