# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes by number, told from later ones of the same number by the tick they began at."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path

KILL_AFTER = 10.0  # seconds given to SIGTERM


def ticks(pid: int) -> int | None:
    """Start time of a living process in clock ticks since boot (field 22 of proc(5)'s stat)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else int(fields[19])


def alive(pid: int, began: int) -> bool:
    return ticks(pid) == began


def end(pid: int, began: int) -> None:
    """End exactly that process and wait until it is gone; nothing if it is gone already."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if not alive(pid, began):
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            signal.pidfd_send_signal(handle, number)
            if any_ended([handle], KILL_AFTER):
                return
    except ProcessLookupError:
        return
    finally:
        os.close(handle)


def any_ended(handles: list[int], seconds: float | None = None) -> bool:
    """Wait on pidfds: one becomes readable when its process has ended."""
    return bool(select.select(handles, [], [], seconds)[0])
