# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows the header: target lines, lists of devices, of target types and of dependencies, messages.

Sans-IO, like the header; every reader raises DmDecodeError on bytes that are not what linux/dm-ioctl.h says.
"""

from __future__ import annotations

import functools
import struct
import typing as t

from ..wire import Cursor, WireError
from . import constants as c
from .errors import DmDecodeError, DmValueError
from .header import DEV_BITS, Answer, huge_decode

SPEC = struct.Struct("=QQiI16s")  # struct dm_target_spec
NAMED = struct.Struct("=QI")  # struct dm_name_list up to its name
EVENT = struct.Struct("=II")
VERSIONS = struct.Struct("=I3I")  # struct dm_target_versions up to its name
COUNT = struct.Struct("=I4x")  # struct dm_target_deps up to its list
SECTOR = struct.Struct("=Q")  # struct dm_target_msg up to its text
LONGEST = (1 << 64) - 1
LONG = 64  # lines of a table that is read in another way

Line = t.Tuple[int, int, str, str]  # start and length in sectors, target type, arguments or status


class Listed(t.NamedTuple):
    """A device of LIST_DEVICES; `event_nr` is None before Linux 4.13, `uuid` "" where there is none or unasked."""

    name: str
    dev: int
    event_nr: int | None
    uuid: str


UNREADABLE = (ValueError, struct.error, OverflowError)  # WireError is a ValueError


def _unreadable(what: str, error: Exception) -> DmDecodeError:
    return DmDecodeError(f"the device-mapper's {what} cannot be read: {error}")


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
    data, count = answer.payload, answer.target_count
    lines: list[Line] = []
    place, unpack, size = 0, SPEC.unpack_from, SPEC.size
    try:
        if count >= LONG:
            from . import longtable

            lines, place = longtable.decode(data, count)
        for _unused in range(count - len(lines)):
            start, length, _status, following, raw = unpack(data, place)
            begin = place + size
            text = data[begin : data.index(0, begin)].decode("utf-8", "surrogateescape")
            lines.append((start, length, _padded(raw), text))
            if following <= place:
                raise WireError(f"a line at {place} is followed by one at {following}")
            place = following
    except UNREADABLE as error:
        raise _unreadable("table or status", error) from None
    return lines


@functools.lru_cache(maxsize=64)
def _padded(field: bytes) -> str:
    """A target type, of which a host has few."""
    return field.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _string(data: bytes, place: int) -> str:
    """The text at `place`, which ends with a NUL. Raises ValueError."""
    return data[place : data.index(0, place)].decode("utf-8", "surrogateescape")


def decode_names(answer: Answer) -> list[Listed]:
    """The devices of LIST_DEVICES."""
    data, found, place = answer.payload, [], 0
    # With no device at all there is one empty record, or nothing.
    if len(data) < NAMED.size:
        return []
    numbered = answer.version >= (4, 37, 0)
    unpack, head = NAMED.unpack_from, NAMED.size
    try:
        while True:
            dev, step = unpack(data, place)
            if dev:
                found.append(_listed(data, place + head, dev, numbered))
            if step == 0:
                return found
            if step < NAMED.size:
                raise WireError(f"the record after {place} is only {step} bytes further")
            place += step
    except UNREADABLE as error:
        raise _unreadable("list of devices", error) from None


def _listed(data: bytes, begin: int, dev: int, numbered: bool) -> Listed:
    end = data.index(0, begin)
    name = data[begin:end].decode("utf-8", "surrogateescape")
    if not numbered:
        return Listed(name, dev & DEV_BITS, None, "")
    after = (end + 8) & ~7
    event_nr, flags = EVENT.unpack_from(data, after)
    begin = after + EVENT.size
    uuid = data[begin : data.index(0, begin)].decode("utf-8", "surrogateescape") if flags & c.HAS_UUID else ""
    return Listed(name, dev & DEV_BITS, event_nr, uuid)


def decode_versions(answer: Answer) -> dict[str, tuple[int, int, int]]:
    """The target types of LIST_VERSIONS or GET_TARGET_VERSION with their versions."""
    data, found, place = answer.payload, {}, 0
    if not data:
        return {}
    try:
        while True:
            step, *version = Cursor(data, place).unpack(VERSIONS)
            found[_string(data, place + VERSIONS.size)] = (version[0], version[1], version[2])
            if step == 0:
                return found
            if step < VERSIONS.size:
                raise WireError(f"the record after {place} is only {step} bytes further")
            place += step
    except UNREADABLE as error:
        raise _unreadable("list of target types", error) from None


def decode_deps(answer: Answer) -> list[int]:
    """The devices that a table stands on (TABLE_DEPS), as os.makedev has them."""
    if not answer.payload:
        return []
    try:
        cursor = Cursor(answer.payload)
        (count,) = cursor.unpack(COUNT)
        return [huge_decode(number) for number in struct.unpack(f"={count}Q", cursor.take(8 * count))]
    except UNREADABLE as error:
        raise _unreadable("list of dependencies", error) from None


def encode_message(sector: int, text: str) -> bytes:
    """The payload of TARGET_MSG. Raises DmValueError."""
    if not 0 <= sector <= LONGEST:
        raise DmValueError(f"a message cannot be meant for sector {sector}")
    return SECTOR.pack(sector) + _bytes(text, "a message") + b"\0"


def message_key(text: str) -> str:
    """The key in a message, of `key set KEY` to a target crypt; "" where there is none, or only a keyring's name."""
    words = text.split(None, 2)
    if len(words) < 3 or [word.lower() for word in words[:2]] != ["key", "set"] or words[2][0] in ":-":
        return ""
    return words[2].rstrip()


def decode_message(answer: Answer) -> str:
    """The answer to a message, "" if it has none."""
    if not answer.flags & c.DATA_OUT or not answer.payload:
        return ""
    try:
        return _string(answer.payload, 0)
    except UNREADABLE as error:
        raise _unreadable("answer to a message", error) from None
