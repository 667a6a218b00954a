# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What dmpy keeps for the whole program, as libdevmapper does: directories, mangling, the open control device."""

from __future__ import annotations

import typing as t

from . import mangle
from .control import ControlDevice


class Settings:
    def __init__(self) -> None:
        self.mangling = mangle.AUTO
        self.dev_dir = "/dev"
        self.sysfs_dir = "/sys"
        self.uuid_prefix = "LVM-"
        self.udev_sync = True
        self.udev_checking = True
        self.hold_control = False
        self.due: dict[str, t.Any] = {}  # nodes that udev has still to make: how they have to be (dmnodes.Due)
        self.channel: ControlDevice | None = None

    def control(self) -> ControlDevice:
        """The program's control device, opened at the first call. Raises DmError."""
        if self.channel is None:
            self.channel = ControlDevice()
        return self.channel

    def release(self) -> None:
        if self.channel is not None:
            self.channel.close()
            self.channel = None


SETTINGS = Settings()
