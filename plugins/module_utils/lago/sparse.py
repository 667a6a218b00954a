# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files with holes as members of a tar, which has only their data: the sparse format 1.0 of GNU tar (its manual, D.2).

Before the data lies a map of where it belongs, in decimal numbers, a line each, filled up to a block: how many parts
there are, then offset and length of each. Python's tarfile reads such members, as streams too, and writes none.
"""

from __future__ import annotations

import errno
import io
import os
import tarfile
import typing as t

from .templates.digests import CHUNK, Digests

ZEROS = bytes(CHUNK)

Part = t.Tuple[int, int]  # of a file that has data: offset and length


def parts(file: t.BinaryIO, size: int) -> list[Part]:
    """Where so many bytes of a file have data, all if no holes are known of; one at the end is told as (size, 0)."""
    found: list[Part] = []
    at = 0
    while at < size:
        start = _data_from(file.fileno(), at)
        if start is None or start >= size:
            return [*found, (size, 0)]
        at = min(os.lseek(file.fileno(), start, os.SEEK_HOLE), size)
        found.append((start, at - start))
    return found


def _data_from(number: int, at: int) -> int | None:
    try:
        return os.lseek(number, at, os.SEEK_DATA)
    except OSError as error:
        if error.errno != errno.ENXIO:  # there is no more data
            raise
        return None


def read(file: t.BinaryIO, found: t.Sequence[Part], digests: Digests) -> t.Iterator[bytes]:
    """The data of these parts; `digests` are those of the whole file, whose holes are not read."""
    at = 0
    for offset, length in found:
        for size in _pieces(offset - at):
            digests.update(ZEROS[:size])
        file.seek(offset)
        for size in _pieces(length):
            data = file.read(size)
            digests.update(data)
            yield data
        at = offset + length


def _pieces(length: int) -> t.Iterator[int]:
    for at in range(0, length, CHUNK):
        yield min(CHUNK, length - at)


def add(archive: tarfile.TarFile, member: tarfile.TarInfo, file: t.BinaryIO, digests: Digests) -> None:
    """A file as a member, whose size is the file's; with a map only where that is shorter. Raises OSError."""
    found = parts(file, member.size)
    table = _map(found)
    stored = len(table) + sum(length for _offset, length in found)
    if stored < member.size:
        _announce(archive, member)
        member.name, member.size = f"GNUSparseFile.0/{os.path.basename(member.name)[:80]}", stored
    else:
        found, table = [(0, member.size)], b""
    content = _after(table, read(file, found, digests))
    archive.addfile(member, t.cast(t.IO[bytes], io.BufferedReader(_Stream(content), CHUNK)))
    for _unused in content:  # there is no more but a hole, which counts too
        pass


def _map(found: t.Sequence[Part]) -> bytes:
    lines = [len(found), *(number for part in found for number in part)]
    text = b"".join(b"%d\n" % line for line in lines)
    return text + bytes(-len(text) % tarfile.BLOCKSIZE)


def _announce(archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
    """The extended header (POSIX pax) of the member that follows: what it is, and its name and size in truth."""
    said = {"major": "1", "minor": "0", "name": member.name, "realsize": str(member.size)}
    records = b"".join(_record(f"GNU.sparse.{key}={value}\n".encode()) for key, value in said.items())
    header = tarfile.TarInfo("././@PaxHeader")
    header.type, header.size = tarfile.XHDTYPE, len(records)
    archive.addfile(header, io.BytesIO(records))


def _record(text: bytes) -> bytes:
    """With its own length before it, which counts too."""
    length = len(text) + 2
    while length != len(str(length)) + 1 + len(text):
        length = len(str(length)) + 1 + len(text)
    return b"%d %s" % (length, text)


def _after(first: bytes, more: t.Iterable[bytes]) -> t.Iterator[bytes]:
    yield first
    yield from more


class _Stream(io.RawIOBase):
    """Pieces, one after the other, as a file."""

    def __init__(self, pieces: t.Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int:
        if not self._rest:
            self._rest = memoryview(next(filter(None, self._pieces), b""))
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
