# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of a journal: one a record, numbered and summed, so that what is torn is told from what is damaged.

    <crc32 of the rest, 8 hexadecimal digits> [<number>,"<kind>",{<fields>}]\\n

What the records mean is in standing.py.
"""

from __future__ import annotations

import json
import zlib

from . import files
from .errors import JournalDamaged
from .standing import Record, Standing, replay

LARGEST = 256 << 20  # bytes


def look(path: str) -> Standing:
    """What the journal says now, for who only reads, also while another process writes it. Raises JournalDamaged.

    It may just be shortened: then the whole file of before or the whole one of after is read.
    """
    raw = files.read_small(path, LARGEST)
    try:
        return replay(unpack(raw or b"")[0])
    except JournalDamaged as error:
        raise JournalDamaged(f"{path}: {error}") from None


def pack(number: int, record: Record) -> bytes:
    """One line; `number` from 0."""
    text = json.dumps([number, record.kind, record.fields], separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def unpack(data: bytes) -> tuple[list[Record], int]:
    """The records, and the size in bytes of what holds them: behind it lies a torn one. Raises JournalDamaged."""
    lines = data.split(b"\n")[:-1]
    records = [_record(line, number) for number, line in enumerate(lines)]
    return records, sum(len(line) + 1 for line in lines)


def _record(line: bytes, number: int) -> Record:
    text = line[9:]
    if line[:9] != b"%08x " % zlib.crc32(text):
        raise JournalDamaged(f"record {number} does not have its checksum")
    try:
        found, kind, fields = json.loads(text.decode())
    except (ValueError, TypeError, RecursionError):
        raise JournalDamaged(f"record {number} is no record") from None
    if found != number or not isinstance(kind, str) or not isinstance(fields, dict):
        raise JournalDamaged(f"record {number} is no record that follows those before it")
    return Record(kind, fields)
