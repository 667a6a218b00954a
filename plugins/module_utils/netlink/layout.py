# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocks of attributes that look alike, read as the fixed structs that they turn out to be.

In a dump one message is laid out as many others: the same attributes of the same lengths in the same order. Walking
from attribute to attribute asks Python a dozen questions for each. A `Layout` remembers where everything was in one
block; for another of the same size, one comparison of all attribute headers says whether it is laid out likewise, and
then all its numbers are read in one call.
"""

from __future__ import annotations

import struct
import typing as t

Decode = t.Callable[[bytes, int, int], t.Any]


class Field(t.NamedTuple):
    """A known attribute of a block: its payload is `[start:end]` from the block's start.

    `shape`: its letter in the struct module where it is a plain number, else "".
    """

    name: str
    decode: Decode
    shape: str
    start: int
    end: int


class Layout:
    """Where the attributes are in blocks that have the size and the headers of `block`, the one that was walked.

    `starts`: where in it the headers are. Raises what the fields' decoders raise.
    """

    __slots__ = ("_headers", "_mask", "_names", "_numbers", "_rest")

    def __init__(self, block: bytes, starts: t.Sequence[int], fields: t.Sequence[Field]) -> None:
        mask = bytearray(len(block))
        for start in starts:
            mask[start : start + 4] = b"\xff\xff\xff\xff"
        self._mask = int.from_bytes(mask, "little")
        self._headers = int.from_bytes(block, "little") & self._mask
        plain = [field for field in fields if field.shape]
        self._names = [field.name for field in plain]
        self._numbers = struct.Struct(_shape(plain)).unpack_from
        self._rest = [(field.name, field.decode, field.start, field.end) for field in fields if not field.shape]

    def decode(self, data: bytes, start: int, end: int) -> dict[str, t.Any] | None:
        """Values by name; None for a block laid out otherwise. `end - start` has to be the size that was learned."""
        if int.from_bytes(data[start:end], "little") & self._mask != self._headers:
            return None
        out = dict(zip(self._names, self._numbers(data, start)))
        for name, decode, at, stop in self._rest:
            out[name] = decode(data, start + at, start + stop)
        return out


def _shape(fields: t.Iterable[Field]) -> str:
    """The format of a struct that holds these numbers, and nothing else, where they are."""
    parts, at = ["="], 0
    for field in fields:
        parts.append(f"{field.start - at}x{field.shape}")
        at = field.end
    return "".join(parts)
