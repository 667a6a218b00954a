# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VXLAN: IFLA_VXLAN_* (linux/if_link.h). Ageing is in seconds."""

from __future__ import annotations

import struct
import typing as t

from ..attribute import BE16, BOOL, IPV4, IPV6, U8, U32, Codec, enum, integer, scalar, truth
from ..errors import NetlinkDecodeError, NetlinkEncodeError
from .kind import LINK, Kind, Options
from .values import PRESENCE, Dict, Shaped, by_family, hexadecimal, is_multicast, specified, worded

DF = enum(scalar("=B", 0, 2), {0: "unset", 1: "set", 2: "inherit"})
LABEL = hexadecimal(scalar(">I", 0, 0xFFFFF))
RANGE = struct.Struct(">HH")
VNI = scalar("=I", 0, (1 << 24) - 1)
REMOTES = ("remote", "group")
ADDRESSES = ("remote", "remote6", "group", "group6", "local", "local6")


def _range(data: bytes, start: int, end: int) -> t.Dict[str, int]:
    if end - start != RANGE.size:
        raise NetlinkDecodeError(f"a range of ports of {end - start} bytes")
    low, high = RANGE.unpack_from(data, start)
    return {"low": low, "high": high}


def _pack_range(value: t.Any) -> bytes:
    try:
        low, high = integer(value["low"]), integer(value["high"])
    except (KeyError, TypeError):
        raise ValueError("takes {low: PORT, high: PORT}") from None
    if not 0 <= low <= high <= 65535:
        raise ValueError("takes ports from 0 to 65535, low first")
    return RANGE.pack(low, high)


def _show(found: Dict) -> Dict:
    """The remote end is called a group where it is one; addresses of zeros are none."""
    for suffix in ("", "6"):
        name = f"group{suffix}"
        if name in found and not is_multicast(found[name]):
            found[f"remote{suffix}"] = found.pop(name)
    for name in ADDRESSES:
        if found.get(name) in ("0.0.0.0", "::"):
            del found[name]
    return found


_IPV4, _IPV6 = specified(IPV4), specified(IPV6)
TABLE = Shaped(
    (
        (1, "id", VNI),
        (2, "remote", _IPV4),
        (2, "group", _IPV4),
        (3, "link", LINK),
        (4, "local", _IPV4),
        (5, "ttl", worded(U8, auto=0)),
        (6, "tos", hexadecimal(worded(U8, inherit=1))),
        (7, "learning", BOOL),
        (8, "ageing", worded(U32, none=0)),
        (9, "limit", worded(U32, unlimited=0)),
        (10, "port_range", Codec(_range, _pack_range)),
        (11, "proxy", BOOL),
        (12, "rsc", BOOL),
        (13, "l2miss", BOOL),
        (14, "l3miss", BOOL),
        (15, "port", BE16),
        (16, "remote6", _IPV6),
        (16, "group6", _IPV6),
        (17, "local6", _IPV6),
        (18, "udp_csum", BOOL),
        (19, "udp_zero_csum6_tx", BOOL),
        (20, "udp_zero_csum6_rx", BOOL),
        (21, "remcsum_tx", BOOL),
        (22, "remcsum_rx", BOOL),
        (23, "gbp", PRESENCE),
        (24, "remcsum_nopartial", PRESENCE),
        (25, "external", BOOL),
        (26, "label", LABEL),
        (27, "gpe", PRESENCE),
        (28, "ttl_inherit", PRESENCE),
        (29, "df", DF),
        (30, "vnifilter", BOOL),
        (31, "localbypass", BOOL),
    ),
    show=_show,
)


def _normal(options: Options) -> Options:
    """With gpe the kernel takes no learning, which it would otherwise switch on unasked."""
    more = {"learning": False} if truth(options.get("gpe", False)) else {}
    return by_family({**more, **options}, ("remote", "group", "local"))


def _check(options: Options) -> None:
    ends = [name for name in ("remote", "remote6", "group", "group6") if name in options]
    if len(ends) > 1:
        raise NetlinkEncodeError(ends[1], f"contradicts {ends[0]}: a VXLAN has one remote end or group")
    for name in ends:
        if is_multicast(options[name]) != name.startswith("group"):
            raise NetlinkEncodeError(
                name, f"takes a {'multi' if name[0] == 'g' else 'uni'}cast address, not {options[name]}"
            )
    for name in ends:
        other = "local" if name.endswith("6") else "local6"
        if other in options:
            raise NetlinkEncodeError(other, f"is of another IP version than {name}")
    if options.get("gbp") and options.get("gpe"):
        raise NetlinkEncodeError("gpe", "contradicts gbp")
    for name in ("gpe", "vnifilter"):
        if options.get(name) and (options.get("id") or not options.get("external", True)):
            raise NetlinkEncodeError(name, "needs external")
    if options.get("external") and options.get("id"):
        raise NetlinkEncodeError("id", "contradicts external, where each packet's route says it")


FIXED = frozenset(
    (
        "id",
        "limit",
        "port",
        "port_range",
        "proxy",
        "rsc",
        "l2miss",
        "l3miss",
        "udp_csum",
        "udp_zero_csum6_tx",
        "udp_zero_csum6_rx",
        "remcsum_tx",
        "remcsum_rx",
        "remcsum_nopartial",
        "gbp",
        "gpe",
        "external",
        "ttl_inherit",
        "vnifilter",
    )
)
KINDS = {
    "vxlan": Kind(
        "vxlan",
        TABLE,
        "vxlan",
        parent_option="link",
        parent="optional",
        required=("id",),
        fixed=FIXED,
        absent={"localbypass": True},
        normal=_normal,
        check=_check,
    )
}
