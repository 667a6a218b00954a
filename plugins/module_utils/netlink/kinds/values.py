# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Codecs that several kinds share, and tables whose options are not their attributes one to one."""

from __future__ import annotations

import socket
import typing as t

from ..attribute import IPV4, IPV6, U8, Codec, Table, attribute, integer, truth, walk

Dict = t.Dict[str, t.Any]
Rows = t.Sequence[t.Tuple[int, str, Codec]]


def _same(values: t.Mapping[str, t.Any]) -> Dict:
    return dict(values)


class Shaped(Table):
    """A table whose options are not its attributes one to one.

    `rows` are the options, `wire` attributes that are none. What the wire holds is given as options
    by `show`, and options become attributes by `spread`; both take a dictionary that they may keep
    and change.
    """

    __slots__ = ("_show", "_spread", "_wire")

    def __init__(
        self,
        rows: Rows,
        wire: Rows = (),
        show: t.Callable[[Dict], Dict] = _same,
        spread: t.Callable[[Dict], Dict] = _same,
    ) -> None:
        super().__init__(*rows, *wire)
        for _number, name, _codec in wire:
            del self.rows[name]
        self._wire = Table(*rows, *wire)
        self._show, self._spread = show, spread

    def decode(self, data: bytes, start: int, end: int) -> Dict:
        return self._show(super().decode(data, start, end))

    def encode(self, values: t.Mapping[str, t.Any]) -> bytes:
        given = {name: value for name, value in values.items() if value is not None}
        try:
            wire = self._without_absent(self._spread(dict(given)))
        except (ValueError, TypeError, LookupError):
            for name, value in given.items():
                self.encode_one(name, value)  # tells which one it is
            raise
        return self._wire.encode(wire)

    def _without_absent(self, wire: Dict) -> Dict:
        """What is said by an attribute's presence is left out where it is false."""
        flags = {name for name in wire if name in self.rows and self.rows[name].codec is PRESENCE}
        return {name: value for name, value in wire.items() if name not in flags or truth(value)}


def _present(data: bytes, start: int, end: int) -> bool:
    return end == start or data[start] != 0


# True where the attribute is there, unless it holds a zero: some are set by a flag, read as a number.
PRESENCE = Codec(_present, lambda value: b"" if truth(value) else b"\0")


def switch(number: Codec = U8, others: t.Tuple[int, ...] = ()) -> Codec:
    """0 or 1, shown as a number as iproute2 does; any spelling of true or false is taken. `others`:
    numbers besides.
    """

    def encode(value: t.Any) -> bytes:
        return number.encode(integer(value) if str(value) in map(str, others) else int(truth(value)))

    return Codec(number.decode, encode)


def on_off(number: Codec = U8) -> Codec:
    """The words on and off; any spelling of true or false is taken."""

    def decode(data: bytes, start: int, end: int) -> str:
        return "on" if number.decode(data, start, end) else "off"

    return Codec(decode, lambda value: number.encode(int(truth(value))))


def hexadecimal(number: Codec, digits: int = 0) -> Codec:
    """A number shown as "0x1f", of at least so many digits; without them 0 is "0", as C's %#x has
    it.
    """

    def decode(data: bytes, start: int, end: int) -> str:
        value = number.decode(data, start, end)
        return f"0x{value:0{digits}x}" if value or digits else "0"

    return Codec(decode, number.encode)


def worded(codec: Codec, **words: int) -> Codec:
    """A number that some words stand for as well ("inherit")."""

    def encode(value: t.Any) -> bytes:
        return codec.encode(words.get(value, value) if isinstance(value, str) else value)

    return Codec(codec.decode, encode)


def _or_any(address: Codec, zero: str) -> Codec:
    """An address; the one of zeros is "any"."""

    def decode(data: bytes, start: int, end: int) -> str:
        return address.decode(data, start, end) if any(data[start:end]) else "any"

    return Codec(decode, lambda value: address.encode(zero if value == "any" else value))


ANY_IPV4, ANY_IPV6 = _or_any(IPV4, "0.0.0.0"), _or_any(IPV6, "::")


def _refuse(_value: t.Any) -> bytes:
    raise ValueError("set by the kernel alone")


def read_only(codec: Codec) -> Codec:
    return Codec(codec.decode, _refuse)


def indexed(codec: Codec, most: int) -> Codec:
    """A list: attributes numbered from 0 on."""

    def decode(data: bytes, start: int, end: int) -> t.List[t.Any]:
        return [codec.decode(data, at, stop) for _unused, at, stop in walk(data, start, end)]

    def encode(values: t.Any) -> bytes:
        items = [values] if isinstance(values, str) else list(values)
        if len(items) > most:
            raise ValueError(f"takes at most {most}")
        return b"".join(attribute(number, codec.encode(item)) for number, item in enumerate(items))

    return Codec(decode, encode, Table())


def is_multicast(address: str) -> bool:
    if ":" in address:
        return address.lower().startswith("ff")
    return 224 <= socket.inet_aton(address)[0] <= 239


def flags_shown(value: int, names: t.Mapping[int, str]) -> t.List[str]:
    """The names of the bits that are set; the rest, if any, as one hexadecimal number."""
    known = [name for bit, name in names.items() if value & bit]
    rest = value & ~sum(names)
    return known + ([f"{rest:x}"] if rest else [])


def specified(address: Codec) -> Codec:
    """An address other than the one of zeros, which the kernel would take for none."""

    def encode(value: t.Any) -> bytes:
        raw = address.encode(value)
        if not any(raw):
            raise ValueError("takes an address other than that of zeros")
        return raw

    return Codec(address.decode, encode)


def by_family(options: t.Mapping[str, t.Any], names: t.Sequence[str]) -> Dict:
    """IPv6 addresses under the names that end in 6: the attributes of the two families differ."""
    return {
        f"{name}6" if name in names and isinstance(value, str) and ":" in value else name: value
        for name, value in options.items()
    }


def whole(current: t.Mapping[str, t.Any], wanted: t.Mapping[str, t.Any]) -> Dict:
    """A change where the kernel takes everything that is left out for zero."""
    return {**current, **wanted}
