# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of one transaction: records are added and reach the disk before what they speak of is done."""

from __future__ import annotations

import os
import stat
import typing as t

from .records import JournalDamaged, Record, pack, unpack

LARGEST = 1 << 30  # bytes; the network of a host with a million routes takes a third of it


class Journal:
    """Opened by `create` or `open`. Raises JournalDamaged and OSError. What was read, or written, is not read again."""

    def __init__(self, path: str, file: int, records: list[Record]) -> None:
        self.path, self._file = path, file
        self.records = records
        self._whole = 0  # bytes that hold `records`

    @classmethod
    def create(cls, path: str) -> Journal:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        journal = cls(path, os.open(path, flags, 0o600), [])
        sync_folder(os.path.dirname(path))
        return journal

    @classmethod
    def open(cls, path: str) -> Journal:
        journal = cls(path, os.open(path, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC), [])
        try:
            journal.read()
        except BaseException:
            journal.close()
            raise
        return journal

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        os.close(self._file)

    def read(self) -> int:
        """Reads what others have added meanwhile; the size of the whole records in bytes."""
        check_own(os.fstat(self._file), self.path, stat.S_ISREG)
        size = os.fstat(self._file).st_size
        if size > LARGEST:
            raise JournalDamaged(f"{self.path}: a journal of {size} bytes is not read")
        if size < self._whole:
            raise JournalDamaged(f"{self.path}: {self._whole - size} bytes of its records are gone")
        try:
            more, read = unpack(_read(self._file, self._whole, size), len(self.records))
        except JournalDamaged as error:
            raise JournalDamaged(f"{self.path}: {error}") from None
        self.records += more
        self._whole += read
        return self._whole

    def append(self, kind: str, **fields: t.Any) -> None:
        """Adds a record, behind the whole ones; it is on the disk when this returns. One writer at a time."""
        record = Record(kind, fields)
        line = memoryview(pack(len(self.records), record))
        written = 0
        while written < len(line):
            written += os.write(self._file, line[written:])
        os.fsync(self._file)
        self.records.append(record)
        self._whole += written

    def mend(self) -> None:
        """Cuts off a torn record, which would spoil those that are added. Only for who holds the lock."""
        os.ftruncate(self._file, self.read())


def _read(file: int, at: int, size: int) -> bytes:
    parts = []
    while at < size:
        part = os.pread(file, size - at, at)
        if not part:
            break
        parts.append(part)
        at += len(part)
    return b"".join(parts)


def check_own(found: os.stat_result, path: str, kind: t.Callable[[int], bool]) -> None:
    """That nobody but us can have written there. Raises JournalDamaged."""
    if not kind(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise JournalDamaged(f"{path}: is not ours alone (owner {found.st_uid}, mode {stat.filemode(found.st_mode)})")


def sync_folder(path: str) -> None:
    """Makes that a name was added to a folder, or taken away, as durable as the file."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
