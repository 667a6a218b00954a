# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""System V semaphores, through the C library: how udev's rules tell that they are through with a device."""

from __future__ import annotations

import ctypes
import errno
import os
import time
import typing as t

from .errors import DmError

IPC_CREAT, IPC_EXCL, IPC_NOWAIT = 0o1000, 0o2000, 0o4000
IPC_RMID, GETVAL = 0, 12


class _SemBuf(ctypes.Structure):
    """struct sembuf of linux/sem.h."""

    _fields_ = [("num", ctypes.c_ushort), ("op", ctypes.c_short), ("flags", ctypes.c_short)]


class _TimeSpec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]


_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, doing: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise DmError(code, f"{doing}: {errno.errorcode.get(code, code)} ({os.strerror(code)})")
    return result


def create(key: int) -> int:
    """A new semaphore that is 0; its id. Raises DmError, with EEXIST where the key is in use."""
    return _checked(_libc.semget(key, 1, 0o600 | IPC_CREAT | IPC_EXCL), f"create the semaphore {key:#x}")


def find(key: int) -> int:
    """The id of the semaphore with that key. Raises DmError with ENOENT."""
    return _checked(_libc.semget(key, 1, 0), f"find the semaphore {key:#x}")


def value(semid: int) -> int:
    return _checked(_libc.semctl(semid, 0, GETVAL), f"read the semaphore {semid}")


def remove(semid: int) -> None:
    _checked(_libc.semctl(semid, 0, IPC_RMID), f"remove the semaphore {semid}")


def add(semid: int, number: int) -> None:
    """Adds a number; a negative one that would lead below 0 is EAGAIN."""
    _checked(_libc.semop(semid, ctypes.byref(_SemBuf(0, number, IPC_NOWAIT)), 1), f"change the semaphore {semid}")


def wait_zero(semid: int, seconds: float) -> bool:
    """Waits until it is 0; False when the time is up before."""
    deadline = time.monotonic() + seconds
    while True:
        rest = max(0.0, deadline - time.monotonic())
        limit = _TimeSpec(int(rest), int(rest % 1 * 1e9))
        if _libc.semtimedop(semid, ctypes.byref(_SemBuf(0, 0, 0)), 1, ctypes.byref(limit)) == 0:
            return True
        code = ctypes.get_errno()
        if code == errno.EAGAIN:
            return False
        if code != errno.EINTR:
            _checked(-1, f"wait for the semaphore {semid}")


def keys() -> t.Dict[int, int]:
    """All semaphores of this IPC namespace, id by key."""
    with open("/proc/sysvipc/sem", encoding="ascii") as table:
        rows = [line.split() for line in table][1:]
    return {int(row[0]) & 0xFFFFFFFF: int(row[1]) for row in rows}
