# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kind of machine that a lab's VMs are."""

from __future__ import annotations

import typing as t

KVM, TCG = "kvm", "qemu"  # as libvirt calls them


class Machine(t.NamedTuple):
    """What a host offers: `type` kvm or qemu, `machine` such as q35, `emulator` where libvirt shall not choose."""

    type: str
    arch: str
    machine: str
    emulator: str = ""
