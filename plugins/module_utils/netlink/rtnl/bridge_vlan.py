# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VLANs of bridge ports: IFLA_AF_SPEC of AF_BRIDGE, IFLA_BRIDGE_VLAN_INFO (linux/if_bridge.h).

A port decodes to `{"index": 5, "master": 3, "vlans": [...]}`; its VLANs have the keys of `bridge -j -compressvlans
vlan`: `{"vlan": 10, "vlanEnd": 20, "flags": ["PVID", "Egress Untagged"]}`, `vlanEnd` only for a range, `flags` only
where there are any. Lists of them are what `add` and `delete` take.
"""

from __future__ import annotations

import struct
import typing as t

from ..attribute import BYTES, U16, U32, Codec, Table, attribute, integer, walk
from ..errors import NetlinkDecodeError, NetlinkEncodeError
from ..message import Request
from .link import IFINFO
from .numbers import AF_BRIDGE, RTM_DELLINK, RTM_GETLINK, RTM_SETLINK

INFO = struct.Struct("=HH")  # struct bridge_vlan_info: flags, VLAN id
PVID, UNTAGGED, RANGE_BEGIN, RANGE_END = 0x2, 0x4, 0x8, 0x10
FLAGS = {PVID: "PVID", UNTAGGED: "Egress Untagged"}
FLAG_NUMBERS = {name: number for number, name in FLAGS.items()}
BRIDGE_FLAGS, VLAN_INFO = 0, 2  # IFLA_BRIDGE_*
MASTER, SELF = 1, 2  # who keeps the VLANs: the bridge of a port, or the bridge that the link is
COMPRESSED = 4  # RTEXT_FILTER_BRVLAN_COMPRESSED: ranges instead of one VLAN after another


def _decode_vlans(data: bytes, start: int, end: int) -> list[dict[str, t.Any]]:
    vlans: list[dict[str, t.Any]] = []
    for number, at, stop in walk(data, start, end):
        if number != VLAN_INFO:
            continue
        if stop - at < INFO.size:
            raise NetlinkDecodeError(f"a VLAN of a port in {stop - at} bytes")
        flags, vid = INFO.unpack_from(data, at)
        if flags & RANGE_END and vlans:
            vlans[-1]["vlanEnd"] = vid
            continue
        vlan: dict[str, t.Any] = {"vlan": vid}
        if flags & (PVID | UNTAGGED):
            vlan["flags"] = [name for bit, name in FLAGS.items() if flags & bit]
        vlans.append(vlan)
    return vlans


def _vid(value: t.Any) -> int:
    number = integer(value)
    if not 1 <= number <= 4094:
        raise ValueError(f"takes VLAN ids of 1 to 4094, not {number}")
    return number


def _encode_vlan(vlan: t.Mapping[str, t.Any]) -> bytes:
    names = vlan.get("flags") or ()
    unknown = [name for name in names if name not in FLAG_NUMBERS]
    if unknown:
        raise ValueError(f"takes flags of {', '.join(FLAG_NUMBERS)}, not {unknown[0]!r}")
    flags = sum({FLAG_NUMBERS[name] for name in names})
    first = _vid(vlan.get("vlan"))
    last = _vid(vlan.get("vlanEnd") or first)
    if first == last:
        return attribute(VLAN_INFO, INFO.pack(flags, first))
    if first > last or flags & PVID:
        raise ValueError("takes ranges from a lower to a higher VLAN id, and no range as PVID")
    ends = (flags | RANGE_BEGIN, first), (flags | RANGE_END, last)
    return b"".join(attribute(VLAN_INFO, INFO.pack(*end)) for end in ends)


def _encode_vlans(wanted: tuple[bool, t.Sequence[t.Mapping[str, t.Any]]]) -> bytes:
    own, vlans = wanted
    keeper = attribute(BRIDGE_FLAGS, U16.encode(SELF if own else MASTER))
    return keeper + b"".join(_encode_vlan(vlan) for vlan in vlans)


INSIDE = Table((BRIDGE_FLAGS, "flags", U16), (VLAN_INFO, "vlan", BYTES))
TABLE = Table(
    (10, "master", U32),
    (26, "vlans", Codec(_decode_vlans, _encode_vlans, INSIDE)),
    (29, "ext_mask", U32),
)


def decode(data: bytes, start: int, end: int) -> dict[str, t.Any] | None:
    """One port, or bridge, with its VLANs; None for one without any."""
    if end - start < IFINFO.size:
        raise NetlinkDecodeError(f"a bridge port message of {end - start} bytes")
    found = TABLE.decode(data, start + IFINFO.size, end)
    if not found.get("vlans"):
        return None
    return {"index": IFINFO.unpack_from(data, start)[2], **found}


def dump() -> Request:
    """Asks for the VLANs of all bridges and ports.

    The kernel has no filter for them: `selection.only(decode, index=5)`, or `master=3`, makes one.
    """
    body = IFINFO.pack(AF_BRIDGE, 0, 0, 0, 0) + TABLE.encode({"ext_mask": COMPRESSED})
    return Request("RTM_GETLINK bridge vlans", RTM_GETLINK, 0, body, TABLE, IFINFO.size)


def _request(word: str, number: int, index: int, vlans: t.Sequence[t.Mapping[str, t.Any]], own: bool) -> Request:
    if not vlans:
        raise NetlinkEncodeError("vlans", "takes at least one VLAN")
    body = IFINFO.pack(AF_BRIDGE, 0, index, 0, 0) + TABLE.encode({"vlans": (own, vlans)})
    return Request(f"{word} of link {index}", number, 0, body, TABLE, IFINFO.size)


def add(index: int, vlans: t.Sequence[t.Mapping[str, t.Any]], own: bool = False) -> Request:
    """Adds VLANs to a port, or changes their flags; `own` where the link is the bridge itself.

    Raises NetlinkEncodeError.
    """
    return _request("RTM_SETLINK vlans", RTM_SETLINK, index, vlans, own)


def delete(index: int, vlans: t.Sequence[t.Mapping[str, t.Any]], own: bool = False) -> Request:
    """Removes VLANs from a port, or from the bridge itself (`own`)."""
    return _request("RTM_DELLINK vlans", RTM_DELLINK, index, vlans, own)
