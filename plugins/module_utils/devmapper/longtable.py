# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of thousands of lines in columns: a few calls for many lines instead of many calls for each line.

The lines of a long table mostly have one target type and one size, since the kernel fills each up to eight bytes.
"""

from __future__ import annotations

import itertools
import struct
import typing as t

NEXT = struct.Struct("=20xI")  # of struct dm_target_spec: where the next line begins
SPEC_SIZE, KIND_AT = 40, 24
WORD = 8  # bytes that lines are filled up to, and that a start or length has
AT_FIRST, LATER = 64, 8  # lines tried at first, and how many times as many after they were all alike
FEWEST = 16  # alike in a row; with less, line by line is faster
FILLED = b"\0" + b"\1" * 255  # of a byte, whether it is another than NUL


def decode(data: bytes, count: int) -> tuple[list[tuple[int, int, str, str]], int]:
    """The first of `count` lines of a table or status, and where the next one begins.

    It ends early, without an error, at whatever is not simple: that is read line by line. So is the last line, which
    the kernel does not fill up.
    """
    lines: list[t.Any] = []
    place, most = 0, AT_FIRST
    while len(lines) < count:
        step = NEXT.unpack_from(data, place)[0] - place if len(data) - place >= SPEC_SIZE else 0
        many = min(most, count - len(lines), (len(data) - place) // step if step > SPEC_SIZE else 0)
        run = _run(data, place, step, many) if many >= FEWEST else []
        if not run:
            break
        lines += run
        place += step * len(run)
        most = most * LATER if len(run) == most else AT_FIRST
    return lines, place


def _run(data: bytes, place: int, step: int, many: int) -> list[t.Any]:
    """Up to `many` lines of `step` bytes and one target type; none where those are few."""
    if step % WORD:
        return []
    span = memoryview(data)[place : place + step * many]
    words, width = span.cast("Q"), step // WORD
    starts, lengths, *kind = (words[column::width].tolist() for column in (0, 1, 3, 4))
    nexts = span.cast("I")[5 :: 2 * width].tolist()
    alike = min(_alike(kind[0]), _alike(kind[1]), _ascending(nexts, place, step))
    if alike < many:
        return _run(data, place, step, alike) if alike >= FEWEST else []
    plain = _texts(data, place + SPEC_SIZE, step, many)
    name = data[place + KIND_AT : place + SPEC_SIZE].split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
    return list(zip(starts, lengths, itertools.repeat(name), plain)) if len(plain) == many else []


def _texts(data: bytes, place: int, step: int, many: int) -> list[str]:
    """The arguments of `many` lines, the first one's at `place`; none where one does not end with its first NUL."""
    size = step - SPEC_SIZE
    ends = place + step * many - SPEC_SIZE
    joined = bytearray(b"\n") * ((size + 1) * many)
    before = -1
    for column in range(size):  # one byte of each line
        found = data[place + column : ends : step]
        joined[column :: size + 1] = found
        filled = int.from_bytes(found.translate(FILLED), "little")
        if filled & ~before:
            return []
        before = filled
    return joined.translate(None, b"\0").decode("utf-8", "surrogateescape").split("\n")[:-1] if not before else []


def _alike(values: list[int]) -> int:
    """How many in a row are as the first."""
    first = values[0]
    if values.count(first) == len(values):
        return len(values)
    return next(n for n, one in enumerate(values) if one != first)


def _ascending(values: list[int], place: int, step: int) -> int:
    """How many in a row are each `step` more than the one before, from `place` on."""
    expected = range(place + step, place + step * len(values) + 1, step)
    if values == list(expected):
        return len(values)
    return next(n for n, (one, other) in enumerate(zip(values, expected)) if one != other)
