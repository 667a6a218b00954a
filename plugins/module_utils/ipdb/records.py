# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A journal's records as bytes: one line each, numbered and summed, so that what is torn or forged is told apart.

    <crc32 of the rest, 8 hexadecimal digits> [<number>,<kind>,{<fields>}]\\n

A line that was cut off at the end of the file is what a writer leaves that was killed while it wrote: it counts as
never written. Anything else that does not fit is damage, and refused.
"""

from __future__ import annotations

import json
import typing as t
import zlib

KINDS = (
    "begun",  # what is wanted; nothing was changed
    "prepared",  # the network before and, where it is to be confirmed, after
    "guarded",  # a process watches that it is confirmed in time
    "wave",  # is about to be sent
    "applied",  # all was sent, and read back as wanted
    "confirmed",
    "failed",  # and was undone, or what could not be
    "rolled_back",
)


class JournalDamaged(ValueError):
    """What lies in the file is not what a journal's writer can have left."""


class Record(t.NamedTuple):
    kind: str
    fields: t.Dict[str, t.Any]


def pack(number: int, record: Record) -> bytes:
    """One line. `number` is that of the record in its journal, from 0."""
    fields = [number, record.kind, record.fields]
    text = json.dumps(fields, separators=(",", ":"), check_circular=False).encode()  # of our own making: a tree
    return b"%08x %s\n" % (zlib.crc32(text), text)


def unpack(data: bytes, first: int = 0) -> tuple[list[Record], int]:
    """The records, and the size in bytes of what holds them: beyond it lies a torn one. Raises JournalDamaged.

    `first`: the number that the first of them has in its journal.
    """
    records: list[Record] = []
    size = 0
    while True:
        end = data.find(b"\n", size)
        if end < 0:
            return records, size
        records.append(_record(data[size:end], first + len(records)))
        size = end + 1


def _record(line: bytes, number: int) -> Record:
    text = line[9:]
    if line[:9] != b"%08x " % zlib.crc32(text):
        raise JournalDamaged(f"record {number} does not have its checksum")
    try:
        found, kind, fields = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        raise JournalDamaged(f"record {number} cannot be read") from None
    if found != number or kind not in KINDS or not isinstance(fields, dict):
        raise JournalDamaged(f"record {number} is not one of a journal")
    return Record(kind, fields)
