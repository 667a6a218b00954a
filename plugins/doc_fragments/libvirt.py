# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How every module that asks libvirt reaches it."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
requirements:
  - libvirt-python on the managed host (package C(python3-libvirt)). When the Python that Ansible uses there does not
    have it, but C(/usr/bin/python3) has, the module goes on with that one.
options:
  uri:
    description: The hypervisor, as libvirt names it.
    type: str
    default: qemu:///system
  timeout:
    description: Seconds after which the task fails, whatever the daemon is doing.
    type: float
    default: 30.0
"""

    # A module that only reads.
    READONLY = r"""
options:
  readonly:
    description:
      - Whether to open the connection for reading alone, which any user may where polkit is not told otherwise.
      - libvirt refuses C(virConnectGetDomainCapabilities) on such a connection.
    type: bool
    default: true
"""
