# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who keeps a device from being removed, or from carrying another: devices and loop devices on top of it, mounts of
all namespaces, processes, swap."""

from __future__ import annotations

import glob
import os
import typing as t

from ..header import dev_text
from ..mangle import unmangle
from ..targets import equality

MOST = 6  # holders in a sentence
NOBODY = "nobody who shows in /sys or /proc"


def holders(dev: int, of_mapper: bool = True) -> list[str]:
    """Everybody found, in words. Needs root for other people's processes.

    Without `of_mapper`, no devices of the device-mapper: those share what they stand on.
    """
    found = [*_devices(dev, of_mapper), *_loops(dev), *_mounts(dev), *_swap(dev), *_processes(dev)]
    return found[:MOST] + ([f"and {len(found) - MOST} more"] if len(found) > MOST else [])


def of_devices(devices: t.Iterable[str]) -> str:
    """Who has them or their partitions, in a sentence; they are paths or numbers as a table has them."""
    told = []
    for device in devices:
        number = equality.resolved(device)
        if not equality.NUMBERS.match(number):
            continue
        dev = os.makedev(*map(int, number.split(":")))
        path = equality.device_path(dev)
        told += [f"{path} is held by {who}" for who in holders(dev, of_mapper=False)]
        for partition in _partitions(dev):
            part = f"{equality.device_path(partition)}, a part of {path}"
            told += [f"{part}, is held by {who}" for who in holders(partition)]
    return "; ".join(told) or f"they are held by {NOBODY}"


def _partitions(dev: int) -> t.Iterator[int]:
    for path in sorted(glob.glob(f"/sys/dev/block/{dev_text(dev)}/*/partition")):
        number = equality.NUMBERS.match(_read(os.path.join(os.path.dirname(path), "dev")).strip())
        if number:
            yield os.makedev(int(number[1]), int(number[2]))


def _devices(dev: int, of_mapper: bool) -> t.Iterator[str]:
    for path in sorted(glob.glob(f"/sys/dev/block/{dev_text(dev)}/holders/*")):
        holder = os.path.basename(path)
        name = _read(f"/sys/block/{holder}/dm/name").strip()
        if name and not of_mapper:
            continue
        yield f"the device {unmangle(name)} ({holder}) on top of it" if name else f"the device {holder} on top of it"


def _loops(dev: int) -> t.Iterator[str]:
    """They are no holders to the kernel, and have no file descriptor."""
    for path in sorted(glob.glob("/sys/block/loop*/loop/backing_file")):
        if _is(_read(path).rstrip("\n"), dev):
            yield f"the loop device {path.split('/')[3]} on top of it"


def _mounts(dev: int) -> t.Iterator[str]:
    """Each mount once, though many processes see it."""
    seen: set[tuple[str, str]] = set()
    namespaces: set[str] = set()
    for process in _pids():
        try:
            namespace = os.readlink(f"/proc/{process}/ns/mnt")
        except OSError:
            continue
        if namespace in namespaces:
            continue
        namespaces.add(namespace)
        for line in _read(f"/proc/{process}/mountinfo").splitlines():
            words = line.split()
            if len(words) > 4 and words[2] == dev_text(dev) and (namespace, words[4]) not in seen:
                seen.add((namespace, words[4]))
                own = namespace == _own_namespace()
                yield f"a mount on {_unescaped(words[4])}" + (
                    "" if own else f" in the mount namespace of pid {process}"
                )


def _own_namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/mnt")
    except OSError:
        return ""


def _unescaped(path: str) -> str:
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        path = path.replace(code, char)
    return path


def _swap(dev: int) -> t.Iterator[str]:
    for line in _read("/proc/swaps").splitlines()[1:]:
        if line.split() and _is(line.split()[0], dev):
            yield "swap space on it"


def _processes(dev: int) -> t.Iterator[str]:
    for process in _pids():
        folder = f"/proc/{process}/fd"
        try:
            numbers = os.listdir(folder)
        except OSError:
            continue
        if any(_is(f"{folder}/{number}", dev) for number in numbers):
            yield f"process {process} ({_read(f'/proc/{process}/comm').strip() or 'unknown'}), which has it open"


def _is(path: str, dev: int) -> bool:
    """Whether that is the block device; a link that only looks so is told apart without opening anything."""
    try:
        found = os.stat(path)
    except OSError:
        return False
    return found.st_rdev == dev and (found.st_mode & 0o170000) == 0o060000


def _pids() -> list[str]:
    return [name for name in os.listdir("/proc") if name.isdigit()]


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as text:
            return text.read()
    except OSError:
        return ""
