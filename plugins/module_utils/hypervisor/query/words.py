# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of a JMESPath expression (the grammar is at jmespath.org/specification.html)."""

from __future__ import annotations

import json
import re
import typing as t


class WrongQuery(Exception):
    """The expression is not JMESPath, or asks a function for what it cannot do."""


class Word(t.NamedTuple):
    kind: str  # name, number, literal, end, or the sign itself
    value: t.Any
    at: int


_WORD = re.compile(
    r"""
    (?P<blank>[ \t\r\n]+)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<quoted>"(?:[^"\\]|\\.)*")
    | (?P<raw>'(?:[^'\\]|\\.)*')
    | (?P<literal>`(?:[^`\\]|\\.)*`)
    | (?P<number>-?[0-9]+)
    | (?P<sign>\|\||&&|==|!=|<=|>=|\[\?|\[\]|[|&<>!\[\]{}().,:*@])
    """,
    re.VERBOSE | re.DOTALL,
)


def words(expression: str) -> list[Word]:
    """All words, and one that marks the end. Raises WrongQuery."""
    found: list[Word] = []
    at = 0
    while at < len(expression):
        match = _WORD.match(expression, at)
        if match is None:
            raise WrongQuery(f"{expression!r}: nothing begins with {expression[at]!r}, at character {at + 1}")
        if match.lastgroup != "blank":
            found.append(_word(expression, str(match.lastgroup), match[0], at))
        at = match.end()
    return [*found, Word("end", "", at)]


def _word(expression: str, kind: str, said: str, at: int) -> Word:
    try:
        if kind == "sign":
            return Word(said, said, at)
        if kind == "number":
            return Word("number", int(said), at)
        if kind == "quoted":
            return Word("quoted", json.loads(said), at)
        if kind == "raw":
            return Word("literal", said[1:-1].replace("\\'", "'"), at)
        if kind == "literal":
            return Word("literal", json.loads(said[1:-1].replace("\\`", "`")), at)
    except ValueError as error:
        raise WrongQuery(f"{expression!r}: {said} is no JSON, at character {at + 1}: {error}") from error
    return Word("name", said, at)
