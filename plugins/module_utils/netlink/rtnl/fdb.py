# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Forwarding entries of bridges and VXLANs: struct ndmsg of AF_BRIDGE, NDA_* (linux/neighbour.h).

An entry decodes to a dictionary with the keys of `bridge -j -s fdb`, but for links, which stay numbers (`index`,
`master`, `via`). The same dictionary is what `new`, `replace`, `append` and `delete` take.
"""

from __future__ import annotations

import struct
import typing as t

from ..attribute import BE16, BYTES, IP, MAC, U8, U16, U32, Codec, Table, enum, find
from ..errors import NetlinkDecodeError, NetlinkEncodeError
from ..message import NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, Request
from .neighbour import LLADDR, NDMSG, TICKS
from .numbers import AF_BRIDGE, PROTOCOLS, RTM_DELNEIGH, RTM_GETNEIGH, RTM_NEWNEIGH

AGES = struct.Struct("=4xII")  # of struct nda_cacheinfo: used, updated (clock ticks ago)

REACHABLE, STALE, NOARP, PERMANENT = 0x2, 0x4, 0x40, 0x80
STATES = {PERMANENT: "permanent", NOARP: "static", STALE: "stale", REACHABLE: ""}  # "": learnt, it ages
STATE_NUMBERS = {
    "permanent": PERMANENT, "local": PERMANENT, "static": NOARP | REACHABLE, "stale": STALE, "dynamic": REACHABLE,
    "": REACHABLE,
}  # fmt: skip
SELF, MASTER = 0x2, 0x4
FLAGS = {SELF: "self", MASTER: "master", 0x10: "extern_learn", 0x20: "offload", 0x40: "sticky", 0x80: "router"}
FLAG_NUMBERS = {name: number for number, name in FLAGS.items()}


def _decode_ages(data: bytes, start: int, end: int) -> tuple[int, int]:
    if end - start < AGES.size:
        raise NetlinkDecodeError(f"a forwarding entry's cache information of {end - start} bytes")
    return AGES.unpack_from(data, start)


TABLE = Table(
    (1, "dst", IP),
    (2, "mac", Codec(MAC.decode, LLADDR.encode)),
    (3, "ages", Codec(_decode_ages, BYTES.encode)),
    (5, "vlan", U16),
    (6, "port", BE16),
    (7, "vni", U32),
    (8, "via", U32),
    (9, "master", U32),
    (11, "src_vni", U32),
    (12, "protocol", enum(U8, PROTOCOLS)),
    (13, "nhid", U32),
)


def _state_name(state: int) -> t.Any:
    return next((name for number, name in STATES.items() if state & number), state)


def decode(data: bytes, start: int, end: int) -> dict[str, t.Any] | None:
    """One entry: `index` (of the port or tunnel), `mac`, `flags` (a list), `state`, `master` (the bridge's index).

    `state` is "permanent", "static", "stale" or "" for one that was learnt. None for an entry of no link layer.
    """
    if end - start < NDMSG.size:
        raise NetlinkDecodeError(f"a forwarding entry of {end - start} bytes")
    family, index, state, flags, _unused = NDMSG.unpack_from(data, start)
    if family != AF_BRIDGE:
        return None
    found = TABLE.decode(data, start + NDMSG.size, end)
    if "ages" in found:
        used, updated = found.pop("ages")
        found.update(used=used // TICKS, updated=updated // TICKS)
    found["index"] = index
    found["flags"] = [name for number, name in FLAGS.items() if flags & number]
    found["state"] = _state_name(state)
    return found


Unwanted = t.Callable[[int, int, int, bytes], bool]


def decode_set(data: bytes, start: int, end: int, unwanted: Unwanted | None = None) -> dict[str, t.Any] | None:
    """As `decode`, without `offload`; None for what was learnt too, by the bridge or by who learns for it.

    None also for what `unwanted` tells by the link, the state (NUD_*), the flags (NTF_*) and the address (six bytes):
    most entries of a busy bridge are learnt, and most of many bridges the kernel's, and none of those is decoded.
    """
    if end - start >= NDMSG.size:
        _family, index, state, flags, _unused = NDMSG.unpack_from(data, start)
        if not state & (PERMANENT | NOARP):
            return None
        if unwanted:
            first, last = find(data, start + NDMSG.size, end, TABLE.rows["mac"].number)
            if unwanted(index, state, flags, data[first:last]):
                return None
    found = decode(data, start, end)
    if found is None or "extern_learn" in found["flags"]:
        return None
    found["flags"] = [flag for flag in found["flags"] if flag != "offload"]
    return found


def dump(bridge: int = 0, port: int = 0) -> Request:
    """Asks for all entries, those of the ports of a bridge, or those of one port: the kernel's filters.

    It has none by VLAN or address: `selection.only(decode, vlan=10)` makes one.
    """
    body = NDMSG.pack(AF_BRIDGE, port, 0, 0, 0) + TABLE.encode({"master": bridge or None})
    return Request("RTM_GETNEIGH bridge", RTM_GETNEIGH, 0, body, TABLE, NDMSG.size)


FIELDS = ("index", "flags", "state", "master", "used", "updated", "protocol")


def _marks(index: int, entry: t.Mapping[str, t.Any]) -> int:
    """NTF_*: an entry goes to the bridge that the port belongs to where `master` says so, else to the link itself."""
    unknown = [name for name in entry.get("flags") or () if name not in FLAG_NUMBERS]
    if unknown:
        raise NetlinkEncodeError("flags", f"takes some of {', '.join(FLAG_NUMBERS)}, not {unknown[0]!r}")
    marks = sum({FLAG_NUMBERS[name] for name in entry.get("flags") or () if name != "offload"})
    if entry.get("master") not in (None, index):
        marks |= MASTER
    return marks if marks & (SELF | MASTER) else marks | SELF


def _request(word: str, number: int, flags: int, index: int, entry: t.Mapping[str, t.Any]) -> Request:
    if not entry.get("mac"):
        raise NetlinkEncodeError("mac", "a forwarding entry needs one")
    state = entry.get("state", "permanent")
    if state not in STATE_NUMBERS:
        raise NetlinkEncodeError("state", f"takes one of {', '.join(filter(None, STATE_NUMBERS))}, not {state!r}")
    header = NDMSG.pack(AF_BRIDGE, index, STATE_NUMBERS[state], _marks(index, entry), 0)
    values = {name: value for name, value in entry.items() if name not in FIELDS}
    body = header + TABLE.encode(values)
    return Request(f"{word} {entry['mac']} on link {index}", number, flags, body, TABLE, NDMSG.size)


def new(index: int, entry: t.Mapping[str, t.Any]) -> Request:
    """Adds an entry to a port or tunnel: `mac`, `vlan`, `dst` (of a VXLAN), `state` (default "permanent"), `flags`.

    With "master" in `flags`, or `master` given, it is the bridge that keeps the entry; without `vlan` a bridge that
    knows VLANs keeps it for each VLAN of the port besides. Raises NetlinkEncodeError.
    """
    return _request("RTM_NEWNEIGH", RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_EXCL, index, entry)


def replace(index: int, entry: t.Mapping[str, t.Any]) -> Request:
    """Adds an entry, or changes the one with its address."""
    return _request("RTM_NEWNEIGH", RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, index, entry)


def append(index: int, entry: t.Mapping[str, t.Any]) -> Request:
    """Adds one more destination to an address of a VXLAN."""
    return _request("RTM_NEWNEIGH", RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_APPEND, index, entry)


def delete(index: int, entry: t.Mapping[str, t.Any]) -> Request:
    """Removes the entry with the address, VLAN and destination given."""
    return _request("RTM_DELNEIGH", RTM_DELNEIGH, 0, index, entry)
