# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the parts of a prefix lie, in Lago's places."""

from __future__ import annotations

import os


class Paths:
    """Of the prefix in the folder `prefix`."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def _prefixed(self, *args: str) -> str:
        return os.path.join(self._prefix, *args)

    def prefix(self) -> str:
        return self._prefix

    def uuid(self) -> str:
        """The file with the prefix's uuid: while it is there, what was leased under it stays leased."""
        return self._prefixed("uuid")

    def initialized(self) -> str:
        """An empty file: the prefix was made to its end."""
        return self._prefixed("initialized")

    def ssh_id_rsa(self) -> str:
        return self._prefixed("id_rsa")

    def ssh_id_rsa_pub(self) -> str:
        return self._prefixed("id_rsa.pub")

    def images(self, *path: str) -> str:
        return self._prefixed("images", *path)

    def scripts(self, *path: str) -> str:
        return self._prefixed("scripts", *path)

    def virt(self, *path: str) -> str:
        return self._prefixed("virt", *path)

    def logs(self, *path: str) -> str:
        return self._prefixed("logs", *path)

    def metadata(self) -> str:
        return self._prefixed("metadata")

    def journal(self) -> str:
        """What was begun and what of it is done (journal.py)."""
        return self._prefixed("journal")

    def disk(self, vm: str, disk: str, form: str) -> str:
        """The file of a VM's disk, by Lago's name for it."""
        return self.images(f"{vm}_{disk}.{form}")

    def seed(self, vm: str) -> str:
        """The image that tells the VM who it is (cloud-init)."""
        return self.images(f"{vm}_seed.iso")

    def console(self, vm: str) -> str:
        """All that the VM wrote to its serial console."""
        return self.logs(f"{vm}.console")
