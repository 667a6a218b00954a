# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel answers to messages about statistics (dm_stats_list and dm_stats_print of drivers/md/dm-stats.c)."""

from __future__ import annotations

import json
import re
import typing as t

from ..errors import DmDecodeError
from .bounds import LARGEST, Bounds, unit
from .counters import NOW, TIMES, Counters
from .messages import Span

LINE = re.compile(r"([0-9]{1,10}): ([0-9]{1,20})\+([0-9]{1,20}) ([0-9]{1,20}) (\S+) (.*)", re.ASCII | re.DOTALL)
BOUNDS = re.compile(r" histogram:([0-9]{1,20}(?:,[0-9]{1,20})*)", re.ASCII)
PRECISE = " precise_timestamps"


class Region(t.NamedTuple):
    """A region as the kernel has it. `aux_data` is the whole text, with a group in it where there is one."""

    id: int
    span: Span
    program_id: str  # "" for none
    aux_data: str


class Area(t.NamedTuple):
    """`start` and `length` in sectors; `histogram`: requests in each bin, empty where the region has no bounds."""

    start: int
    length: int
    counters: Counters
    histogram: t.Tuple[int, ...] = ()


def created(text: str) -> int:
    """The number of a new region. Raises DmDecodeError."""
    if not re.fullmatch(r"[0-9]{1,10}\n?", text, re.ASCII):
        raise DmDecodeError(f"the kernel says that the new region is {text[:40]!r}, which is no number")
    return int(text)


def regions(text: str) -> list[Region]:
    """The answer to a listing. Raises DmDecodeError."""
    return [_region(line) for line in _lines(text)]


def _lines(text: str) -> list[str]:
    """A line for each region: auxiliary data of other programs may have line ends in it."""
    found: list[str] = []
    for line in text.split("\n") if text else []:
        if LINE.fullmatch(line):
            found.append(line)
        elif found:
            found[-1] += f"\n{line}"
        elif line:
            raise DmDecodeError(f"a list of regions begins with {line[:40]!r}")
    return [line[:-1] if line.endswith("\n") else line for line in found]


def _region(line: str) -> Region:
    """Auxiliary data may have blanks, so options are taken off the line's end."""
    found = LINE.fullmatch(line)
    if found is None:
        raise DmDecodeError(f"a list of regions has the line {line[:40]!r}")
    number, start, length, step, program_id, rest = found.groups()
    rest, bounds = _histogram(rest)
    precise = rest.endswith(PRECISE)
    aux_data = rest[: -len(PRECISE)] if precise else rest
    scale = unit(precise)
    span = Span(int(start), int(length), int(step), precise, tuple(bound * scale for bound in bounds))
    if not span.step or not span.length:
        raise DmDecodeError(f"region {number} is said to have {length} sectors in areas of {step}")
    return Region(int(number), span, _or_empty(program_id), _or_empty(aux_data))


def _histogram(rest: str) -> tuple[str, Bounds]:
    place = rest.rfind(" histogram:")
    found = BOUNDS.fullmatch(rest, place) if place >= 0 else None
    return (rest[:place], tuple(map(int, found.group(1).split(",")))) if found else (rest, ())


def _or_empty(word: str) -> str:
    return "" if word == "-" else word


def areas(text: str, span: Span) -> list[Area]:
    """The answer to a reading of areas of a region with that geometry. Raises DmDecodeError.

    Ten thousand areas are an everyday size, and most of them have counted the same few things, or nothing: what is
    behind a line's place is read once for all lines that have it. The last area is cut at the region's end, which the
    kernel (6.1) does when it counts, but not when it tells.
    """
    bins = len(span.bounds) + 1 if span.bounds else 0
    lines = text.splitlines()
    _check(text, len(lines), bins)
    parted = [line.partition(" ") for line in lines]
    known = _counted(list(dict.fromkeys(tail for _place, _blank, tail in parted)), bins, unit(span.precise))
    places = _numbers([place for place, _blank, _tail in parted])
    if places:
        places[-1] = max(0, min(places[-1], span.start + span.length - places[-2]))
    new = tuple.__new__  # what NamedTuples are made by in the end, without a function of Python's for each
    rows = zip(places[::2], places[1::2], parted)
    return [new(Area, (start, length) + known[parts[2]]) for start, length, parts in rows]


WITHOUT_DIGITS = dict.fromkeys(map(ord, "0123456789"))


def _check(text: str, count: int, bins: int) -> None:
    """Whether all between the numbers is as it is in so many lines; the numbers are for `_numbers` to check."""
    rest = " " + ":" * (bins - 1) if bins else ""
    places = [" "] * len(Counters._fields)
    line = "+{}{}\n".format("".join(places), rest)
    places[NOW] = " -"  # two processors may count a request's begin and end in the wrong order
    negative = "+{}{}\n".format("".join(places), rest)
    if text.translate(WITHOUT_DIGITS).replace(negative, line) != line * count:
        raise DmDecodeError(f"the areas of a region cannot be read: {text[:60]!r}...")


Counted = t.Tuple[Counters, t.Tuple[int, ...]]  # with the histogram


def _counted(tails: t.Sequence[str], bins: int, scale: int) -> dict[str, Counted]:
    """What lines say behind their place."""
    numbers = _numbers(tails)
    many = len(Counters._fields)
    width = many + bins
    if scale != 1:
        for place in TIMES:
            numbers[place::width] = [number * scale for number in numbers[place::width]]
    new = tuple.__new__
    read = [(new(Counters, line[:many]), line[many:]) for line in zip(*[iter(numbers)] * width)]
    return dict(zip(tails, read))


SEPARATORS = str.maketrans("+: ", ",,,")


def _numbers(words: t.Iterable[str]) -> list[int]:
    """All numbers of them, as a list of JSON, whose parser takes half the time of `int` for each."""
    try:
        numbers = json.loads("[{}]".format(",".join(words).translate(SEPARATORS)))
    except ValueError as error:  # no number between two separators, or zeros in front of one
        raise DmDecodeError(f"the areas of a region cannot be read: {error}") from None
    if max(numbers, default=0) > LARGEST:
        raise DmDecodeError(f"the areas of a region have the number {max(numbers)}, which is over {LARGEST}")
    return numbers
