# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bounds-checked reader over bytes: what netlink, device-mapper and XenStore decode with.

Everything that comes from a kernel, a daemon or a file is hostile until it has been read through a
`Cursor`: reading past the end raises `WireError`, never `struct.error`, and never returns less than asked.
"""

from __future__ import annotations

import struct
import typing as t


class WireError(ValueError):
    """Bytes that do not hold what their format says."""


class Cursor:
    """A position in `data[start:end]`; every read moves it forward."""

    __slots__ = ("data", "end", "pos")

    def __init__(self, data: bytes, start: int = 0, end: int | None = None) -> None:
        self.data = data
        self.pos = start
        self.end = len(data) if end is None else end
        if not 0 <= start <= self.end <= len(data):
            raise WireError(f"a range of {start}..{self.end} in {len(data)} bytes")

    def __len__(self) -> int:
        """Bytes still unread."""
        return self.end - self.pos

    def skip(self, size: int) -> int:
        """Moves over `size` bytes; returns the position of the first of them."""
        start = self.pos
        if size < 0 or size > self.end - start:
            raise WireError(f"{size} bytes wanted at offset {start}, {self.end - start} there")
        self.pos = start + size
        return start

    def take(self, size: int) -> bytes:
        start = self.skip(size)
        return self.data[start : start + size]

    def unpack(self, shape: struct.Struct) -> tuple[t.Any, ...]:
        return shape.unpack_from(self.data, self.skip(shape.size))

    def sub(self, size: int) -> Cursor:
        """A cursor over the next `size` bytes, which this one moves over."""
        start = self.skip(size)
        return Cursor(self.data, start, start + size)

    def text(self, size: int) -> str:
        """A fixed field holding text padded with NULs (or ended by the first one)."""
        return self.take(size).split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
