# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of a prefix: what is about to be done, and that it is done, on the disk before anything else happens.

How a record is written is in records.py, what records mean in standing.py.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import tempfile
import threading
import typing as t
from contextlib import contextmanager

from . import files
from .errors import JournalDamaged, LockTimeout
from .records import LARGEST, pack, unpack
from .standing import Record, Standing, records_of, replay

LONG = 500  # records, after which the end of an action is the time to shorten them
FULL = (errno.ENOSPC, errno.EDQUOT)


class Journal:
    """The file `path`, made where it is not there; one process at a time has it, and any of its threads writes.

    `all_goes`: for who removes everything, also on a full disk, where nothing more is recorded then: what is removed
    once more does no harm. Raises LockTimeout where another has it, JournalDamaged, OSError.
    """

    def __init__(self, path: str, all_goes: bool = False) -> None:
        self.path = path
        self._all_goes, self._silent = all_goes, False
        self._writing = threading.Lock()
        self._file = _open(path)
        try:
            self.records = self._read()
            self.standing = self._replayed()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        os.close(self._file)

    def begin(self, action: str, **arguments: t.Any) -> None:
        self._append("begun", action=action, arguments=arguments)

    def end(self, outcome: str = "done", error: str = "") -> None:
        """Of the action: `done`, `undone` (it failed, and all is as before) or `failed`."""
        self._append("ended", outcome=outcome, error=error)
        if len(self.records) > LONG:
            self._shorten()

    @contextmanager
    def making(self, thing: str, name: str, **detail: t.Any) -> t.Iterator[dict[str, t.Any]]:
        """Around what makes it. What is put into the dictionary is known of it later, beside `detail`.

        Where the block fails, it stays half made until it is removed.
        """
        self._append("making", thing=thing, name=name, detail=detail)
        more: dict[str, t.Any] = {}
        yield more
        self._append("made", thing=thing, name=name, detail=more)

    @contextmanager
    def changing(self, thing: str, name: str, **detail: t.Any) -> t.Iterator[None]:
        """Around what makes of a thing that is made another one, in its place, and can be done again after a kill."""
        self._append("changing", thing=thing, name=name, detail=detail)
        yield
        self._append("made", thing=thing, name=name, detail={})

    @contextmanager
    def removing(self, thing: str, name: str) -> t.Iterator[None]:
        """Around what removes it, which may be gone already."""
        self._append("removing", thing=thing, name=name)
        yield
        self._append("removed", thing=thing, name=name)

    def has(self, thing: str, name: str) -> bool:
        """Whether it is made, and not half."""
        known = self.standing.things.get((thing, name))
        return known is not None and known.state == "made"

    def _append(self, kind: str, **fields: t.Any) -> None:
        """Refuses what does not follow from the records before, so that a journal can always be read."""
        record = Record(kind, json.loads(json.dumps(fields)))
        with self._writing:
            standing = replay([*records_of(self.standing), record])
            if not self._silent:
                self._add(pack(len(self.records), record))
            self.records.append(record)
            self.standing = standing

    def _add(self, line: bytes) -> None:
        """Whole or not at all: on a full disk a torn one would spoil the next."""
        size = os.fstat(self._file).st_size
        try:
            with files.named(self.path):
                _write(self._file, line)
        except OSError as error:
            os.ftruncate(self._file, size)
            self._silent = self._all_goes and error.errno in FULL
            if not self._silent:
                raise

    def _read(self) -> list[Record]:
        """The whole records; a torn one is cut off, which would spoil those that are added."""
        size = os.fstat(self._file).st_size
        if size > LARGEST:
            raise JournalDamaged(f"{self.path}: a journal of {size} bytes is not read")
        try:
            records, whole = unpack(_whole(self._file, size))
        except JournalDamaged as error:
            raise JournalDamaged(f"{self.path}: {error}") from None
        if whole < size:
            os.ftruncate(self._file, whole)
        return records

    def _replayed(self) -> Standing:
        try:
            return replay(self.records)
        except JournalDamaged as error:
            raise JournalDamaged(f"{self.path}: {error}") from None

    def _shorten(self) -> None:
        """Puts a file with the same meaning in the place of this one, and locked before others can see it."""
        records = records_of(self.standing)
        folder = os.path.dirname(self.path) or "."
        file, beside = tempfile.mkstemp(prefix=files.BESIDE, dir=folder)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.fcntl(file, fcntl.F_SETFL, os.O_APPEND)
            _write(file, b"".join(pack(number, record) for number, record in enumerate(records)))
            os.rename(beside, self.path)
        except BaseException:
            os.close(file)
            os.unlink(beside)
            raise
        os.close(self._file)
        self._file, self.records = file, records
        files.sync_folder(folder)


def _open(path: str) -> int:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise JournalDamaged(f"{path} is no file that we alone can write")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(found, os.stat(path)):  # it has just been shortened by who had it
            raise BlockingIOError
        files.sync_folder(os.path.dirname(path) or ".")
    except BaseException as error:
        os.close(file)
        if isinstance(error, BlockingIOError):
            raise LockTimeout(f"{path}: another process works on this prefix") from None
        raise
    return file


def _write(file: int, line: bytes) -> None:
    while line:
        line = line[os.write(file, line) :]
    os.fsync(file)


def _whole(file: int, size: int) -> bytes:
    parts = []
    at = 0
    while at < size:
        part = os.pread(file, size - at, at)
        if not part:
            break
        parts.append(part)
        at += len(part)
    return b"".join(parts)
