# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""XenStore's packets: bytes <-> (operation, request id, transaction id, payload).

Format: xen/include/public/io/xs_wire.h and docs/misc/xenstore.txt of Xen. A header of four 32-bit integers in native
order, then the payload, mostly strings that end with a NUL.
"""

from __future__ import annotations

import errno
import struct
import types
import typing as t

from .errors import InvalidOperation, InvalidPayload, UnexpectedPacket

HEADER = struct.Struct("=IIII")  # operation, request id, transaction id, size of the payload
PAYLOAD_MAX = 4096  # bytes of a request; the C daemon hangs up on a longer one
REPLY_MAX = 4 << 20  # oxenstored lists children in one reply of any size
ID_MASK = 0xFFFFFFFF

OPERATIONS = {
    "DEBUG": 0,  # since Xen 4.8 called CONTROL
    "DIRECTORY": 1,
    "READ": 2,
    "GET_PERMS": 3,
    "WATCH": 4,
    "UNWATCH": 5,
    "TRANSACTION_START": 6,
    "TRANSACTION_END": 7,
    "INTRODUCE": 8,
    "RELEASE": 9,
    "GET_DOMAIN_PATH": 10,
    "WRITE": 11,
    "MKDIR": 12,
    "RM": 13,
    "SET_PERMS": 14,
    "WATCH_EVENT": 15,
    "ERROR": 16,
    "IS_DOMAIN_INTRODUCED": 17,
    "RESUME": 18,
    "SET_TARGET": 19,
    "RESTRICT": 128,  # no daemon has it any more
    "RESET_WATCHES": 21,
    "DIRECTORY_PART": 22,
    "GET_FEATURE": 23,
    "SET_FEATURE": 24,
    "GET_QUOTA": 25,
    "SET_QUOTA": 26,
    "CONTROL": 0,
}
NAMES = {number: name for name, number in OPERATIONS.items()}

Op: t.Any = types.SimpleNamespace(**OPERATIONS)

NOT_ERRNO = {b"EQUOTA": errno.ENOSPC}  # oxenstored's own name


class Packet(t.NamedTuple("Packet", [("op", int), ("rq_id", int), ("tx_id", int), ("payload", bytes)])):
    """A message to or from XenStore. Raises InvalidOperation, InvalidPayload.

    `rq_id`: the daemon echoes it in its answer. `tx_id`: the transaction that the message belongs to, 0: none.
    """

    __slots__ = ()

    def __new__(cls, op: int, payload: bytes, rq_id: int, tx_id: int | None = None) -> Packet:
        if op not in NAMES:
            raise InvalidOperation(op)
        if len(payload) > PAYLOAD_MAX:
            raise InvalidPayload(payload, f"{len(payload)} bytes, and a request takes {PAYLOAD_MAX} at most")
        return super().__new__(cls, op, rq_id & ID_MASK, (tx_id or 0) & ID_MASK, payload)

    @property
    def size(self) -> int:
        return len(self.payload)

    def pack(self) -> bytes:
        return encode(*self)


def encode(op: int, rq_id: int, tx_id: int, payload: bytes) -> bytes:
    return HEADER.pack(op, rq_id, tx_id, len(payload)) + payload


def strings(*parts: bytes) -> bytes:
    """A payload of strings, each ended by a NUL."""
    return b"\0".join(parts) + b"\0"


Received = t.Tuple[int, int, int, bytes]  # operation, request id, transaction id, payload


class Decoder:
    """Packets out of a stream that is cut anywhere."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Received]:
        """The packets that are complete with `data`. Raises UnexpectedPacket."""
        buffer = self._rest + data if self._rest else data
        end, start = len(buffer), 0
        found: list[Received] = []
        while end - start >= 16:
            op, rq_id, tx_id, size = HEADER.unpack_from(buffer, start)
            if size > REPLY_MAX:
                raise UnexpectedPacket(f"the daemon announced {size} bytes, and {REPLY_MAX} are believed at most")
            stop = start + 16 + size
            if stop > end:
                break
            found.append((op, rq_id, tx_id, buffer[start + 16 : stop]))
            start = stop
        self._rest = buffer[start:]
        return found


def error_number(payload: bytes) -> int:
    """The number of an ERROR's name, such as ENOENT. Raises UnexpectedPacket."""
    name = payload.rstrip(b"\0")
    code = NOT_ERRNO.get(name)
    if code is None and name[:1] == b"E" and name.isalnum():
        code = getattr(errno, name.decode(), None)
    if code is None:
        raise UnexpectedPacket(f"the daemon answered with an unknown error, {name[:32]!r}")
    return int(code)
