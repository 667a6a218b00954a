# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of thousands of lines in columns: a few calls for many lines instead of many calls for each line.

The lines of a long table mostly have one target type and one size, since the kernel fills each up to eight bytes.
"""

from __future__ import annotations

import itertools
import re
import struct
import typing as t

NEXT = struct.Struct("=20xI")  # of struct dm_target_spec: where the next line begins
SPEC_SIZE = 40
AT_FIRST, LATER = 64, 8  # lines tried at first, and how many times as many after they were all alike
FEWEST = 16  # alike in a row; with less, line by line is faster
AFTER_END = re.compile(rb"\0[^\0\n]")  # a byte after the NUL, in texts that have a line each

Columns = t.List[t.List[t.Any]]


def columns(rows: t.Iterable[t.Sequence[t.Any]], many: int) -> Columns:
    """The columns of rows that have `many` values each."""
    flat = list(itertools.chain.from_iterable(rows))
    return [flat[place::many] for place in range(many)]


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
    span = memoryview(data)[place : place + step * many]
    starts, lengths, nexts, kinds, texts = columns(struct.iter_unpack(f"=QQ4xI16s{step - SPEC_SIZE}s", span), 5)
    expected = range(place + step, place + step * many + 1, step)
    if nexts != list(expected) or kinds.count(kinds[0]) != many:
        pairs = enumerate(zip(nexts, expected, kinds))
        many = next(number for number, (one, other, kind) in pairs if one != other or kind != kinds[0])
        return _run(data, place, step, many) if many >= FEWEST else []
    joined = b"\n".join([*texts, b""])
    if AFTER_END.search(joined) or joined.count(b"\0\n") != many:
        return []
    plain = joined.translate(None, b"\0").decode("utf-8", "surrogateescape").split("\n")[:-1]
    kind = kinds[0].split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
    return list(zip(starts, lengths, itertools.repeat(kind), plain)) if len(plain) == many else []
