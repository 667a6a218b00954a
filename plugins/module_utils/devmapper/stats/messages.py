# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The messages that statistics are asked for with (Linux Documentation/admin-guide/device-mapper/statistics.rst).

All go to sector 0 of a device. Sectors have 512 bytes. The kernel splits a message at blanks, for which it also takes
the byte 0xa0, of which UTF-8 has plenty; a backslash takes the meaning off the byte after it.
"""

from __future__ import annotations

import re
import typing as t

from ..errors import DmValueError
from .bounds import Bounds, need_precise, unit

SPECIAL = re.compile(rb"([\t-\r \xa0\\])")


class Span(t.NamedTuple):
    """What is counted, and how: the geometry of a region. `step`: sectors of an area; `bounds` in nanoseconds."""

    start: int
    length: int
    step: int
    precise: bool = False
    bounds: Bounds = ()

    @property
    def areas(self) -> int:
        return -(-self.length // self.step)


def create(span: Span, program_id: str, aux_data: str = "") -> str:
    """Answered with the new region's number. Raises DmValueError.

    Only the first missing word may be left out, so the number of options is always there: a program id that looks like
    a number would be taken for it.
    """
    if span.start < 0 or span.length < 1 or span.step < 1:
        raise DmValueError(f"a region cannot have {span.length} sectors from {span.start} on, {span.step} an area")
    options = _options(span)
    words = ["@stats_create", f"{span.start}+{span.length}", f"{span.step}", f"{len(options)}", *options]
    return " ".join([*words, _program(program_id) or "-", escaped(aux_data) or "-"])


def _options(span: Span) -> list[str]:
    options = ["precise_timestamps"] if span.precise else []
    if span.bounds:
        if not span.precise and need_precise(span.bounds):
            raise DmValueError("histogram bounds below a millisecond need precise timestamps")
        options.append("histogram:" + ",".join(str(bound // unit(span.precise)) for bound in span.bounds))
    return options


def _program(program_id: str) -> str:
    """The kernel lists program ids as they are, so that one with a blank could not be told from what follows it."""
    if re.search(r"[\s\\\0]", program_id):
        raise DmValueError(f"the program id {program_id!r} has a blank, backslash or NUL in it")
    return escaped(program_id)


def escaped(text: str) -> str:
    if "\0" in text or "\n" in text:
        raise DmValueError("auxiliary data of a region cannot have a NUL or a line end")
    raw = SPECIAL.sub(rb"\\\1", text.encode("utf-8", "surrogateescape"))
    return raw.decode("utf-8", "surrogateescape")


def listing(program_id: str = "") -> str:
    """Answered with a line for each region, of all programs if none is given."""
    return f"@stats_list {_program(program_id)}".rstrip()


def delete(region_id: int) -> str:
    return f"@stats_delete {region_id:d}"


def clear(region_id: int) -> str:
    """Counters become 0; what is on its way stays counted."""
    return f"@stats_clear {region_id:d}"


def set_aux(region_id: int, aux_data: str) -> str:
    return f"@stats_set_aux {region_id:d} {escaped(aux_data) or '-'}"


def reading(region_id: int, clearing: bool = False, first: int = 0, count: int = 0) -> str:
    """Answered with a line for each of `count` areas from `first` on, or of all; `clearing` clears what it reads."""
    page = f" {first:d} {count:d}" if count else ""
    return f"@stats_print{'_clear' if clearing else ''} {region_id:d}{page}"
