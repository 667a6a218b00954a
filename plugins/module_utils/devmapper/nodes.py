# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes of devices in /dev/mapper: udev makes them; where none runs, or it was too slow, they are made here."""

from __future__ import annotations

import os
import stat
import typing as t

from .errors import DmError


class Access(t.NamedTuple):
    """Who may use a node that is made here."""

    mode: int = 0o660
    uid: int = 0
    gid: int = 0


class Nodes:
    """The nodes below one `dev_dir`. Names are the kernel's (mangled) ones. Raises DmError."""

    def __init__(self, dev_dir: str = "/dev") -> None:
        self.folder = os.path.join(dev_dir, "mapper")

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def leads_to(self, name: str, dev: int) -> bool:
        """Whether there is a node of that name for the device `dev`."""
        return block_device(self.path(name)) == dev

    def ensure(self, name: str, dev: int, access: Access | None = None) -> bool:
        """Makes or corrects the node; whether anything had to be done."""
        if self.leads_to(name, dev):
            return False
        path, access = self.path(name), access or Access()
        temporary = f"{path}.{os.getpid()}"
        try:
            os.makedirs(self.folder, mode=0o755, exist_ok=True)
            os.mknod(temporary, 0o600 | stat.S_IFBLK, dev)
            os.chown(temporary, access.uid, access.gid)
            os.chmod(temporary, access.mode)
            os.rename(temporary, path)
        except OSError as error:
            raise DmError(error.errno or 0, f"make the node {path}: {error.strerror}") from None
        return True

    def remove(self, name: str) -> bool:
        """Removes the node where there is one; whether there was."""
        try:
            os.unlink(self.path(name))
        except FileNotFoundError:
            return False
        except OSError as error:
            raise DmError(error.errno or 0, f"remove the node {self.path(name)}: {error.strerror}") from None
        return True

    def names(self) -> list[str]:
        try:
            return [name for name in os.listdir(self.folder) if name != "control"]
        except FileNotFoundError:
            return []


def block_device(path: str) -> int | None:
    """The number of the block device at `path`, as os.makedev has it."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_rdev if stat.S_ISBLK(found.st_mode) else None
