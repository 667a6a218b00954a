# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the values of an init file are read: one row a key, with a reader that knows what the key takes.

Lago's users wrote JSON and YAML by hand, and playbooks make text of numbers: where only one thing can be meant
(`"2048"` for memory, `123456` for a password), it is taken.
"""

from __future__ import annotations

import re
import typing as t

from ..errors import InitFileError

Read = t.Callable[[str, t.Any], t.Any]  # place, value -> typed value; raises InitFileError
NEEDED: t.Any = object()  # the default of a key that has to be there

TRUE, FALSE = ("yes", "true", "on", "1"), ("no", "false", "off", "0")
UNITS = {"": 0, "B": 0, "K": 10, "M": 20, "G": 30, "T": 40, "P": 50}  # qemu-img's: powers of two
SIZE = re.compile(r"^(\d+(?:\.\d+)?)\s*([bBkKmMgGtTpP]?)(?:i?[bB])?$")


class Field(t.NamedTuple):
    """A key of a dictionary; `default` also where the value is null. `attribute`: its name, where not the key's."""

    key: str
    read: Read
    default: t.Any = NEEDED
    attribute: str = ""


def read_fields(place: str, given: t.Any, fields: t.Sequence[Field], unknown: list[str]) -> dict[str, t.Any]:
    """Values by attribute. What no field is for is added to `unknown`, a sentence each. Raises InitFileError."""
    found = mapping(place, given)
    values = {}
    for field in fields:
        value = found.get(field.key)
        if value is not None:
            value = field.read(at(place, field.key), value)
        elif field.default is NEEDED:
            raise InitFileError(place, f"{field.key} is missing")
        else:
            value = field.default
        values[field.attribute or field.key.replace("-", "_")] = value
    known = [field.key for field in fields]
    unknown += [_unknown(at(place, key), key, known) for key in found if key not in known]
    return values


def at(place: str, key: object) -> str:
    return f"{place}.{key}" if place else str(key)


def _unknown(place: str, key: str, known: t.Sequence[str]) -> str:
    import difflib

    near = difflib.get_close_matches(key, known, 1)
    return f"{place}: is not a key that is known here" + (f"; is {near[0]} meant?" if near else "")


def mapping(place: str, value: t.Any) -> dict[str, t.Any]:
    if not isinstance(value, t.Mapping):
        raise InitFileError(place, f"has to be a dictionary, not {_kind(value)}")
    for key in value:
        if not isinstance(key, str):
            raise InitFileError(place, f"the key {key!r} has to be text")
    return dict(value)


def sequence(place: str, value: t.Any) -> list[t.Any]:
    if not isinstance(value, (list, tuple)):
        raise InitFileError(place, f"has to be a list, not {_kind(value)}")
    return list(value)


def _kind(value: t.Any) -> str:
    if isinstance(value, t.Mapping):
        return "a dictionary"
    return "a list" if isinstance(value, (list, tuple)) else repr(value)


def text(place: str, value: t.Any) -> str:
    """Text, also of a number."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise InitFileError(place, f"has to be text, not {_kind(value)}")
    return str(value)


def line(place: str, value: t.Any) -> str:
    """Text of one line that is not empty."""
    found = text(place, value)
    if not found or any(ord(one) < 0x20 or ord(one) == 0x7F for one in found):
        raise InitFileError(place, "has to be one line of text, and not empty")
    return found


def boolean(place: str, value: t.Any) -> bool:
    said = str(value).lower()
    if said not in TRUE + FALSE:
        raise InitFileError(place, f"has to be true or false, not {_kind(value)}")
    return said in TRUE


def integer(lowest: int, highest: int) -> Read:
    """A reader of whole numbers in a range, also written as text."""

    def read(place: str, value: t.Any) -> int:
        if isinstance(value, str) and re.match(r"^\s*-?\d{1,18}\s*$", value, re.ASCII):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            raise InitFileError(place, f"has to be a whole number of {lowest} to {highest}, not {_kind(value)}")
        return value

    return read


def choice(*names: str) -> Read:
    def read(place: str, value: t.Any) -> str:
        if value not in names:
            raise InitFileError(place, f"has to be one of {', '.join(names)}, not {_kind(value)}")
        return str(value)

    return read


def each(read_one: Read) -> Read:
    """A reader of lists; one item that is no list is a list of one. Gives a tuple."""

    def read(place: str, value: t.Any) -> tuple[t.Any, ...]:
        items = sequence(place, value) if isinstance(value, (list, tuple, t.Mapping)) else [value]
        return tuple(read_one(f"{place}[{number}]", item) for number, item in enumerate(items))

    return read


def values_of(read_one: Read) -> Read:
    """A reader of dictionaries with any keys."""

    def read(place: str, value: t.Any) -> dict[str, t.Any]:
        return {key: read_one(at(place, key), one) for key, one in mapping(place, value).items()}

    return read


def size(place: str, value: t.Any) -> int:
    """Bytes of a size as qemu-img takes it (`10G`, `512M`, a number of bytes), rounded up to whole sectors."""
    found = SIZE.match(str(value)) if isinstance(value, (str, int)) and not isinstance(value, bool) else None
    count = int(float(found.group(1)) * (1 << UNITS[found.group(2).upper()])) if found else 0
    if not found or not 0 < count < 1 << 63:
        raise InitFileError(place, f"has to be a size such as 10G, not {_kind(value)}")
    return -(-count // 512) * 512


def anything(_place: str, value: t.Any) -> t.Any:
    """What is the user's own."""
    return value
