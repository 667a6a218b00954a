# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong with the device-mapper, each kind with a name of its own."""

from __future__ import annotations

import errno
import os

from . import constants as c

# The system's own words for these numbers mislead.
WORDS = {
    errno.ENXIO: "no such device",
    errno.EPERM: "not permitted: root (CAP_SYS_ADMIN) is needed, or something is read-only",
    errno.EACCES: "not permitted: root (CAP_SYS_ADMIN) is needed, or something is read-only",
    errno.EILSEQ: "metadata on a disk is damaged, or is something else's",
    errno.ENOTTY: "this kernel's device-mapper does not know the command",
}
SPECIAL = {
    (c.DEV_CREATE, errno.EBUSY): "the name or uuid is taken",
    (c.DEV_CREATE, errno.ENXIO): "the kernel makes no such device: is a wanted number taken?",
    (c.DEV_RENAME, errno.EBUSY): "the new name or uuid is taken",
    (c.DEV_RENAME, errno.EINVAL): "the kernel does not take that name or uuid (a uuid is set only once)",
    (c.DEV_SUSPEND, errno.EINVAL): "the kernel refuses: is there a table, and is what it stands on there?",
    (c.TABLE_LOAD, errno.ENXIO): "no such device, or one that its table mentions is not there",
    (c.TABLE_LOAD, errno.EINVAL): "the kernel refuses the table",
    (c.TABLE_LOAD, errno.EBUSY): "a device that the table mentions is in use by something else",
    (c.TARGET_MSG, errno.EINVAL): "the target does not take that message, or not at that sector",
    (c.GET_TARGET_VERSION, errno.EINVAL): "the kernel has no such target type",
}


class DmError(OSError):
    """Anything that went wrong; `errno` is for programs, the text is one sentence."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(code, sentence)

    def __str__(self) -> str:
        return str(self.strerror)


class DmRefused(DmError):
    """The kernel refused a command. `command` is its number, `device` what it was about ("" for none)."""

    def __init__(self, code: int, command: int, device: str = "", note: str = "") -> None:
        self.command, self.device, self.note = command, device, note
        words = SPECIAL.get((command, code)) or WORDS.get(code) or os.strerror(code)
        about = f"{c.COMMANDS[command].doing} {device}".rstrip() if command in c.COMMANDS else f"command {command}"
        name = errno.errorcode.get(code, str(code))
        super().__init__(code, f"device-mapper: {about}: {name} ({words}){f': {note}' if note else ''}")

    def noted(self, note: str) -> DmRefused:
        """The same with something more to say."""
        notes = "; ".join(filter(None, (self.note, note)))
        return DmRefused(self.errno or errno.EIO, self.command, self.device, notes)


class DmDecodeError(DmError):
    """Bytes or text that are not what the device-mapper sends."""

    def __init__(self, sentence: str) -> None:
        super().__init__(errno.EPROTO, sentence)


class DmValueError(DmError, ValueError):
    """A value that cannot be meant: a name, a uuid, a target."""

    def __init__(self, sentence: str) -> None:
        super().__init__(errno.EINVAL, sentence)


class DmTimeout(DmError):
    """Nothing happened before the deadline."""

    def __init__(self, sentence: str) -> None:
        super().__init__(errno.ETIMEDOUT, sentence)
