# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The functions of JMESPath, with the types of their arguments."""

from __future__ import annotations

import json
import math
import typing as t

from .words import WrongQuery

Value = t.Any
Function = t.Callable[[Value], Value]


class Reference(t.NamedTuple):
    """`&expression`, an argument of map, sort_by, max_by and min_by."""

    function: Function


def type_of(value: Value) -> str:
    """As the function `type` calls it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    for kinds, name in (((int, float), "number"), (str, "string"), (list, "array"), (dict, "object")):
        if isinstance(value, kinds):
            return name
    return "expression" if isinstance(value, Reference) else type(value).__name__


def call(name: str, arguments: t.Sequence[Value]) -> Value:
    """Raises WrongQuery for a function that there is not, and for arguments that it does not take."""
    if name not in FUNCTIONS:
        raise WrongQuery(f"there is no function {name}()")
    function, kinds = FUNCTIONS[name]
    if kinds[-1] == "...":
        wanted = [kinds[0]] * max(1, len(arguments))
    else:
        wanted = list(kinds)
    if len(arguments) != len(wanted):
        raise WrongQuery(f"{name}() takes {len(wanted)} argument(s), not {len(arguments)}")
    for number, (argument, kind) in enumerate(zip(arguments, wanted), 1):
        if not _fits(argument, kind):
            raise WrongQuery(f"{name}(): argument {number} has to be {kind}, and is {_described(argument)}")
    return function(*arguments)


def _fits(value: Value, kinds: str) -> bool:
    for kind in kinds.split("|"):
        if kind == "any" and not isinstance(value, Reference):
            return True
        if kind.startswith("array of "):
            if isinstance(value, list) and {type_of(one) for one in value} <= {kind[9:]}:
                return True
        elif type_of(value) == kind:
            return True
    return False


def _described(value: Value) -> str:
    kinds = sorted({type_of(one) for one in value}) if isinstance(value, list) else []
    return f"array of {', '.join(kinds)}" if kinds else type_of(value)


def _contains(where: Value, what: Value) -> bool:
    if isinstance(where, str):
        return isinstance(what, str) and what in where
    return any(equal(one, what) for one in where)


def equal(left: Value, right: Value) -> bool:
    """As JSON: true is not 1."""
    if type_of(left) != type_of(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(map(equal, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
    return bool(left == right)


def _to_number(value: Value) -> Value:
    if type_of(value) == "number":
        return value
    if not isinstance(value, str):
        return None
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return None


def _keys(function: Reference, values: t.Sequence[Value], name: str) -> list[Value]:
    found = [function.function(value) for value in values]
    kinds = {type_of(key) for key in found}
    if kinds - {"number"} and kinds - {"string"}:
        raise WrongQuery(f"{name}(): the expression gives {', '.join(sorted(kinds))}, neither all numbers nor strings")
    return found


def _sort_by(values: list[Value], function: Reference) -> list[Value]:
    keys = _keys(function, values, "sort_by")
    return [values[at] for at in sorted(range(len(values)), key=lambda at: keys[at])]


def _extreme_by(name: str, choose: t.Callable[..., int]) -> t.Callable[..., Value]:
    def extreme(values: list[Value], function: Reference) -> Value:
        keys = _keys(function, values, name)
        return values[choose(range(len(values)), key=lambda at: keys[at])] if values else None

    return extreme


def _merge(*objects: dict[str, Value]) -> dict[str, Value]:
    return {key: value for one in objects for key, value in one.items()}


SORTABLE = "array of number|array of string"
# name -> function, types of its arguments; "...": as many of the first type as there are
FUNCTIONS: dict[str, tuple[t.Callable[..., Value], tuple[str, ...]]] = {
    "abs": (abs, ("number",)),
    "avg": (lambda values: sum(values) / len(values) if values else None, ("array of number",)),
    "ceil": (math.ceil, ("number",)),
    "contains": (_contains, ("array|string", "any")),
    "ends_with": (lambda text, end: text.endswith(end), ("string", "string")),
    "floor": (math.floor, ("number",)),
    "join": (lambda glue, texts: glue.join(texts), ("string", "array of string")),
    "keys": (list, ("object",)),
    "length": (len, ("string|array|object",)),
    "map": (lambda function, values: [function.function(one) for one in values], ("expression", "array")),
    "max": (lambda values: max(values) if values else None, (SORTABLE,)),
    "max_by": (_extreme_by("max_by", max), ("array", "expression")),
    "merge": (_merge, ("object", "...")),
    "min": (lambda values: min(values) if values else None, (SORTABLE,)),
    "min_by": (_extreme_by("min_by", min), ("array", "expression")),
    "not_null": (lambda *values: next((one for one in values if one is not None), None), ("any", "...")),
    "reverse": (lambda value: value[::-1], ("array|string",)),
    "sort": (sorted, (SORTABLE,)),
    "sort_by": (_sort_by, ("array", "expression")),
    "starts_with": (lambda text, start: text.startswith(start), ("string", "string")),
    "sum": (sum, ("array of number",)),
    "to_array": (lambda value: value if isinstance(value, list) else [value], ("any",)),
    "to_number": (_to_number, ("any",)),
    "to_string": (
        lambda value: value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False),
        ("any",),
    ),
    "type": (type_of, ("any",)),
    "values": (lambda value: list(value.values()), ("object",)),
}
