# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labs of tiny guests, and the way to them: the network of a libvirtd of the tests' own is in its namespace."""

from __future__ import annotations

import ctypes
import os
import traceback
import typing as t
from contextlib import contextmanager
from pathlib import Path

from tests.testbed.libvirt import tiny
from tests.testbed.libvirt.daemon import Daemon

CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000  # linux/sched.h
MS_REMOUNT, MNT_DETACH = 32, 2  # linux/mount.h, linux/fs.h
Conf = t.Dict[str, t.Any]


@contextmanager
def network_of(daemon: Daemon) -> t.Iterator[None]:
    """This thread, with what it starts, is in the daemon's network."""
    libc = ctypes.CDLL(None, use_errno=True)
    own, other = (os.open(path, os.O_RDONLY) for path in ("/proc/thread-self/ns/net", f"/proc/{daemon.pid}/ns/net"))
    try:
        if libc.setns(other, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "entering the daemon's network")
        yield
    finally:
        back = libc.setns(own, CLONE_NEWNET)
        for file in (own, other):
            os.close(file)
        assert back == 0


def in_small_place(daemon: Daemon, place: Path, size: str, work: t.Callable[[], None]) -> None:
    """Does the work where the folder `place` is a file system of that size, which only libvirtd and its guests see too.

    In a process of its own, whose errors are raised here.
    """
    mounts, said = os.open(f"/proc/{daemon.pid}/ns/mnt", os.O_RDONLY), place.with_suffix(".said")
    child = os.fork()
    if child == 0:
        try:
            if ctypes.CDLL(None, use_errno=True).setns(mounts, CLONE_NEWNS) != 0:
                raise OSError(ctypes.get_errno(), "entering the daemon's mounts")
            _mount(place, size)
            try:
                work()
            finally:
                ctypes.CDLL(None).umount2(os.fsencode(place), MNT_DETACH)
            os._exit(0)
        except BaseException:
            said.write_text(traceback.format_exc())
            os._exit(1)
    os.close(mounts)
    status = os.waitpid(child, 0)[1]
    assert status == 0, said.read_text()


def resize(place: Path, size: str) -> None:
    _mount(place, size, MS_REMOUNT)


def _mount(place: Path, size: str, flags: int = 0) -> None:
    """By the system call: there is no /proc with this process in the daemon's mounts, which mount(8) would ask."""
    data = f"size={size},mode=755".encode()
    if ctypes.CDLL(None, use_errno=True).mount(b"tmpfs", os.fsencode(place), b"tmpfs", flags, data) != 0:
        raise OSError(ctypes.get_errno(), f"mounting {place}")


def guests(folder: Path, *names: str, **more: t.Any) -> Conf:
    """An init file of tiny guests on one network with DHCP; `folder` is tiny's copy, `more` is for each of them.

    Their system is on the disk `root`, made of the template `tiny` (`folder`/repository.json); `disks=[]` for none.
    """
    domain = {
        "memory": 128,
        "vcpu": 1,
        "accel": "tcg",
        "kernel": str(folder / "kernel"),
        "initrd": str(folder / "initrd"),
        "cmdline": tiny.CMDLINE,
        "nics": [{"net": "mgmt"}],
        "disks": [{"name": "root", "type": "template", "template_name": "tiny", "dev": "vda"}],
    }
    net = {"management": True, "dhcp": {"start": 100, "end": 200}, "dns_domain_name": "lab.local"}
    return {"domains": {name: {**domain, **more} for name in names}, "nets": {"mgmt": net}}
