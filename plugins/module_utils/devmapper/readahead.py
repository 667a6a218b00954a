# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far the kernel reads ahead on a block device, in sectors of 512 bytes (its own unit is pages)."""

from __future__ import annotations

import os

from .errors import DmError

AUTO = (1 << 32) - 1  # leave it to the kernel
NONE = 0
MINIMUM_FLAG = 1  # a larger one that is set stays


def _path(dev: int, sysfs: str) -> str:
    return f"{sysfs}/dev/block/{os.major(dev)}:{os.minor(dev)}/bdi/read_ahead_kb"


def read(dev: int, sysfs: str = "/sys") -> int | None:
    """Sectors; None where the kernel does not say."""
    try:
        with open(_path(dev, sysfs), encoding="ascii") as text:
            return int(text.read()) * 2
    except (OSError, ValueError):
        return None


def write(dev: int, sectors: int, sysfs: str = "/sys") -> None:
    """Raises DmError."""
    try:
        with open(_path(dev, sysfs), "w", encoding="ascii") as text:
            text.write(str((sectors + 1) // 2))
    except OSError as error:
        about = f"{os.major(dev)}:{os.minor(dev)}"
        raise DmError(error.errno or 0, f"set the read-ahead of {about} to {sectors}: {error.strerror}") from None


def rounded(sectors: int) -> int:
    """What the kernel makes of a number of sectors: whole pages."""
    page = os.sysconf("SC_PAGE_SIZE") // 512
    return (sectors + 1) // 2 * 2 // page * page


def apply(dev: int, sectors: int, flags: int = 0, sysfs: str = "/sys") -> None:
    """What libdevmapper does with a task's read-ahead."""
    if sectors == AUTO:
        return
    now = read(dev, sysfs)
    if flags & MINIMUM_FLAG and now is not None and now >= sectors:
        return
    if now != rounded(sectors):
        write(dev, sectors, sysfs)
