# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes as people write them."""

from __future__ import annotations

import re
import typing as t

from ..constants import SECTOR
from ..errors import DmValueError

UNITS = {"": SECTOR, "s": SECTOR, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
WRITTEN = re.compile(r"\s*([0-9]+)\s*([sbkmgt]?)(?:ib)?\s*", re.ASCII | re.IGNORECASE)


def sectors(written: t.Union[str, int], what: str) -> int:
    """Sectors: `8`, `8s`, `4096b`, `4k`, `1m`, `1g`. Raises DmValueError."""
    found = WRITTEN.fullmatch(str(written))
    if not found:
        raise DmValueError(f"{what}: {written!r} is no size: sectors, or a number with one of b, k, m, g, t")
    size = int(found.group(1)) * UNITS[found.group(2).lower()]
    if size % SECTOR:
        raise DmValueError(f"{what}: {written!r} is no whole number of sectors of {SECTOR} bytes")
    return size // SECTOR
