# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows the header: target lines, lists of devices, of target types and of dependencies, messages.

Sans-IO, like the header; every reader raises DmDecodeError on bytes that are not what linux/dm-ioctl.h says.
"""

from __future__ import annotations

import contextlib
import struct
import typing as t

from ..wire import Cursor, WireError
from . import constants as c
from .errors import DmDecodeError, DmValueError
from .header import Answer, huge_decode

SPEC = struct.Struct("=QQiI16s")  # struct dm_target_spec
NAMED = struct.Struct("=QI")  # struct dm_name_list up to its name
EVENT = struct.Struct("=II")
VERSIONS = struct.Struct("=I3I")  # struct dm_target_versions up to its name
COUNT = struct.Struct("=I4x")  # struct dm_target_deps up to its list
SECTOR = struct.Struct("=Q")  # struct dm_target_msg up to its text
LONGEST = (1 << 64) - 1

Line = t.Tuple[int, int, str, str]  # start and length in sectors, target type, arguments or status


class Listed(t.NamedTuple):
    """A device of LIST_DEVICES; `event_nr` is None before Linux 4.13, `uuid` "" where there is none or unasked."""

    name: str
    dev: int
    event_nr: int | None
    uuid: str


@contextlib.contextmanager
def _decoding(what: str) -> t.Iterator[None]:
    try:
        yield
    except (ValueError, struct.error, OverflowError) as error:  # WireError is a ValueError
        raise DmDecodeError(f"the device-mapper's {what} cannot be read: {error}") from None


def encode_table(lines: t.Sequence[Line]) -> bytes:
    """The payload of TABLE_LOAD; `next` counts from the line that it stands in. Raises DmValueError."""
    parts = []
    for start, length, kind, params in lines:
        raw, name = _bytes(params, "the arguments of a target"), _bytes(kind, "a target type")
        if not 0 < len(name) <= c.TARGET_TYPE_LENGTH:
            raise DmValueError(f"{kind!r} is no target type: those have 1 to {c.TARGET_TYPE_LENGTH} bytes")
        if not (0 <= start <= LONGEST and 0 <= length <= LONGEST):
            raise DmValueError(f"a target cannot begin at sector {start} with {length} sectors")
        room = (len(raw) + 8) & ~7
        parts.append(SPEC.pack(start, length, 0, SPEC.size + room, name) + raw.ljust(room, b"\0"))
    return b"".join(parts)


def _bytes(text: str, what: str) -> bytes:
    raw = text.encode("utf-8", "surrogateescape")
    if b"\0" in raw:
        raise DmValueError(f"{what} has a NUL in it")
    return raw


def decode_table(answer: Answer) -> list[Line]:
    """The lines of TABLE_STATUS or DEV_WAIT; here `next` counts from the first one."""
    data, lines, place = answer.payload, [], 0
    unpack, size, names = SPEC.unpack_from, SPEC.size, {}  # thousands of lines: nothing but what is needed for each
    with _decoding("table or status"):
        for _unused in range(answer.target_count):
            start, length, _status, following, raw = unpack(data, place)
            kind = names.get(raw) or names.setdefault(raw, _padded(raw))
            begin = place + size
            lines.append((start, length, kind, data[begin : data.index(0, begin)].decode("utf-8", "surrogateescape")))
            if following <= place:
                raise WireError(f"a line at {place} is followed by one at {following}")
            place = following
    return lines


def _padded(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _string(data: bytes, place: int) -> str:
    """The text at `place`, which ends with a NUL."""
    if place > len(data):
        raise WireError(f"a text at {place} in {len(data)} bytes")
    end = data.find(b"\0", place)
    if end < 0:
        raise WireError(f"the text at {place} has no end")
    return data[place:end].decode("utf-8", "surrogateescape")


def decode_names(answer: Answer) -> list[Listed]:
    """The devices of LIST_DEVICES."""
    data, found, place = answer.payload, [], 0
    # With no device at all there is one empty record, or nothing.
    if len(data) < NAMED.size:
        return []
    with _decoding("list of devices"):
        while True:
            dev, step = Cursor(data, place).unpack(NAMED)
            name = _string(data, place + NAMED.size)
            if dev:
                after = (place + NAMED.size + len(name.encode("utf-8", "surrogateescape")) + 8) & ~7
                found.append(Listed(name, huge_decode(dev), *_event(answer, data, after)))
            if step == 0:
                return found
            if step < NAMED.size:
                raise WireError(f"the record after {place} is only {step} bytes further")
            place += step


def _event(answer: Answer, data: bytes, place: int) -> tuple[int | None, str]:
    if answer.version < (4, 37, 0):
        return None, ""
    event_nr, flags = Cursor(data, place).unpack(EVENT)
    return event_nr, _string(data, place + EVENT.size) if flags & c.HAS_UUID else ""


def decode_versions(answer: Answer) -> dict[str, tuple[int, int, int]]:
    """The target types of LIST_VERSIONS or GET_TARGET_VERSION with their versions."""
    data, found, place = answer.payload, {}, 0
    if not data:
        return {}
    with _decoding("list of target types"):
        while True:
            step, *version = Cursor(data, place).unpack(VERSIONS)
            found[_string(data, place + VERSIONS.size)] = (version[0], version[1], version[2])
            if step == 0:
                return found
            if step < VERSIONS.size:
                raise WireError(f"the record after {place} is only {step} bytes further")
            place += step


def decode_deps(answer: Answer) -> list[int]:
    """The devices that a table stands on (TABLE_DEPS), as os.makedev has them."""
    if not answer.payload:
        return []
    with _decoding("list of dependencies"):
        cursor = Cursor(answer.payload)
        (count,) = cursor.unpack(COUNT)
        return [huge_decode(number) for number in struct.unpack(f"={count}Q", cursor.take(8 * count))]


def encode_message(sector: int, text: str) -> bytes:
    """The payload of TARGET_MSG. Raises DmValueError."""
    if not 0 <= sector <= LONGEST:
        raise DmValueError(f"a message cannot be meant for sector {sector}")
    return SECTOR.pack(sector) + _bytes(text, "a message") + b"\0"


def decode_message(answer: Answer) -> str:
    """The answer to a message, "" if it has none."""
    if not answer.flags & c.DATA_OUT or not answer.payload:
        return ""
    with _decoding("answer to a message"):
        return _string(answer.payload, 0)
