# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network namespaces: opened by name, path or pid; named ones made and removed as `ip netns` does (netns(7)).

A named namespace is a file below /run/netns with the namespace mounted on it, so those made here are seen by
iproute2, and the other way round. The caller's own namespace is never left for longer than one system call takes.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import typing as t

from .errors import NoSuchNamespace

NetNS = t.Union[None, str, int]
Opened = t.TypeVar("Opened")

RUN = "/run/netns"
OWN = "/proc/thread-self/ns/net"

CLONE_NEWNET = 0x40000000
MS_BIND, MS_REC, MS_SHARED = 0x1000, 0x4000, 0x100000
MNT_DETACH = 2


def _libc(call: str, *arguments: t.Any) -> None:
    """A system call that Python 3.8 has no name for."""
    if getattr(ctypes.CDLL(None, use_errno=True), call)(*arguments):
        code = ctypes.get_errno()
        raise OSError(code, f"{call}: {os.strerror(code)}")


def path_of(netns: str | int) -> str:
    """The file of a namespace given as name, absolute path or pid."""
    if isinstance(netns, int):
        return f"/proc/{netns}/ns/net"
    if netns.startswith("/"):
        return netns
    _check_name(netns)
    return f"{RUN}/{netns}"


def _check_name(name: str) -> None:
    if not name or "/" in name or "\0" in name or name in (".", "..") or len(os.fsencode(name)) > 255:
        raise NoSuchNamespace(errno.EINVAL, f"{name!r} cannot be the name of a network namespace")


def open_file(netns: str | int) -> int:
    """A file descriptor of the namespace; the caller closes it. Raises NoSuchNamespace."""
    path = path_of(netns)
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe would wait for its writer
    except ValueError:
        raise NoSuchNamespace(errno.EINVAL, f"network namespace {netns!r}: no path has such characters") from None
    except OSError as error:
        raise NoSuchNamespace(error.errno, f"network namespace {netns}: {path}: {error.strerror}") from None


def opened_in(netns: NetNS, open_it: t.Callable[[], Opened]) -> Opened:
    """What `open_it()` returns when called inside the namespace; the caller stays where it is."""
    if netns is None:
        return open_it()
    there = open_file(netns)
    try:
        here = os.open(OWN, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if os.path.samestat(os.fstat(there), os.fstat(here)):  # to enter it, even from itself, takes CAP_SYS_ADMIN
                return open_it()
            return _visit(netns, there, here, open_it)
        finally:
            os.close(here)
    finally:
        os.close(there)


def _visit(netns: str | int, there: int, here: int, open_it: t.Callable[[], Opened]) -> Opened:
    try:
        _libc("setns", there, CLONE_NEWNET)
    except OSError as error:
        raise NoSuchNamespace(error.errno, f"entering network namespace {netns}: {error.strerror}") from None
    try:
        return open_it()
    finally:
        _libc("setns", here, CLONE_NEWNET)


def names() -> list[str]:
    """The named namespaces, sorted."""
    try:
        return sorted(os.listdir(RUN))
    except FileNotFoundError:
        return []


def exists(name: str) -> bool:
    """Whether a namespace is mounted under that name (a stale plain file does not count)."""
    _check_name(name)
    try:
        there, around = os.stat(f"{RUN}/{name}"), os.stat(RUN)
    except FileNotFoundError:
        return False
    return there.st_dev != around.st_dev


def create(name: str) -> None:
    """Makes a named namespace, with `lo` down as the kernel makes it. Raises FileExistsError when there is one."""
    _check_name(name)
    _prepare_run()
    path = f"{RUN}/{name}"
    os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, stat.S_IRUSR))
    here = os.open(OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _libc("unshare", CLONE_NEWNET)
        try:
            _libc("mount", OWN.encode(), path.encode(), b"none", MS_BIND, None)
        finally:
            _libc("setns", here, CLONE_NEWNET)
    except OSError:
        os.unlink(path)
        raise
    finally:
        os.close(here)


def remove(name: str) -> None:
    """Unmounts and deletes a name; the namespace itself goes when nothing uses it any more."""
    _check_name(name)
    path = f"{RUN}/{name}"
    try:
        _libc("umount2", path.encode(), MNT_DETACH)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a stale plain file is not mounted: only to be deleted
            raise
    os.unlink(path)


def _prepare_run() -> None:
    """/run/netns as a shared mount, so that its mounts are seen in every mount namespace, as `ip netns` arranges."""
    os.makedirs(RUN, mode=0o755, exist_ok=True)
    target = RUN.encode()
    try:
        _libc("mount", b"", target, b"none", MS_SHARED | MS_REC, None)
    except OSError as error:
        if error.errno != errno.EINVAL:  # EINVAL: not a mount point yet
            raise
        _libc("mount", target, target, b"none", MS_BIND | MS_REC, None)
        _libc("mount", b"", target, b"none", MS_SHARED | MS_REC, None)
