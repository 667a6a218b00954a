# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`DmInfo` of dmpy: the state of a device as a task found it."""

from __future__ import annotations

import os
import typing as t

from . import constants as c
from .header import Answer


class DmInfo(t.NamedTuple):
    """Counts are numbers, states 0 or 1; `exists` is 0 where there is no such device, and then nothing else counts."""

    exists: int = 0
    suspended: int = 0
    live_table: int = 0
    inactive_table: int = 0
    open_count: int = 0
    event_nr: int = 0
    major: int = 0
    minor: int = 0
    read_only: int = 0
    target_count: int = 0
    deferred_remove: int = 0
    internal_suspend: int = 0

    @classmethod
    def of(cls, answer: Answer) -> DmInfo:
        """From the header of an answer."""

        def has(flag: int) -> int:
            return int(bool(answer.flags & flag))

        return cls(
            1,
            has(c.SUSPEND),
            has(c.ACTIVE_PRESENT),
            has(c.INACTIVE_PRESENT),
            answer.open_count,
            answer.event_nr,
            os.major(answer.dev),
            os.minor(answer.dev),
            has(c.READONLY),
            answer.target_count,
            has(c.DEFERRED_REMOVE),
            has(c.INTERNAL_SUSPEND),
        )
