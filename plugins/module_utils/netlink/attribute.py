# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Netlink attributes: a codec a type, a table a family (linux/netlink.h: struct nlattr).

An attribute is `u16 length, u16 type, payload`, padded to 4 bytes; the length counts the header. The two top bits of
the type say "holds attributes" and "in network byte order"; decoding ignores them, encoding sets the first.

A `Codec` turns `data[start:end]` into a plain value and a value back into bytes. A `Table` is built from one row an
attribute, `(number, name, codec)`, and is the whole knowledge about a family of attributes: decoding, encoding,
validation and the naming of what the kernel complains of all come from it. Attributes that a table does not know are
skipped, so that a newer kernel's additions do no harm.
"""

from __future__ import annotations

import re
import socket
import struct
import typing as t

from .errors import NetlinkDecodeError, NetlinkEncodeError
from .layout import Field, Layout

HEADER = struct.Struct("=HH")
NLA_F_NESTED = 0x8000
NLA_TYPE_MASK = 0x3FFF

LAYOUTS = 256  # a table remembers of so many sizes and beginnings of a block
ALTERNATIVES = 4  # and of each so many: names of 4 and of 5 letters are padded to one size

Decode = t.Callable[[bytes, int, int], t.Any]
Encode = t.Callable[[t.Any], bytes]

# Decoders that only unpack a number in the host's byte order, with its letter in the struct module.
SHAPES: dict[Decode, str] = {}


class Codec(t.NamedTuple):
    """`decode(data, start, end)` raises NetlinkDecodeError; `encode(value)` raises ValueError saying what it takes."""

    decode: Decode
    encode: Encode
    table: Table | None = None  # of what lies inside, where attributes do


class Row(t.NamedTuple):
    number: int
    name: str
    codec: Codec


class Table:
    """The attributes of one family, by number (to decode) and by name (to encode)."""

    __slots__ = ("_known", "_layouts", "rows")

    def __init__(self, *rows: tuple[int, str, Codec]) -> None:
        self.rows = {name: Row(number, name, codec) for number, name, codec in rows}
        self._known = {number: (name, codec.decode, SHAPES.get(codec.decode, "")) for number, name, codec in rows}
        self._layouts: dict[tuple[int, bytes], list[Layout]] = {}  # by a block's size and its first header

    def __contains__(self, name: object) -> bool:
        return name in self.rows

    def name_of(self, number: int) -> str:
        row = self._known.get(number & NLA_TYPE_MASK)
        return row[0] if row else f"#{number & NLA_TYPE_MASK}"

    def decode(self, data: bytes, start: int, end: int) -> dict[str, t.Any]:
        """Values by name, of the attributes in `data[start:end]` that this table knows."""
        for layout in self._layouts.get((end - start, data[start : start + 4]), ()):
            found = layout.decode(data, start, end)
            if found is not None:
                return found
        return self._walk(data, start, end)

    def _walk(self, data: bytes, start: int, end: int) -> dict[str, t.Any]:
        """Decodes from attribute to attribute, and remembers how such a block is laid out."""
        out: dict[str, t.Any] = {}
        starts: list[int] = []
        fields: list[Field] = []
        at = start
        while end - at >= 4:
            length, number = HEADER.unpack_from(data, at)
            stop = at + length
            if length < 4 or stop > end:
                raise NetlinkDecodeError(f"attribute {number} of {length} bytes at offset {at}, {end - at} left")
            starts.append(at - start)
            row = self._known.get(number & NLA_TYPE_MASK)
            if row:
                name, decode, shape = row
                out[name] = decode(data, at + 4, stop)
                fields.append(Field(name, decode, shape, at + 4 - start, stop - start))
            at = (stop + 3) & ~3
        self._remember(data[start:end], starts, fields)
        return out

    def _remember(self, block: bytes, starts: t.Sequence[int], fields: t.Sequence[Field]) -> None:
        """The newest comes first: a dump is sorted, and blocks that are laid out alike follow each other."""
        alike = (len(block), block[:4])
        if alike not in self._layouts and len(self._layouts) < LAYOUTS:
            self._layouts[alike] = []
        known = self._layouts.get(alike)
        if known is not None and len(known) < ALTERNATIVES:
            known.insert(0, Layout(block, starts, fields))

    def encode(self, values: t.Mapping[str, t.Any]) -> bytes:
        """Attributes for `values`, in their order; None leaves one out. Raises NetlinkEncodeError."""
        return b"".join([self.encode_one(name, value) for name, value in values.items() if value is not None])

    def encode_one(self, name: str, value: t.Any) -> bytes:
        row = self.rows.get(name)
        if row is None:
            raise NetlinkEncodeError(name, f"unknown; known are {', '.join(sorted(self.rows))}")
        try:
            payload = row.codec.encode(value)
        except NetlinkEncodeError as error:
            raise error.inside(name) from None
        except ValueError as error:
            raise NetlinkEncodeError(name, f"{error}, not {value!r}") from None
        except (TypeError, LookupError, AttributeError, ArithmeticError, struct.error, OSError):
            raise NetlinkEncodeError(name, f"cannot hold {value!r}") from None
        return attribute(row.number | (NLA_F_NESTED if row.codec.table else 0), payload)


def attribute(number: int, payload: bytes) -> bytes:
    """One attribute as the kernel reads it, padding included."""
    if len(payload) > 0xFFFB:
        raise NetlinkEncodeError(f"#{number & NLA_TYPE_MASK}", f"at most 65531 bytes, not {len(payload)}")
    return HEADER.pack(len(payload) + 4, number) + payload + b"\0" * (-len(payload) & 3)


def walk(data: bytes, start: int, end: int) -> t.Iterator[tuple[int, int, int]]:
    """`(number, start, end)` of each attribute's payload, without any table."""
    while end - start >= 4:
        length, number = HEADER.unpack_from(data, start)
        if length < 4 or start + length > end:
            raise NetlinkDecodeError(f"attribute {number} of {length} bytes at offset {start}, {end - start} left")
        yield number & NLA_TYPE_MASK, start + 4, start + length
        start = (start + length + 3) & ~3


