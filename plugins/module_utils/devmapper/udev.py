# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Working with udev: what goes with a device's event, and how to know that its rules have run.

A cookie is a semaphore whose key udev's rules get with the event: it is one higher for each event under way, and
`dmsetup udevcomplete` in the rules takes one away. libdevmapper and everybody who uses it does the same.
"""

from __future__ import annotations

import errno
import os
import typing as t

from . import semaphore
from .errors import DmError

COOKIE_MAGIC = 0x0D4D  # the upper half of each key
FLAGS_SHIFT = 16

DISABLE_DM_RULES = 0x0001
DISABLE_SUBSYSTEM_RULES = 0x0002
DISABLE_DISK_RULES = 0x0004
DISABLE_OTHER_RULES = 0x0008
LOW_PRIORITY = 0x0010
DISABLE_LIBRARY_FALLBACK = 0x0020
PRIMARY_SOURCE = 0x0040  # an event of a change to the table, not one that udev made up
SUBSYSTEM_FLAG0 = 0x0100

CONTROL = "/run/udev/control"


def running() -> bool:
    """Whether a udevd listens on this host."""
    return os.path.exists(CONTROL)


class Cookie:
    """One cookie for any number of events. `wait` ends it in every case."""

    def __init__(self) -> None:
        """Raises DmError where semaphores are used up (ENOSPC) or not allowed."""
        self.key, self.semid = self._create()
        self.events = 0

    @staticmethod
    def _create() -> tuple[int, int]:
        while True:
            base = int.from_bytes(os.urandom(2), "big")
            key = COOKIE_MAGIC << 16 | base
            try:
                if base:
                    return key, semaphore.create(key)
            except DmError as error:
                if error.errno != errno.EEXIST:
                    raise

    def event(self, flags: int = 0) -> int:
        """Counts an event that is about to come; what the command has to carry in `event_nr`."""
        semaphore.add(self.semid, 1)
        self.events += 1
        return event_nr(self.key, flags | PRIMARY_SOURCE)

    def no_event(self) -> None:
        """The command failed, or made no event after all."""
        self.events -= 1
        semaphore.add(self.semid, -1)

    def wait(self, seconds: float) -> bool:
        """Waits for udev to be through with all events; False when the time is up. The semaphore is gone after."""
        try:
            return self.events == 0 or semaphore.wait_zero(self.semid, seconds)
        finally:
            self.remove()

    def remove(self) -> None:
        try:
            semaphore.remove(self.semid)
        except DmError:
            pass  # somebody has cleaned up (`dmsetup udevcomplete_all`)


def event_nr(key: int, flags: int) -> int:
    return flags << FLAGS_SHIFT | key & 0xFFFF


def leaked() -> t.Dict[int, int]:
    """Cookies of this host, id by key: of commands under way, or left behind."""
    return {key: semid for key, semid in semaphore.keys().items() if key >> 16 == COOKIE_MAGIC}
