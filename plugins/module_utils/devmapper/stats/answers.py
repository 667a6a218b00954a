# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel answers to messages about statistics (dm_stats_list and dm_stats_print of drivers/md/dm-stats.c)."""

from __future__ import annotations

import json
import re
import typing as t

from ..errors import DmDecodeError
from .bounds import Bounds, unit
from .counters import TIMES, Counters
from .messages import Span

LINE = re.compile(r"([0-9]{1,10}): ([0-9]{1,20})\+([0-9]{1,20}) ([0-9]{1,20}) (\S+) (.*)", re.ASCII | re.DOTALL)
BOUNDS = re.compile(r" histogram:([0-9]{1,20}(?:,[0-9]{1,20})*)", re.ASCII)
PRECISE = " precise_timestamps"
WIDTH = 2 + len(Counters._fields)  # start, length and counters: numbers of a line


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

    The whole text is checked and split in one go: ten thousand areas are an everyday size. The last area is cut at the
    region's end, which the kernel (6.1) does when it counts, but not when it tells.
    """
    bins = len(span.bounds) + 1 if span.bounds else 0
    if not _printed(bins).fullmatch(text):
        raise DmDecodeError(f"the areas of a region cannot be read: {text[:60]!r}...")
    numbers = _numbers(text)
    width = WIDTH + bins
    if not span.precise:
        scale = unit(False)
        for place in TIMES:
            column = numbers[place + 2 :: width]
            if any(column):
                numbers[place + 2 :: width] = [number * scale for number in column]
    if numbers:
        numbers[1 - width] = max(0, min(numbers[1 - width], span.start + span.length - numbers[-width]))
    lines = zip(*[iter(numbers)] * width)
    new = tuple.__new__  # what NamedTuples are made by in the end, without a function of Python's for each
    return [new(Area, (line[0], line[1], new(Counters, line[2:WIDTH]), line[WIDTH:])) for line in lines]


SEPARATORS = str.maketrans("+: \n", ",,,,")


def _numbers(text: str) -> list[int]:
    """All of a checked text, as a list of JSON, whose parser takes half the time of `int` for each."""
    try:
        return json.loads(f"[{text.translate(SEPARATORS)[:-1]}]")
    except ValueError as error:  # zeros in front of a number
        raise DmDecodeError(f"the areas of a region cannot be read: {error}") from None


def _printed(bins: int) -> t.Pattern[str]:
    number = "[0-9]{1,20}"
    histogram = f" {number}(?::{number}){{{bins - 1}}}" if bins else ""
    counters = f"(?: {number}){{8}} -?[0-9]{{1,10}}(?: {number}){{4}}"
    return re.compile(rf"(?:{number}\+{number}{counters}{histogram}\n)*", re.ASCII)
