# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small CD image of a few files in one folder, made in memory: what a guest gets to read at its first boot.

ISO 9660 (ECMA-119) with the names as they are twice: by Rock Ridge (SUSP 1.12, RRIP 1.12) for Linux and the BSDs, by
Joliet for Windows and those that know only that. The same files give the same bytes.

    sector  0   16 empty ones: the system area
           16   primary volume descriptor       17   Joliet's       18   the end of descriptors
           19   path tables: primary in little and big endian, Joliet's in both
           23   the folder, primary              24   Joliet's
           25   the files, each from a sector's beginning
"""

from __future__ import annotations

import struct
import typing as t

from .errors import SeedError

SECTOR = 2048
PRIMARY, JOLIET = 16, 17
PATH_TABLES, FOLDER, JOLIET_FOLDER, DATA = 19, 23, 24, 25
LONGEST = 60  # letters of a name, so that all of a file's entry fits into its 255 bytes

# 2020-01-01 00:00:00 UTC, in the two forms: a time that changed would make another image of the same files.
SHORT_TIME = bytes((120, 1, 1, 0, 0, 0, 0))
LONG_TIME = b"2020010100000000\0"
NO_TIME = b"0" * 16 + b"\0"

FOLDER_MODE, FILE_MODE = 0o040555, 0o100400  # what is told to a guest is for its root


class File(t.NamedTuple):
    """`short` is the name that ISO 9660 allows, `sector` where its bytes begin."""

    name: str
    short: str
    sector: int
    data: bytes


def image(label: str, contents: t.Mapping[str, bytes]) -> bytes:
    """An image with these files. Raises SeedError for names or a label that have no place in it."""
    if not 0 < len(label) <= 16 or not label.isascii():
        raise SeedError(f"{label!r} cannot be the label of a CD (1 to 16 letters)")
    found = _placed(contents)
    end = found[-1].sector + _sectors(found[-1].data) if found else DATA
    plain = _folder(FOLDER, [(one.short.encode(), one, _rock_ridge(one)) for one in found], _rock_ridge_root())
    joliet = _folder(JOLIET_FOLDER, [(one.name.encode("utf-16-be"), one, b"") for one in found], b"")
    parts = [
        bytes(16 * SECTOR),
        _descriptor(1, label, FOLDER, PATH_TABLES, end),
        _descriptor(2, label, JOLIET_FOLDER, PATH_TABLES + 2, end),
        _sector(b"\xffCD001\x01"),
        *(_sector(_path_table(order, folder)) for folder in (FOLDER, JOLIET_FOLDER) for order in "<>"),
        plain,
        joliet,
        *(_sector(one.data) for one in found),
    ]
    return b"".join(parts)


def _placed(contents: t.Mapping[str, bytes]) -> list[File]:
    """The files in the order of their short names, which the standard asks for."""
    found = []
    sector = DATA
    for number, (name, data) in enumerate(sorted(contents.items())):
        if not 0 < len(name) <= LONGEST or not name.isascii() or not name.isprintable() or "/" in name:
            raise SeedError(f"{name!r} cannot be the name of a file on a CD")
        found.append(File(name, f"FILE{number:04d}.;1", sector, data))
        sector += _sectors(data)
    return found


def _sectors(data: bytes) -> int:
    return max(1, -(-len(data) // SECTOR))


def _sector(data: bytes) -> bytes:
    return data.ljust(_sectors(data) * SECTOR, b"\0")


def _both(form: str, value: int) -> bytes:
    """A number in both orders, as the standard has most of them."""
    return struct.pack(f"<{form}", value) + struct.pack(f">{form}", value)


def _padded(text: str, size: int) -> bytes:
    return text.encode().ljust(size, b" ")


def _wide(text: str, size: int) -> bytes:
    return text.ljust(size // 2).encode("utf-16-be")


def _descriptor(kind: int, label: str, folder: int, tables: int, end: int) -> bytes:
    """Of a volume (ECMA-119 8.4): `kind` 1 primary, 2 supplementary with the escape sequence of UCS-2 level 3."""
    joliet = kind == 2
    fill = _wide if joliet else _padded
    table = len(_path_table("<", folder))
    return _sector(
        bytes((kind,)) + b"CD001\x01\0"
        + fill("", 32) + fill(label, 32) + bytes(8)
        + _both("I", end) + (b"%/E" if joliet else b"").ljust(32, b"\0")
        + _both("H", 1) + _both("H", 1) + _both("H", SECTOR) + _both("I", table)
        + struct.pack("<II", tables, 0) + struct.pack(">II", tables + 1, 0)
        + _entry(b"\0", folder, SECTOR, True, b"")
        + fill("", 128) + fill("", 128) + fill("", 128) + fill("", 128)
        + fill("", 37)[:37].ljust(37, b"\0") * 3
        + LONG_TIME * 2 + NO_TIME * 2 + b"\x01"
    )  # fmt: skip


def _path_table(order: str, folder: int) -> bytes:
    """The one folder that there is, the root (ECMA-119 9.4)."""
    return struct.pack(f"{order}BBIHBB", 1, 0, folder, 1, 0, 0)


def _folder(sector: int, entries: t.Sequence[tuple[bytes, File, bytes]], more: bytes) -> bytes:
    """`more` is what Rock Ridge says of the folder itself."""
    above = _px(FOLDER_MODE) if more else b""
    data = _entry(b"\0", sector, SECTOR, True, more) + _entry(b"\x01", sector, SECTOR, True, above)
    for name, one, extra in entries:
        data += _entry(name, one.sector, len(one.data), False, extra)
    if len(data) > SECTOR:
        raise SeedError(f"{len(entries)} files do not fit into one folder of a CD")
    return _sector(data)


def _entry(name: bytes, sector: int, size: int, folder: bool, more: bytes) -> bytes:
    """Of a folder (ECMA-119 9.1); its length is even, and so is that of what stands before `more`."""
    head = (
        b"\0" + _both("I", sector) + _both("I", size) + SHORT_TIME
        + bytes((2 if folder else 0, 0, 0)) + _both("H", 1) + bytes((len(name),)) + name
    )  # fmt: skip
    head += b"" if len(head) % 2 else b"\0"
    whole = head + more
    whole += b"" if len(whole) % 2 else b"\0"
    return bytes((len(whole) + 1,)) + whole


def _rock_ridge(one: File) -> bytes:
    name = one.name.encode()
    return _field(b"NM", b"\0" + name) + _px(FILE_MODE)


def _rock_ridge_root() -> bytes:
    """That there is Rock Ridge on the disc (SP), and which (ER)."""
    known = b"RRIP_1991A"
    return _field(b"SP", b"\xbe\xef\0") + _field(b"ER", bytes((len(known), 0, 0, 1)) + known) + _px(FOLDER_MODE)


def _px(mode: int) -> bytes:
    links = 2 if mode == FOLDER_MODE else 1
    return _field(b"PX", b"".join(_both("I", value) for value in (mode, links, 0, 0)))


def _field(kind: bytes, data: bytes) -> bytes:
    return kind + bytes((len(data) + 4, 1)) + data
