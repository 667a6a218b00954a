# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IP prefixes in text: `10.0.0.1/24`, `fd00::1/64`, or an address alone."""

from __future__ import annotations

import socket
import typing as t

from .numbers import AF_INET, AF_INET6

BITS = {AF_INET: 32, AF_INET6: 128}


class Prefix(t.NamedTuple):
    """An address with the length of its network part; the host part is kept."""

    family: int  # AF_INET or AF_INET6
    raw: bytes  # 4 or 16 bytes
    length: int  # bits

    @property
    def address(self) -> str:
        return socket.inet_ntop(self.family, self.raw)

    def __str__(self) -> str:
        return f"{self.address}/{self.length}"


LENGTHS = {str(bits): bits for bits in range(129)}


def split(text: str, length: int | None = None) -> tuple[int, bytes, int]:
    """What `parse` makes a `Prefix` of."""
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is not an address")
    address, slash, bits = text.partition("/")
    family = AF_INET6 if ":" in address else AF_INET
    try:
        raw = socket.inet_pton(family, address)
    except (OSError, ValueError):
        raise ValueError(f"{text!r} is not an IP address with or without prefix length") from None
    most = BITS[family]
    if slash:
        length = LENGTHS.get(bits)
    elif length is None:
        length = most
    if length is None or not 0 <= length <= most:
        said = bits if slash else length
        raise ValueError(f"{text!r}: the prefix length has to be 0 to {most}, not {said!r}")
    return family, raw, length


def parse(text: str, length: int | None = None) -> Prefix:
    """The prefix that `text` spells.

    `length` is its length where the text has none (default: the whole address). Raises ValueError
    saying what is wrong with it.
    """
    return Prefix(*split(text, length))
