# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`DmCookie` of dmpy: a semaphore that udev's rules count down, in the hands of the caller."""

from __future__ import annotations

import errno
import os

from . import dmnodes, semaphore, udev
from .dmsettings import SETTINGS
from .errors import DmError, DmTimeout

PATIENCE = 60.0  # seconds; libdevmapper would wait for ever


class DmCookie:
    """`value` is the semaphore's key, `prefix` its upper and `base` its lower half; 0 is no cookie."""

    def __init__(self, value: int = 0) -> None:
        self.set_value(value)
        self.ready = 0

    @property
    def prefix(self) -> int:
        """The upper half, which says that the semaphore is a cookie."""
        return self.value >> 16

    @property
    def base(self) -> int:
        """The lower half, which udev gets."""
        return self.value & 0xFFFF

    def set_value(self, value: int) -> bool:
        """All 32 bits. Raises ValueError."""
        if not 0 <= value <= 0xFFFFFFFF:
            raise ValueError(f"a cookie has 32 bits, not {value:#x}")
        self.value = value
        return True

    def set_prefix(self, prefix: int) -> bool:
        """The upper half. Raises ValueError."""
        return self.set_value(prefix << 16 | self.base)

    def set_base(self, base: int) -> bool:
        """The lower half. Raises ValueError."""
        if not 0 <= base <= 0xFFFF:
            raise ValueError(f"the base of a cookie has 16 bits, not {base:#x}")
        return self.set_value(self.prefix << 16 | base)

    def udev_complete(self) -> bool:
        """Counts down by one, as udev's rules do. Raises DmError."""
        semaphore.add(self._semid(), -1)
        return True

    def udev_wait(self, immediate: bool = False, timeout: float = PATIENCE) -> bool:
        """Waits until all events are through, and removes the semaphore; nodes that udev has not made then are made.

        With `immediate` returns at once, and tells by `ready` whether they were. Where nobody counts down, for no udevd
        runs or `udev_set_sync_support` has switched it off, it does not wait. Raises DmTimeout, DmError.
        """
        if not synchronous():
            return self._given_up()
        semid = self._semid()
        if immediate and semaphore.value(semid) > 1:
            self.ready = 0
            return True
        try:
            semaphore.add(semid, -1)
            if not semaphore.wait_zero(semid, timeout):
                raise DmTimeout(f"udev is not through with the events of cookie {self.value:#x} after {timeout:g} s")
        finally:
            semaphore.remove(semid)
            dmnodes.update()
        self.ready = 1
        return True

    def _given_up(self) -> bool:
        if self.value in udev.leaked():
            semaphore.remove(self._semid())
        dmnodes.update()
        self.ready = 1
        return True

    def _semid(self) -> int:
        """Raises DmError where the cookie is none of the device-mapper, or gone."""
        if self.prefix != udev.COOKIE_MAGIC or not self.base:
            raise DmError(errno.EINVAL, f"{self.value:#x} is no cookie of the device-mapper")
        return semaphore.find(self.value)


def synchronous() -> bool:
    """Whether udev is there to be waited for, and meant to be."""
    return SETTINGS.udev_sync and udev.running()


def create() -> DmCookie:
    """A cookie that one event is outstanding of: the caller's own, which `udev_wait` takes away.

    An empty one where udev is not waited for.
    """
    if not synchronous():
        return DmCookie()
    while True:
        base = int.from_bytes(os.urandom(2), "big") or 1
        value = udev.COOKIE_MAGIC << 16 | base
        try:
            semaphore.add(semaphore.create(value), 1)
            return DmCookie(value)
        except DmError as error:
            if error.errno != errno.EEXIST:
                raise
