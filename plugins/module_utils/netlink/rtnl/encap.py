# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lightweight tunnels of routes and next hops: RTA_ENCAP (linux/lwtunnel.h, linux/seg6_iptunnel.h).

`{"type": "ip", "id": 1, "src": ..., "dst": ..., "ttl": 0, "tos": 0}`, `{"type": "ip6", ...}` with
`hoplimit` and `tc`, `{"type": "seg6", "mode": "encap", "segs": [...]}`; of any other type the bytes
in hexadecimal, `{"type": "mpls", "raw": "..."}`.
"""

from __future__ import annotations

import struct
import typing as t

from ..attribute import IPV4, IPV6, U8, U32, Codec, Table, enum, scalar
from ..errors import NetlinkDecodeError, NetlinkEncodeError

TYPES = {
    1: "mpls", 2: "ip", 3: "ila", 4: "ip6", 5: "seg6", 6: "bpf", 7: "seg6local", 8: "rpl", 9: "ioam6",
    10: "xfrm",
}  # fmt: skip
SEG6_MODES = {0: "inline", 1: "encap", 2: "l2encap", 3: "encap.red", 4: "l2encap.red"}

# mode, then the routing header of RFC 8754: next header, length in units of 8 bytes beyond the
# first, type 4, segments left, last entry, flags, tag; the segments follow, the last one first
SRH = struct.Struct("=BBBBBBH")
MODE = enum(U32, SEG6_MODES)
INLINE = MODE.encode("inline")
BE64 = scalar(">Q")


def _decode_segments(data: bytes, start: int, end: int) -> dict[str, t.Any]:
    first = start + 4 + SRH.size
    if end < first:
        raise NetlinkDecodeError(f"a segment routing header of {end - start} bytes")
    mode = MODE.decode(data, start, start + 4)
    last = SRH.unpack_from(data, start + 4)[4]
    stop = first + 16 * (last + 1)
    if stop > end:
        raise NetlinkDecodeError(f"{last + 1} segments in {end - first} bytes")
    segments = [IPV6.decode(data, at, at + 16) for at in range(first, stop, 16)]
    # Inline the last segment is left open: the packet's own destination takes its place.
    shown = segments[1:] if mode == "inline" else segments
    return {"mode": mode, "segs": shown[::-1]}


def _encode_segments(values: t.Mapping[str, t.Any]) -> bytes:
    mode = MODE.encode(values.get("mode", "encap"))
    segments = [IPV6.encode(segment) for segment in values.get("segs") or ()][::-1]
    if not 1 <= len(segments) <= 127:
        raise ValueError("takes 1 to 127 segments in `segs`")
    if mode == INLINE:
        segments.insert(0, bytes(16))
    last = len(segments) - 1
    return mode + SRH.pack(0, 2 * len(segments), 4, last, last, 0, 0) + b"".join(segments)


TABLES = {
    "ip": Table(
        (1, "id", BE64), (2, "dst", IPV4), (3, "src", IPV4), (4, "ttl", U8), (5, "tos", U8),
    ),
    "ip6": Table(
        (1, "id", BE64), (2, "dst", IPV6), (3, "src", IPV6), (4, "hoplimit", U8), (5, "tc", U8),
    ),
}  # fmt: skip
SEG6 = Table((1, "seg6", Codec(_decode_segments, _encode_segments)))
NUMBERS = {name: number for number, name in TYPES.items()}


def decode(number: int, raw: bytes) -> dict[str, t.Any]:
    """What RTA_ENCAP of that RTA_ENCAP_TYPE says."""
    name = TYPES.get(number, number)
    if name in TABLES:
        return {"type": name, **TABLES[name].decode(raw, 0, len(raw))}
    if name == "seg6":
        return {"type": name, **SEG6.decode(raw, 0, len(raw)).get("seg6", {})}
    return {"type": name, "raw": raw.hex()}


def encode(encap: t.Mapping[str, t.Any]) -> tuple[int, bytes]:
    """RTA_ENCAP_TYPE and the payload of RTA_ENCAP. Raises NetlinkEncodeError."""
    if not isinstance(encap, dict):
        raise NetlinkEncodeError("encap", f"takes a dictionary with its type, not {encap!r}")
    values = dict(encap)
    name = values.pop("type", None)
    number = NUMBERS.get(name, name)
    if not isinstance(number, int):
        raise NetlinkEncodeError("encap.type", f"takes one of {', '.join(NUMBERS)}, not {name!r}")
    try:
        if name in TABLES:
            return number, TABLES[name].encode(values)
        if name == "seg6":
            return number, SEG6.encode({"seg6": values})
        return number, bytes.fromhex(values["raw"])
    except NetlinkEncodeError as error:
        raise error.inside("encap") from None
    except (KeyError, TypeError, ValueError):
        raise NetlinkEncodeError("encap", f"type {name} takes its bytes in hexadecimal, as `raw`") from None
