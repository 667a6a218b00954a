# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How libguestfs's tools run their own machine (guestfs(3), "BACKEND")."""

from __future__ import annotations

from .machine import TCG


def environment(kind: str) -> dict[str, str]:
    """Without libvirt: whoever runs a tool can read the disk, which is all it takes.

    `kind` is the accelerator that the lab's own VMs have: where a kvm cannot boot a guest, libguestfs would take it.
    """
    emulated = {"LIBGUESTFS_BACKEND_SETTINGS": "force_tcg"} if kind == TCG else {}
    return {"LIBGUESTFS_BACKEND": "direct", **emulated}
