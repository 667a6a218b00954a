# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a file lies on its device: the FIEMAP ioctl (Linux Documentation/filesystems/fiemap.rst)."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
import typing as t

from ..constants import SECTOR
from ..errors import DmDecodeError, DmError, DmValueError
from .device import Device

FIEMAP = struct.Struct("=QQIII4x")  # start, length, flags, mapped extents, room for extents
EXTENT = struct.Struct("=QQQ16xI12x")  # place in the file, place on the device, length, flags
REQUEST = 3 << 30 | FIEMAP.size << 16 | ord("f") << 8 | 11  # _IOWR('f', 11, struct fiemap)
SYNC = 1  # what is written lies somewhere only then
WHOLE = (1 << 64) - 1
LAST = 0x1
NOWHERE = 0x2 | 0x4 | 0x8 | 0x200 | 0x400  # unknown, not yet allocated, encoded, inline, a tail: no sectors of its own
PAGE = 512  # extents asked for at once

Extent = t.Tuple[int, int]  # start and length in sectors


def device_of(path: str, devices: t.Sequence[Device]) -> Device:
    """The device that the file's file system is on. Raises DmError, DmValueError."""
    try:
        found = os.stat(path)
    except OSError as error:
        raise DmError(error.errno or errno.EIO, f"look at {path}: {error.strerror}") from None
    if not stat.S_ISREG(found.st_mode):
        raise DmValueError(f"{path} is no regular file")
    for device in devices:
        if device.listed.dev == found.st_dev:
            return device
    raise DmValueError(f"{path} is in a file system that does not lie on a device-mapper device")


def extents(path: str) -> list[Extent]:
    """The sectors that the file lies in, ascending, neighbours joined. Raises DmError."""
    found: list[Extent] = []
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            start: int | None = 0
            while start is not None:
                page, start = decode(_ask(fd, start))
                found += page
        finally:
            os.close(fd)
    except DmError:
        raise
    except OSError as error:
        raise DmError(error.errno or errno.EIO, f"ask where {path} lies: {error.strerror}") from None
    return joined(found)


def _ask(fd: int, start: int) -> bytearray:
    buffer = bytearray(FIEMAP.size + PAGE * EXTENT.size)
    FIEMAP.pack_into(buffer, 0, start, WHOLE - start, SYNC, 0, PAGE)
    fcntl.ioctl(fd, REQUEST, buffer, True)
    return buffer


def decode(data: t.Union[bytes, bytearray]) -> tuple[list[Extent], int | None]:
    """Extents of an answer, and where in the file to ask on, None at the end. Raises DmDecodeError."""
    if len(data) < FIEMAP.size:
        raise DmDecodeError(f"an answer about a file's place has {len(data)} bytes")
    count = FIEMAP.unpack_from(data)[3]
    if FIEMAP.size + count * EXTENT.size > len(data):
        raise DmDecodeError(f"an answer about a file's place tells of {count} extents in {len(data)} bytes")
    found: list[Extent] = []
    following = None
    for place in range(count):
        logical, physical, length, flags = EXTENT.unpack_from(data, FIEMAP.size + place * EXTENT.size)
        if length == 0:
            raise DmDecodeError("an extent of a file has no length")
        if not flags & NOWHERE and length >= SECTOR:
            found.append((physical // SECTOR, length // SECTOR))
        following = None if flags & LAST else logical + length
    return found, following if following is not None and following < WHOLE else None


def joined(found: t.Iterable[Extent]) -> list[Extent]:
    runs: list[Extent] = []
    for start, length in sorted(found):
        if runs and start <= sum(runs[-1]):
            first, before = runs[-1]
            runs[-1] = (first, max(before, start + length - first))
        else:
            runs.append((start, length))
    return runs