def find(data: bytes, start: int, end: int, number: int) -> tuple[int, int]:
    """Where the payload of the first attribute of that number lies; `(end, end)` where there is none."""
    while end - start >= 4:
        length, found = HEADER.unpack_from(data, start)
        stop = start + length
        if length < 4 or stop > end:
            raise NetlinkDecodeError(f"attribute {found} of {length} bytes at offset {start}, {end - start} left")
        if found & NLA_TYPE_MASK == number:
            return start + 4, stop
        start = (stop + 3) & ~3
    return end, end


# Codecs of plain values


def integer(value: t.Any) -> int:
    """An int, or one spelled in a string (templates make strings), hexadecimal too."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError("takes an integer")
    try:
        return value if isinstance(value, int) else int(value, 0)
    except ValueError:
        raise ValueError("takes an integer") from None


def scalar(shape: str, low: int | None = None, high: int | None = None) -> Codec:
    """A number of fixed size; `low` and `high` narrow what its size allows."""
    packer = struct.Struct(shape)
    size, unpack = packer.size, packer.unpack_from
    signed = shape[-1].islower()
    bits = size * 8
    floor = low if low is not None else (-(1 << bits - 1) if signed else 0)
    roof = high if high is not None else ((1 << bits - 1) - 1 if signed else (1 << bits) - 1)

    def decode(data: bytes, start: int, end: int) -> int:
        if end - start != size:
            raise NetlinkDecodeError(f"a number of {size} bytes at offset {start} has {end - start}")
        return unpack(data, start)[0]

    def encode(value: t.Any) -> bytes:
        number = integer(value)
        if not floor <= number <= roof:
            raise ValueError(f"takes {floor} to {roof}")
        return packer.pack(number)

    if shape[0] == "=":
        SHAPES[decode] = shape[1:]
    return Codec(decode, encode)


U8, U16, U32, U64 = scalar("=B"), scalar("=H"), scalar("=I"), scalar("=Q")
S8, S16, S32, S64 = scalar("=b"), scalar("=h"), scalar("=i"), scalar("=q")
BE16, BE32 = scalar(">H"), scalar(">I")


def _decode_bytes(data: bytes, start: int, end: int) -> bytes:
    return bytes(data[start:end])


def _encode_bytes(value: t.Any) -> bytes:
    if not isinstance(value, (bytes, bytearray)):  # bytes(5) would be five zeros
        raise ValueError("takes bytes")
    return bytes(value)


BYTES = Codec(_decode_bytes, _encode_bytes)


def _decode_flag(data: bytes, start: int, end: int) -> bool:
    return True


def _encode_flag(value: t.Any) -> bytes:
    if not truth(value):
        raise ValueError("takes true, or is left out (None)")
    return b""


FLAG = Codec(_decode_flag, _encode_flag)  # there or not: no bytes could say "not"


def _decode_string(data: bytes, start: int, end: int) -> str:
    if end > start and data[end - 1] == 0:
        end -= 1
    try:
        return data[start:end].decode()
    except UnicodeDecodeError:
        return data[start:end].decode("utf-8", "backslashreplace")


def string(most: int) -> Codec:
    """Text ended by a NUL; `most` counts bytes without it."""

    def encode(value: t.Any) -> bytes:
        if not isinstance(value, str):
            raise ValueError("takes text")
        raw = value.encode()
        if len(raw) > most or b"\0" in raw:
            raise ValueError(f"takes up to {most} bytes of text without NUL")
        return raw + b"\0"

    return Codec(_decode_string, encode)


STRING = string(65000)

TRUE = frozenset((True, 1, "1", "true", "yes", "on", "y"))
FALSE = frozenset((False, 0, "0", "false", "no", "off", "n"))


def truth(value: t.Any) -> bool:
    """A boolean in any of Ansible's spellings."""
    word = value.lower() if isinstance(value, str) else value
    if not isinstance(word, (bool, int, str)) or word not in TRUE | FALSE:
        raise ValueError("takes true or false")
    return word in TRUE


