# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the transactions of one network namespace lie, and the lock that lets one at a time be carried out.

Below /run, so that a reboot clears them with the network that they describe. The lock is on the folder itself: the
kernel drops it with the process that holds it, and nothing of it is left behind.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import sys
import time
import typing as t
from contextlib import contextmanager

from ..netlink.netns import OWN, NetNS, opened_in
from .journal import check_own

BASE = "/run/fleet.hypervisor/ipdb"
SO_NETNS_COOKIE = 71  # asm-generic/socket.h, Linux 5.14: a number that no other namespace gets until the next boot
PAUSE = 0.02  # seconds between two looks at a lock that somebody has


class Busy(OSError):
    """Another process is changing the network of this namespace."""

    def __str__(self) -> str:
        return str(self.strerror)


def folder_of(netns: NetNS, base: str = BASE) -> str:
    """The folder of a namespace's transactions, whether it is there or not. Raises NoSuchNamespace."""
    return f"{base}/{opened_in(netns, _identity)}"


def _identity() -> str:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            raw = sock.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8)
        except OSError as error:
            if error.errno != errno.ENOPROTOOPT:
                raise
            return f"inode-{os.stat(OWN).st_ino}"
    return f"netns-{int.from_bytes(raw, sys.byteorder)}"


@contextmanager
def locked(folder: str, wait: float = 30.0) -> t.Iterator[None]:
    """Holds the folder's lock, and makes the folder for as long as it is needed. Raises Busy after `wait` seconds."""
    deadline = time.monotonic() + wait
    file = _take(folder, deadline)
    try:
        yield
    finally:
        _remove_empty(folder)
        os.close(file)


def _take(folder: str, deadline: float) -> int:
    while True:
        make(folder)
        try:
            file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:  # who had it has just removed it
            continue
        try:
            if _try(file, folder):
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)
        if time.monotonic() > deadline:
            raise Busy(errno.EBUSY, "another process is changing the network of this namespace, and does not end")
        time.sleep(PAUSE)


def _try(file: int, folder: str) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    try:  # the lock may be that of a folder that has been removed and made anew meanwhile
        return os.path.samestat(os.fstat(file), os.stat(folder))
    except FileNotFoundError:
        return False


def make(folder: str) -> None:
    """The folder and those above it, for their owner alone. Raises JournalDamaged where it is not."""
    for path in reversed(_made(folder)):
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            pass
        except FileNotFoundError:  # the one above was removed as we looked: who needs it tries again
            return
    try:
        check_own(os.lstat(folder), folder, stat.S_ISDIR)
    except FileNotFoundError:
        return


def _made(folder: str) -> tuple[str, str, str]:
    """The folder, and those above it that are made and removed with it."""
    above = os.path.dirname(folder)
    return folder, above, os.path.dirname(above)


def _remove_empty(folder: str) -> None:
    for path in _made(folder):
        try:
            os.rmdir(path)
        except OSError:  # there is more in it
            return
