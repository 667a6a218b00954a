# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Netlink messages: framing both ways, acknowledgements and what the kernel adds to them (linux/netlink.h).

A message is `u32 length, u16 type, u16 flags, u32 sequence, u32 port`, a fixed header of its family, then attributes.
Nothing here knows a socket.
"""

from __future__ import annotations

import struct
import typing as t

from .attribute import BYTES, S32, STRING, U32, Codec, Table, path_at
from .errors import ExtAck, NetlinkDecodeError, NetlinkError

HEADER = struct.Struct("=IHHII")
HEADER_SIZE = HEADER.size
PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")  # to a multiple of 4, by what is over

NLMSG_NOOP, NLMSG_ERROR, NLMSG_DONE, NLMSG_OVERRUN = 1, 2, 3, 4

NLM_F_REQUEST, NLM_F_MULTI, NLM_F_ACK, NLM_F_ECHO, NLM_F_DUMP_INTR = 0x1, 0x2, 0x4, 0x8, 0x10
NLM_F_CAPPED, NLM_F_ACK_TLVS = 0x100, 0x200  # on an acknowledgement
NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE, NLM_F_APPEND = 0x100, 0x200, 0x400, 0x800  # on a NEW request
NLM_F_DUMP = 0x300  # on a GET request

MAX_ERRNO = 4095


class Request(t.NamedTuple):
    """A request without its place in a conversation (sequence number, acknowledgement)."""

    operation: str  # what is done to what, for errors: "RTM_NEWLINK br0"
    type: int
    flags: int
    body: bytes  # the family's fixed header, then attributes
    table: Table | None = None  # of the attributes, so that the kernel's complaint about one can name it
    fixed: int = 0  # size of the fixed header

    def pack(self, sequence: int, flags: int = 0) -> bytes:
        body = self.body
        size = len(body)
        header = HEADER.pack(HEADER_SIZE + size, self.type, self.flags | flags | NLM_F_REQUEST, sequence, 0)
        return header + body + PADDING[size & 3]


class Message(t.NamedTuple):
    """One message of a datagram; its payload is `data[start:end]` of the datagram."""

    type: int
    flags: int
    sequence: int
    port: int
    start: int
    end: int


def split(data: bytes) -> t.Iterator[Message]:
    """The messages of one datagram. Raises NetlinkDecodeError where the framing is broken."""
    return map(Message._make, fields(data))


def fields(data: bytes) -> t.Iterator[t.Tuple[int, int, int, int, int, int]]:
    """The fields of each `Message`: a long dump has no time to make those. Raises NetlinkDecodeError."""
    start, size = 0, len(data)
    unpack = HEADER.unpack_from
    while start < size:
        if size - start < HEADER_SIZE:
            raise NetlinkDecodeError(f"a netlink message of {size - start} bytes at offset {start}")
        length, kind, flags, sequence, port = unpack(data, start)
        stop = start + length
        if length < HEADER_SIZE or stop > size:
            raise NetlinkDecodeError(f"a netlink message said to have {length} bytes, {size - start} are there")
        yield kind, flags, sequence, port, start + HEADER_SIZE, stop
        start = (stop + 3) & ~3


def error_code(data: bytes, message: Message) -> int:
    """The errno (0: success) of an NLMSG_ERROR or NLMSG_DONE, 0..4095 (linux/err.h: MAX_ERRNO)."""
    if message.end - message.start < 4:
        if message.type == NLMSG_DONE:
            return 0
        raise NetlinkDecodeError("an acknowledgement without its error code")
    code = -S32.decode(data, message.start, message.start + 4)
    if not 0 <= code <= MAX_ERRNO:
        raise NetlinkDecodeError(f"an acknowledgement with {code}, which is no errno")
    return code


# NLMSGERR_ATTR_POLICY: NL_POLICY_TYPE_ATTR_*
def _limit(data: bytes, start: int, end: int) -> int:
    return int.from_bytes(data[start:end], "little" if struct.pack("=H", 1)[0] else "big", signed=False)


def _signed_limit(data: bytes, start: int, end: int) -> int:
    return int.from_bytes(data[start:end], "little" if struct.pack("=H", 1)[0] else "big", signed=True)


def _read_only(decode: t.Callable[[bytes, int, int], t.Any]) -> Codec:
    return Codec(decode, BYTES.encode)


POLICY = Table(
    (2, "min", _read_only(_signed_limit)),
    (3, "max", _read_only(_signed_limit)),
    (4, "min", _read_only(_limit)),
    (5, "max", _read_only(_limit)),
    (6, "min_length", U32),
    (7, "max_length", U32),
)
EXT_ACK = Table(
    (1, "message", STRING),
    (2, "offset", U32),
    (4, "policy", Codec(POLICY.decode, POLICY.encode, POLICY)),
    (5, "missing", U32),
    (6, "missing_in", U32),
)


def _allowed(policy: dict[str, int]) -> str:
    for low, high, unit in (("min", "max", ""), ("min_length", "max_length", " bytes")):
        if low in policy or high in policy:
            return f"{policy.get(low, '')}..{policy.get(high, '')}{unit}"
    return ""


def _missing(request: Request, found: dict[str, t.Any]) -> str:
    """The name of a missing attribute, in the nest that misses it."""
    if "missing" not in found or request.table is None:
        return ""
    table, outer = request.table, ""
    if "missing_in" in found:
        outer = path_at(table, request.pack(0), HEADER_SIZE + request.fixed, found["missing_in"])
        for name in outer.split("."):
            row = table.rows.get(name)
            if row is None or row.codec.table is None:
                break
            table = row.codec.table
    return ".".join(filter(None, (outer, table.name_of(found["missing"]))))


def ext_ack(data: bytes, message: Message, request: Request) -> ExtAck:
    """What an acknowledgement of `request` says beyond its errno."""
    if not message.flags & NLM_F_ACK_TLVS:
        return ExtAck()
    start = message.start + 4
    if message.type == NLMSG_ERROR:
        if message.end - start < HEADER_SIZE:
            raise NetlinkDecodeError("an acknowledgement without the header that it answers")
        length = HEADER.unpack_from(data, start)[0]
        start += HEADER_SIZE if message.flags & NLM_F_CAPPED else (length + 3) & ~3
    if start > message.end:
        raise NetlinkDecodeError("an acknowledgement shorter than the request that it quotes")
    found = EXT_ACK.decode(data, start, message.end)
    attribute = ""
    if "offset" in found and request.table is not None:
        attribute = path_at(request.table, request.pack(0), HEADER_SIZE + request.fixed, found["offset"])
    return ExtAck(found.get("message", ""), attribute, _missing(request, found), _allowed(found.get("policy", {})))


def refusal(data: bytes, message: Message, request: Request) -> NetlinkError:
    """The error that an NLMSG_ERROR or NLMSG_DONE with an errno stands for."""
    return NetlinkError(error_code(data, message), request.operation, ext_ack(data, message, request))
