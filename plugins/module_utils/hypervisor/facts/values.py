# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values out of libvirt's documents: typed, in one unit, None where the document says nothing."""

from __future__ import annotations

import typing as t
from xml.etree.ElementTree import Element

# docs/schemas/basictypes.rng: "unit"
UNITS = {
    "b": 1, "byte": 1, "bytes": 1,
    "KB": 10**3, "k": 2**10, "KiB": 2**10,
    "MB": 10**6, "M": 2**20, "MiB": 2**20,
    "GB": 10**9, "G": 2**30, "GiB": 2**30,
    "TB": 10**12, "T": 2**40, "TiB": 2**40,
    "PB": 10**15, "P": 2**50, "PiB": 2**50,
    "EB": 10**18, "E": 2**60, "EiB": 2**60,
}  # fmt: skip

LONGEST_NUMBER = 22  # characters


def text(element: Element | None, path: str = ".") -> str | None:
    """The text of what is at `path`, without blanks around it."""
    found = None if element is None else element.find(path)
    return ((found.text or "").strip() or None) if found is not None else None


def whole(said: str | None) -> int | None:
    """An int from decimal or 0x text that fits 64 bits or little more."""
    if said is None or len(said) > LONGEST_NUMBER:
        return None
    try:
        return int(said, 16 if said.startswith("0x") else 10)
    except ValueError:
        return None


def integer(element: Element | None, path: str = ".", attribute: str = "") -> int | None:
    return whole(attr(element, path, attribute) if attribute else text(element, path))


def attr(element: Element | None, path: str, attribute: str) -> str | None:
    found = None if element is None else element.find(path)
    return None if found is None else found.get(attribute)


def size(element: Element | None, path: str = ".", default: str = "KiB", attribute: str = "") -> int | None:
    """Bytes of an element whose attribute `unit` says in what its number is."""
    found = None if element is None else element.find(path)
    if found is None:
        return None
    number = whole(found.get(attribute) if attribute else text(found))
    scale = UNITS.get(found.get("unit", default))
    return number * scale if number is not None and scale else None


def kib(element: Element | None, path: str = ".", default: str = "KiB", attribute: str = "") -> int | None:
    found = size(element, path, default, attribute)
    return None if found is None else found >> 10


def ranges(numbers: t.Iterable[int]) -> str:
    """A set of numbers as the kernel writes lists of CPUs: `0-3,8`."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def version(number: int) -> str:
    """libvirt's major * 1000000 + minor * 1000 + release."""
    return f"{number // 1000000}.{number // 1000 % 1000}.{number % 1000}"


def known(**values: t.Any) -> dict[str, t.Any]:
    """Without the values that are not known."""
    return {name: value for name, value in values.items() if value is not None}
