# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The header that every ioctl of the device-mapper carries, both ways (struct dm_ioctl of linux/dm-ioctl.h).

Names and uuids are the kernel's own here, that is mangled ones (see mangle.py).
"""

from __future__ import annotations

import functools
import os
import struct
import typing as t

from . import constants as c
from .errors import DmDecodeError, DmValueError

HEADER = struct.Struct("=3I3Ii3IQ128s129s7x")  # 312 bytes
START = HEADER.size
NAME_AT = 48
DEV_BITS = 0xFFFFFFFF  # 12 of the major, 20 of the minor: the ioctl and os.makedev lay them out alike


class Request(t.NamedTuple):
    """A command and what goes with it. A device is told by one of name, uuid and dev."""

    command: int
    name: str = ""
    uuid: str = ""
    dev: int = 0  # as os.makedev has it; for a new device, with PERSISTENT_DEV, the wanted number
    flags: int = 0
    event_nr: int = 0  # DEV_WAIT: the last event known; SUSPEND, REMOVE, RENAME: cookie and udev flags
    target_count: int = 0
    payload: bytes = b""

    @property
    def device(self) -> str:
        """What an error calls the device."""
        return self.name or self.uuid or (dev_text(self.dev) if self.dev else "")


class Answer(t.NamedTuple):
    """What the kernel made of the header, and the bytes after it."""

    version: t.Tuple[int, int, int]
    target_count: int
    open_count: int
    flags: int
    event_nr: int
    dev: int  # as os.makedev has it
    name: str
    uuid: str
    payload: bytes


def huge_encode(dev: int) -> int:
    """A device number as the ioctl has it: 8 low bits of the minor, the major, the rest of the minor."""
    return dev & DEV_BITS


def huge_decode(number: int) -> int:
    """A device number of the ioctl as os.makedev has it."""
    return number & DEV_BITS


@functools.lru_cache(maxsize=1024)
def dev_text(dev: int) -> str:
    """`major:minor`."""
    return f"{os.major(dev)}:{os.minor(dev)}"


def build(request: Request, size: int = 0) -> bytearray:
    """The bytes of a request in a buffer of at least `size` bytes. Raises DmValueError."""
    payload = request.payload
    total = max(size, START + len(payload) + 8)
    buffer = bytearray(total)
    HEADER.pack_into(
        buffer,
        0,
        *c.COMMANDS[request.command].since,
        total,
        START,
        request.target_count,
        0,
        request.flags,
        request.event_nr & 0xFFFFFFFF,
        0,
        huge_encode(request.dev) if request.dev else 0,
        _field(request.name, c.NAME_LENGTH, "name") if request.name else b"",
        _field(request.uuid, c.UUID_LENGTH, "uuid") if request.uuid else b"",
    )
    if payload:
        buffer[START : START + len(payload)] = payload
    return buffer


def rename(head: bytes, name: str, buffer: bytearray) -> None:
    """Makes the buffer a request with that head, up to NAME_AT, about the device `name`. Raises DmValueError."""
    buffer[:START] = head + _field(name, c.NAME_LENGTH, "name").ljust(START - NAME_AT, b"\0")


def _field(text: str, limit: int, kind: str) -> bytes:
    raw = text.encode("utf-8", "surrogateescape")
    if len(raw) > limit:
        raise DmValueError(f"the {kind} {text!r} has {len(raw)} bytes, and the device-mapper takes {limit}")
    if b"\0" in raw:
        raise DmValueError(f"the {kind} {text!r} has a NUL in it")
    return raw


def parse(data: t.Union[bytes, bytearray], asked: str = "") -> Answer:
    """What the kernel left in the buffer; `asked`: the name that the request was about. Raises DmDecodeError."""
    if len(data) < START:
        raise DmDecodeError(f"a device-mapper answer of {len(data)} bytes, less than its header")
    one, two, three, size, start, count, opened, flags, event_nr, _pad, dev, name, uuid = HEADER.unpack_from(data)
    if start == 0 or size < start:
        size = start = 0  # a header alone
    elif size > len(data):
        raise DmDecodeError(f"a device-mapper answer says that it is {size} bytes long in a buffer of {len(data)}")
    return Answer(
        (one, two, three),
        count,
        opened,
        flags,
        event_nr,
        dev & DEV_BITS,
        asked or name.partition(b"\0")[0].decode("utf-8", "surrogateescape"),
        uuid.partition(b"\0")[0].decode("utf-8", "surrogateescape"),
        bytes(data[start:size]),
    )
