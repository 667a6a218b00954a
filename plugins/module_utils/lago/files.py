# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are whole or not there at all, also after a crash, and locks that end with the process that holds them."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
import time
import typing as t
from contextlib import contextmanager

from .errors import LockTimeout

BESIDE = ".new-"  # how the names of files begin that are not whole yet
PAUSE = 0.02  # seconds between two looks at a lock that somebody has


@contextmanager
def named(path: str) -> t.Iterator[None]:
    """Makes an error of what is done with an open file say which one it is, as the kernel's does not."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or path
        raise


def write_whole(path: str, data: bytes, mode: int = 0o644) -> None:
    """Writes a file beside, and puts it in place of the one at `path` once it is on the disk. Raises OSError."""
    folder = os.path.dirname(path) or "."
    file, beside = tempfile.mkstemp(prefix=BESIDE, dir=folder)
    try:
        with named(path), open(file, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fchmod(file, mode)
            os.fsync(file)
        os.rename(beside, path)
    except BaseException:
        os.unlink(beside)
        raise
    sync_folder(folder)


def sweep(folder: str) -> None:
    """Removes what was left by those who were killed as they wrote. Only for who keeps others from writing there."""
    for name in os.listdir(folder):
        if name.startswith(BESIDE):
            remove(os.path.join(folder, name))


def sync_folder(path: str) -> None:
    """Makes that a name was added to a folder, or taken away, durable."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def remove(path: str) -> bool:
    """Whether there was a file to be removed."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def read_small(path: str, limit: int = 1 << 20) -> bytes | None:
    """A file of at most `limit` bytes; None where there is none. Raises OSError."""
    try:
        with open(path, "rb") as stream:
            data = stream.read(limit + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"more than {limit} bytes", path)
    return data


def first_line(path: str) -> str:
    """The first line of a small text file without blanks around it; "" where there is none, or it is not text."""
    try:
        lines = (read_small(path) or b"").decode().splitlines()
    except (OSError, UnicodeDecodeError):
        return ""
    return lines[0].strip() if lines else ""


@contextmanager
def locked(path: str, timeout: float = 30.0, folder: bool = False) -> t.Iterator[None]:
    """Holds the lock of a file, or of a folder, and makes it. After `timeout` seconds raises LockTimeout."""
    deadline = time.monotonic() + timeout
    file = _take(path, folder)
    while file is None:
        if time.monotonic() > deadline:
            raise LockTimeout(f"{path} is locked by another process, and was not given up within {timeout:g} s")
        time.sleep(PAUSE)
        file = _take(path, folder)
    try:
        yield
    finally:
        os.close(file)


def _take(path: str, folder: bool) -> int | None:
    """A descriptor that has the lock; None while another has it, or has just removed what it was on."""
    try:
        if folder:
            os.makedirs(path, exist_ok=True)
        file = os.open(path, os.O_RDONLY | (0 if folder else os.O_CREAT) | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(file), os.stat(path)):
            return file
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(file)
    return None
