# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Next hop objects and groups of them: struct nhmsg and NHA_* (linux/nexthop.h).

One decodes to a dictionary with the keys of `ip -j nexthop`, but for `oif`, which stays a number,
and `weight`, which is always there. The same dictionary is what `new` and `replace` take.
"""

from __future__ import annotations

import struct
import typing as t

from ..attribute import FLAG, IP, U16, U32, U64, Codec, Table, enum, integer, nested
from ..errors import NetlinkDecodeError, NetlinkEncodeError
from ..message import NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, Request
from .numbers import (
    AF_INET,
    AF_INET6,
    AF_UNSPEC,
    FAMILIES,
    PROTOCOLS,
    RTM_DELNEXTHOP,
    RTM_GETNEXTHOP,
    RTM_NEWNEXTHOP,
    SCOPES,
)
from .route import ENCAP, FAMILY_NUMBERS, flag_names, settable, show_encap, spell_encap
from .route import number as number_of

NHMSG = struct.Struct("=BBBxI")  # family, scope, protocol, flags
MEMBER = struct.Struct("=IBBH")  # id, weight - 1 (low and, on newer kernels, high byte), reserved
TICKS = 100  # a second


def _decode_group(data: bytes, start: int, end: int) -> list[dict[str, int]]:
    if (end - start) % MEMBER.size:
        raise NetlinkDecodeError(f"a group of next hops of {end - start} bytes")
    members = [MEMBER.unpack_from(data, at) for at in range(start, end, MEMBER.size)]
    return [{"id": id_, "weight": (high << 8) + low + 1} for id_, low, high, _unused in members]


def _encode_group(members: t.Sequence[t.Mapping[str, t.Any]]) -> bytes:
    raw = b""
    for member in members:
        weight = integer(member.get("weight", 1))
        if not 1 <= weight <= 0x10000:
            raise NetlinkEncodeError("weight", f"takes 1 to 65536, not {weight}")
        raw += MEMBER.pack(integer(member.get("id")), weight - 1 & 0xFF, weight - 1 >> 8, 0)
    return raw


def _seconds(ticks: Codec) -> Codec:
    return Codec(
        lambda data, start, end: ticks.decode(data, start, end) // TICKS,
        lambda value: ticks.encode(integer(value) * TICKS),
    )


RESILIENT = Table(
    (1, "buckets", U16),
    (2, "idle_timer", _seconds(U32)),
    (3, "unbalanced_timer", _seconds(U32)),
    (4, "unbalanced_time", _seconds(U64)),  # only the kernel sets it
)
TABLE = Table(
    (1, "id", U32),
    (2, "group", Codec(_decode_group, _encode_group)),
    (3, "type", enum(U16, {0: "mpath", 1: "resilient"})),
    (4, "blackhole", FLAG),
    (5, "oif", U32),
    (6, "gateway", IP),
    (7, "encap_type", U16),
    (8, "encap", ENCAP),
    (9, "groups", FLAG),
    (10, "master", U32),
    (11, "fdb", FLAG),
    (12, "resilient_args", nested(RESILIENT)),
)


def decode(data: bytes, start: int, end: int) -> dict[str, t.Any]:
    """One next hop: `id`, then `group`, `blackhole`, or `gateway` and `oif`."""
    if end - start < NHMSG.size:
        raise NetlinkDecodeError(f"a next hop message of {end - start} bytes")
    family, scope, protocol, flags = NHMSG.unpack_from(data, start)
    found = TABLE.decode(data, start + NHMSG.size, end)
    show_encap(found)
    if found.get("type") == "mpath":
        del found["type"]
    if family != AF_UNSPEC:
        found["family"] = FAMILIES.get(family, family)
    found["scope"] = SCOPES.get(scope, scope)
    found["protocol"] = PROTOCOLS.get(protocol, protocol)
    found["flags"] = flag_names(flags)
    return found


def _request(operation: str, number: int, flags: int, body: bytes) -> Request:
    return Request(operation, number, flags, body, TABLE, NHMSG.size)


def dump(family: int = AF_UNSPEC, oif: int = 0, master: int = 0, groups: bool = False) -> Request:
    """Asks for all next hops, or those that fit every filter given; the kernel applies them all.

    It has no filter for those of forwarding entries: `selection.only(decode, fdb=True)` makes one.
    """
    values = {"oif": oif or None, "master": master or None, "groups": groups or None}
    body = NHMSG.pack(family, 0, 0, 0) + TABLE.encode(values)
    return _request("RTM_GETNEXTHOP", RTM_GETNEXTHOP, 0, body)


def get(id: int) -> Request:  # noqa: A002  the field's own name
    body = NHMSG.pack(AF_UNSPEC, 0, 0, 0) + TABLE.encode({"id": id})
    return _request(f"RTM_GETNEXTHOP {id}", RTM_GETNEXTHOP, 0, body)


READ_ONLY = ("family", "scope", "protocol", "flags")  # fields of the header


def _family(nexthop: t.Mapping[str, t.Any]) -> int:
    if nexthop.get("group"):
        return AF_UNSPEC
    if nexthop.get("gateway"):
        return AF_INET6 if ":" in nexthop["gateway"] else AF_INET
    return FAMILY_NUMBERS.get(nexthop.get("family"), AF_INET)


def _create(nexthop: t.Mapping[str, t.Any], flags: int) -> Request:
    values = {name: value for name, value in nexthop.items() if name not in READ_ONLY and value is not False}
    spell_encap(values)
    if values.get("resilient_args"):
        values["resilient_args"] = {**values["resilient_args"], "unbalanced_time": None}
    protocol = number_of("protocol", nexthop.get("protocol", "static"))
    header = NHMSG.pack(_family(nexthop), 0, protocol, settable(nexthop.get("flags")))
    operation = f"RTM_NEWNEXTHOP {nexthop.get('id', '')}".rstrip()
    return _request(operation, RTM_NEWNEXTHOP, NLM_F_CREATE | flags, header + TABLE.encode(values))


def new(nexthop: t.Mapping[str, t.Any]) -> Request:
    """Adds a next hop; without `id` the kernel chooses one. `protocol` defaults to static.

    Raises NetlinkEncodeError.
    """
    return _create(nexthop, NLM_F_EXCL)


def replace(nexthop: t.Mapping[str, t.Any]) -> Request:
    """Adds a next hop, in the place of the one with its id, where there is one."""
    return _create(nexthop, NLM_F_REPLACE)


def delete(id: int) -> Request:  # noqa: A002
    """Removes a next hop, and with it the routes and memberships of groups that stand on it."""
    body = NHMSG.pack(AF_UNSPEC, 0, 0, 0) + TABLE.encode({"id": id})
    return _request(f"RTM_DELNEXTHOP {id}", RTM_DELNEXTHOP, 0, body)