def boolean(number: Codec = U8) -> Codec:
    """True or false, carried as a number."""
    decode_number = number.decode

    def decode(data: bytes, start: int, end: int) -> bool:
        return bool(decode_number(data, start, end))

    if SHAPES.get(decode_number) == "B":
        SHAPES[decode] = "?"
    return Codec(decode, lambda value: number.encode(int(truth(value))))


BOOL = boolean()


def enum(number: Codec, names: t.Mapping[int, str]) -> Codec:
    """A number with names; one without a name decodes, and encodes, as itself."""
    numbers = {name: value for value, name in names.items()}
    decode = number.decode

    def decode_name(data: bytes, start: int, end: int) -> t.Any:
        value = decode(data, start, end)
        return names.get(value, value)

    def encode(value: t.Any) -> bytes:
        if isinstance(value, str) and value in numbers:
            return number.encode(numbers[value])
        try:
            return number.encode(value)
        except ValueError:
            raise ValueError(f"takes one of {', '.join(map(str, names.values()))}") from None

    return Codec(decode_name, encode)


# Addresses


def _decode_mac(data: bytes, start: int, end: int) -> str:
    return data[start:end].hex(":")


_MAC = re.compile(":".join(["([0-9A-Fa-f]{1,2})"] * 6))


def mac_bytes(value: t.Any) -> bytes:
    """Six bytes of `aa:bb:cc:dd:ee:ff` (also with '-', in any case)."""
    found = _MAC.fullmatch(value.replace("-", ":")) if isinstance(value, str) else None
    if not found:
        raise ValueError("takes six bytes in hexadecimal, like 52:54:00:12:34:56")
    return bytes(int(pair, 16) for pair in found.groups())


MAC = Codec(_decode_mac, mac_bytes)

_NTOP = {4: socket.AF_INET, 16: socket.AF_INET6}


def _decode_ip(data: bytes, start: int, end: int) -> str:
    family = _NTOP.get(end - start)
    if family is None:
        # Addresses of other lengths keep their bytes, without colons: eight of them would read as one of IPv6.
        return data[start:end].hex()
    return socket.inet_ntop(family, data[start:end])


def ip_bytes(value: t.Any) -> bytes:
    """4 or 16 bytes of an IPv4 or IPv6 address."""
    if isinstance(value, str):
        for family in (socket.AF_INET, socket.AF_INET6):
            try:
                return socket.inet_pton(family, value)
            except (OSError, ValueError):
                continue
    raise ValueError("takes an IP address")


def _ip_of(size: int, words: str) -> Codec:
    def decode(data: bytes, start: int, end: int) -> str:
        if end - start != size:
            raise NetlinkDecodeError(f"an {words} address of {end - start} bytes at offset {start}")
        return _decode_ip(data, start, end)

    def encode(value: t.Any) -> bytes:
        raw = ip_bytes(value)
        if len(raw) != size:
            raise ValueError(f"takes an {words} address")
        return raw

    return Codec(decode, encode)


IP = Codec(_decode_ip, ip_bytes)
IPV4 = _ip_of(4, "IPv4")
IPV6 = _ip_of(16, "IPv6")


# Attributes in attributes


def nested(table: Table) -> Codec:
    """A dictionary, by a table of its own."""

    def encode(values: t.Any) -> bytes:
        if not isinstance(values, dict):
            raise ValueError("takes a dictionary")
        return table.encode(values)

    return Codec(table.decode, encode, table)


def listed(number: int, codec: Codec) -> Codec:
    """A list: attributes of one number, each an item."""

    def decode(data: bytes, start: int, end: int) -> list[t.Any]:
        return [codec.decode(data, at, stop) for found, at, stop in walk(data, start, end) if found == number]

    def encode(values: t.Any) -> bytes:
        if not isinstance(values, (list, tuple)):
            raise ValueError("takes a list")
        return b"".join(attribute(number | (NLA_F_NESTED if codec.table else 0), codec.encode(item)) for item in values)

    return Codec(decode, encode, Table((number, "item", codec)))


def path_at(table: Table, data: bytes, start: int, offset: int) -> str:
    """The path of names to the attribute whose header or payload is at `offset` of `data`."""
    names: list[str] = []
    end = len(data)
    while True:
        hit = next((row for row in walk(data, start, end) if row[1] - 4 <= offset < max(row[2], row[1])), None)
        if hit is None:
            return ".".join(names)
        number, start, end = hit
        names.append(table.name_of(number))
        row = table.rows.get(names[-1])
        if row is None or row.codec.table is None or offset < start:
            return ".".join(names)
        table = row.codec.table
