# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sees to it that a module runs in a Python that has libvirt-python.

It imports Ansible, unlike all else below the modules, since it is their entrance and no core's: only Ansible knows how
to start a module again in another Python.
"""

from __future__ import annotations

import importlib.util

INTERPRETERS = ("/usr/libexec/platform-python", "/usr/bin/python3")  # where distributions have libvirt-python


def ensure() -> None:
    """Does not return where it goes on with another Python. Where none has it, the core says that it is missing."""
    if importlib.util.find_spec("libvirt") is not None:
        return
    from ansible.module_utils.common import respawn

    found = None if respawn.has_respawned() else respawn.probe_interpreters_for_module(INTERPRETERS, "libvirt")
    if found:
        respawn.respawn_module(found)
