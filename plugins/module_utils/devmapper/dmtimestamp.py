# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`DmTimestamp` of dmpy: a moment, to the nanosecond, on a clock that nobody sets."""

from __future__ import annotations

import time


class DmTimestamp:
    """A moment; 0 until `get` is called."""

    def __init__(self) -> None:
        self.nanoseconds = 0

    def get(self) -> bool:
        """Takes the time."""
        self.nanoseconds = time.monotonic_ns()
        return True

    def copy(self) -> DmTimestamp:
        """Another one of the same moment."""
        made = DmTimestamp()
        made.nanoseconds = self.nanoseconds
        return made

    def compare(self, other: DmTimestamp) -> int:
        """-1, 0 or 1: this moment is before, at or after the other."""
        return (self.nanoseconds > other.nanoseconds) - (self.nanoseconds < other.nanoseconds)

    def delta(self, other: DmTimestamp) -> int:
        """Nanoseconds between the two, never negative."""
        return abs(self.nanoseconds - other.nanoseconds)
