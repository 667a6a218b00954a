# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What /proc tells of a process and taskstats does not: threads, exact I/O, whose guest it is."""

from __future__ import annotations

import os
import typing as t

PROC = "/proc"

IO_KEYS = {
    "read_bytes": "read_bytes",
    "write_bytes": "write_bytes",
    "cancelled_write_bytes": "cancelled_write_bytes",
    "read_char_bytes": "rchar",
    "write_char_bytes": "wchar",
    "read_syscalls": "syscr",
    "write_syscalls": "syscw",
}

QEMU = ("qemu-system-", "qemu-kvm", "kvm", "qemu-dm")


class Guest(t.NamedTuple):
    tgid: int
    name: str | None  # None: QEMU was not told one
    uuid: str | None


def io(tgid: int, tid: int | None = None) -> dict[str, int] | None:
    """Counters of proc_pid_io(5): of a process with its ended threads, or of one thread.

    Keys end in `_bytes` or count system calls. `read_bytes` and `write_bytes` reached storage,
    `*_char_bytes` went through read(2) and write(2). None when they cannot be had.
    """
    path = f"{PROC}/{tgid}/io" if tid is None else f"{PROC}/{tgid}/task/{tid}/io"
    try:
        with open(path, encoding="ascii") as file:
            found = dict(line.split(": ", 1) for line in file)
        return {name: int(found[key]) for name, key in IO_KEYS.items()}
    except (OSError, KeyError, ValueError):
        return None  # ended meanwhile, or a kernel without CONFIG_TASK_IO_ACCOUNTING


def threads(tgid: int) -> list[int]:
    """The pids of a process's threads, in order; none when it has ended."""
    try:
        return sorted(int(name) for name in os.listdir(f"{PROC}/{tgid}/task"))
    except OSError:
        return []


def guests() -> list[Guest]:
    """Every QEMU system emulator that runs here, in order of process id."""
    found = [_guest(int(name)) for name in os.listdir(PROC) if name.isdigit()]
    return sorted(guest for guest in found if guest)


def _guest(tgid: int) -> Guest | None:
    arguments = _arguments(tgid)
    if not arguments or not _is_qemu(_program(tgid, arguments[0])):
        return None
    return Guest(tgid, guest_name(_option(arguments, "name") or ""), _option(arguments, "uuid"))


def _arguments(tgid: int) -> list[str]:
    try:
        with open(f"{PROC}/{tgid}/cmdline", "rb") as file:
            raw = file.read()
    except OSError:
        return []
    return raw.decode("utf-8", "backslashreplace").rstrip("\0").split("\0") if raw else []


def _program(tgid: int, first_argument: str) -> str:
    """The file name of what runs; the first argument, which anyone can make up, only if need be."""
    try:
        path = os.readlink(f"{PROC}/{tgid}/exe")
    except OSError:
        path = first_argument
    # Deleted: QEMU was upgraded below a running guest.
    return os.path.basename(path.replace(" (deleted)", ""))


def _is_qemu(program: str) -> bool:
    return program in QEMU[1:] or program.startswith(QEMU[0])


def _option(arguments: list[str], name: str) -> str | None:
    """The value of `-name` or `--name`; the last one counts, as for QEMU."""
    value = None
    for argument, following in zip(arguments[1:], arguments[2:]):
        if argument in (f"-{name}", f"--{name}"):
            value = following
    return value


def guest_name(option: str) -> str | None:
    """The guest in QEMU's `-name [guest=]NAME[,key=value...]`, where ",," stands for a comma."""
    parts = [part.replace("\0", ",") for part in option.replace(",,", "\0").split(",")]
    for index, part in enumerate(parts):
        key, equals, value = part.partition("=")
        if key == "guest" and equals:
            return value
        if index == 0 and not equals:
            return part or None
    return None
