# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table as a task gives it, in lines as `dmsetup` has them or a dictionary a target, made into the kernel's lines."""

from __future__ import annotations

import typing as t

from ..errors import DmValueError
from . import grammar
from .equality import Line
from .registry import TARGETS

ABOUT = ("start", "length", "type", "args")


def parse_table(items: t.Sequence[t.Any], where: str = "table") -> list[Line]:
    """The lines of a table, without gaps from sector 0 on. Raises DmValueError with the place in the task."""
    lines: list[Line] = []
    for number, item in enumerate(items):
        after = lines[-1][0] + lines[-1][1] if lines else 0
        try:
            line = _typed(item, after) if isinstance(item, dict) else _text(str(item))
        except DmValueError as error:
            raise DmValueError(f"{where}[{number}]: {error}") from None
        if line[0] != after:
            raise DmValueError(f"{where}[{number}]: begins at sector {line[0]}, and the line before ends at {after}")
        lines.append(line)
    if not lines:
        raise DmValueError(f"{where}: a table has at least one line")
    return lines


def _text(text: str) -> Line:
    """`start length type arguments`, as `dmsetup table` shows it; a comment or a second line is no line."""
    words = text.strip().split(None, 3)
    if len(words) < 3 or "\n" in text.strip():
        raise DmValueError("a line is: start length type arguments")
    start, length = (grammar.number(word, what) for word, what in zip(words, ("the start", "the length")))
    return _checked(start, length, words[2], words[3] if len(words) > 3 else "")


def _typed(item: t.Mapping[str, t.Any], after: int) -> Line:
    kind = item.get("type")
    if not isinstance(kind, str):
        raise DmValueError("a target needs a type, such as linear")
    start = _number(item.get("start", after), "start")
    length = _number(item.get("length"), "length")
    values = {name: value for name, value in item.items() if name not in ABOUT and value is not None}
    if item.get("args") is not None:
        if values:
            raise DmValueError(f"args is the whole of the arguments, so {sorted(values)[0]} is too much")
        return _checked(start, length, kind, str(item["args"]))
    fields = TARGETS.get(kind)
    if fields is None:
        if values:
            raise DmValueError(f"the arguments of target type {kind} are not known here: give them as args")
        return _checked(start, length, kind, "")
    return _checked(start, length, kind, grammar.join(grammar.render(fields, values)))


def _number(value: t.Any, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise DmValueError(f"{what} is a number of sectors, not {value!r}")
    return grammar.number(str(value), what)


def _checked(start: int, length: int, kind: str, params: str) -> Line:
    if length <= 0:
        raise DmValueError("a target has at least one sector")
    return start, length, kind, params.strip()
