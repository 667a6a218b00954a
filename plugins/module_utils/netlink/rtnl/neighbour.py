# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Neighbours, of ARP and of IPv6's neighbour discovery: struct ndmsg, NDA_* (linux/neighbour.h).

A neighbour decodes to a dictionary with the keys of `ip -j -s neigh`, but for its link, which stays
a number (`index`); what `ip` shows as null is True, and `family` is added. The same dictionary is
what `new`, `replace` and `delete` take. Forwarding entries of bridges and VXLANs: fdb.py.
"""

from __future__ import annotations

import struct
import typing as t

from ..attribute import BYTES, IP, MAC, U8, U32, Codec, Table, enum
from ..errors import NetlinkDecodeError, NetlinkEncodeError
from ..message import NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, Request
from .numbers import (
    AF_UNSPEC,
    FAMILIES,
    PROTOCOLS,
    RTM_DELNEIGH,
    RTM_GETNEIGH,
    RTM_NEWNEIGH,
)
from .prefix import BITS, parse

NDMSG = struct.Struct("=BxxxiHBB")  # family, link, state, flags, type
CACHEINFO = struct.Struct("=IIII")  # confirmed, used, updated (clock ticks ago), references
TICKS = 100  # a second

STATES = {
    0x1: "INCOMPLETE", 0x2: "REACHABLE", 0x4: "STALE", 0x8: "DELAY", 0x10: "PROBE", 0x20: "FAILED",
    0x40: "NOARP", 0x80: "PERMANENT",
}  # fmt: skip
STATE_NUMBERS = {name: number for number, name in STATES.items()}
PERMANENT = 0x80
PROXY = 0x8
# NTF_*, and NTF_EXT_* from bit 8 on
FLAGS = {
    0x1: "use", PROXY: "proxy", 0x10: "extern_learn", 0x20: "offload", 0x80: "router", 0x100: "managed",
}  # fmt: skip
SETTABLE = {name: number for number, name in FLAGS.items() if name != "offload"}


def _decode_ages(data: bytes, start: int, end: int) -> dict[str, int]:
    if end - start < CACHEINFO.size:
        raise NetlinkDecodeError(f"a neighbour's cache information of {end - start} bytes")
    confirmed, used, updated, references = CACHEINFO.unpack_from(data, start)
    ages = {"refcnt": references} if references else {}
    ages.update(used=used // TICKS, confirmed=confirmed // TICKS, updated=updated // TICKS)
    return ages


LLADDR = Codec(MAC.decode, lambda value: bytes.fromhex(value.replace(":", "")))
TABLE = Table(
    (1, "dst", IP),
    (2, "lladdr", LLADDR),
    (3, "ages", Codec(_decode_ages, BYTES.encode)),
    (4, "probes", U32),
    (8, "ifindex", U32),
    (9, "master", U32),
    (12, "protocol", enum(U8, PROTOCOLS)),
    (15, "flags_ext", U32),
)


def decode(data: bytes, start: int, end: int) -> dict[str, t.Any] | None:
    """One neighbour: `index`, `dst`, `lladdr`, `state` (a list of names), flags that are set.

    Ages are in seconds. None for an entry that is not of IPv4 or IPv6.
    """
    if end - start < NDMSG.size:
        raise NetlinkDecodeError(f"a neighbour message of {end - start} bytes")
    family, index, state, flags, _unused = NDMSG.unpack_from(data, start)
    if family not in BITS:
        return None
    found = TABLE.decode(data, start + NDMSG.size, end)
    flags |= found.pop("flags_ext", 0) << 8
    ages = found.pop("ages", {})
    found.update(index=index, family=FAMILIES[family], **ages)
    found.update({name: True for number, name in FLAGS.items() if flags & number})
    found["state"] = [name for number, name in STATES.items() if state & number]
    return found


def dump(family: int = AF_UNSPEC, index: int = 0, master: int = 0, proxy: bool = False) -> Request:
    """Asks for neighbours, of a family, of a link, of the links of a master: the kernel's filters.

    Entries for which this host answers (`proxy`) are asked for alone. The kernel has no filter by
    state: `selection.only(decode, state="PERMANENT")` makes one.
    """
    header = NDMSG.pack(family, 0, 0, PROXY if proxy else 0, 0)
    body = header + TABLE.encode({"ifindex": index or None, "master": master or None})
    return Request("RTM_GETNEIGH", RTM_GETNEIGH, 0, body, TABLE, NDMSG.size)


RESOLVED = PROXY | 0x1 | 0x100  # proxy, use, managed: without a state of their own
READ_ONLY = ("refcnt", "used", "confirmed", "updated", "probes", "offload")
FIELDS = ("index", "family", "state", *FLAGS.values())


def _state(state: str | t.Sequence[str] | None, marks: int) -> int:
    if state is None:
        return 0 if marks & RESOLVED else PERMANENT
    names = [state] if isinstance(state, str) else state
    unknown = [name for name in names if str(name).upper() not in STATE_NUMBERS]
    if unknown:
        raise NetlinkEncodeError("state", f"takes one of {', '.join(STATE_NUMBERS)}, not {unknown[0]!r}")
    return sum({STATE_NUMBERS[name.upper()] for name in names})


def _request(word: str, number: int, flags: int, index: int, entry: t.Mapping[str, t.Any]) -> Request:
    if not entry.get("dst"):
        raise NetlinkEncodeError("dst", "a neighbour needs one")
    prefix = parse(entry["dst"])
    marks = sum(SETTABLE[name] for name in SETTABLE if entry.get(name))
    state = _state(entry.get("state"), marks)
    values = {name: value for name, value in entry.items() if name not in FIELDS + READ_ONLY}
    values.update(dst=prefix.address, flags_ext=marks >> 8 or None)
    body = NDMSG.pack(prefix.family, index, state, marks & 0xFF, 0) + TABLE.encode(values)
    operation = f"{word} {entry['dst']} on link {index}"
    return Request(operation, number, flags, body, TABLE, NDMSG.size)


def new(index: int, neighbour: t.Mapping[str, t.Any]) -> Request:
    """Adds a neighbour to a link: `dst`, `lladdr`, `state` (default PERMANENT) and flags.

    What only the kernel sets is passed over. Raises ValueError (an address), NetlinkEncodeError.
    """
    return _request("RTM_NEWNEIGH", RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_EXCL, index, neighbour)


def replace(index: int, neighbour: t.Mapping[str, t.Any]) -> Request:
    """Adds a neighbour, or changes the one with its address."""
    return _request("RTM_NEWNEIGH", RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, index, neighbour)


def delete(index: int, neighbour: t.Mapping[str, t.Any]) -> Request:
    """Removes the neighbour with the address `dst` (of the proxy entries, if `proxy` is true)."""
    return _request("RTM_DELNEIGH", RTM_DELNEIGH, 0, index, neighbour)
