# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a libvirtd leaves in its folders when it is killed as it starts a VM: it takes note of one only once QEMU runs.

Each start has a number of its own, so that the next one does not come upon the folders of the last.
"""

from __future__ import annotations

import glob
import os
import shutil
import typing as t
from contextlib import suppress

from ..hypervisor.connection import Connection
from . import files

SHORT = 20  # letters of a domain's name in those of its folders (VIR_DOMAIN_SHORT_NAME_MAX, src/conf/domain_conf.c)
ACTIVE = 1  # VIR_CONNECT_LIST_DOMAINS_ACTIVE (libvirt/libvirt-domain.h)

# The setting that says where, and what a domain's number and short name come after there (src/qemu/qemu_domain.c).
FOLDERS = (
    ("libvirt_lib", "domain-"),
    ("libvirt_lib", "channel/target/domain-"),
    ("libvirt_run", "channel/"),  # of agents, in later versions
)


def sweep(connection: Connection, setting: t.Callable[[str], str], name: str) -> None:
    """Removes it, of the domain `name`, which does not run. Raises KvmError, OSError."""
    with suppress(PermissionError):  # who is not root may start VMs, and not look into these folders
        files.remove(os.path.join(setting("libvirt_run"), f"{name}.pid"))
    starts = [os.path.join(setting(key), start) for key, start in FOLDERS]
    tail = f"[0-9]*-{glob.escape(name[:SHORT])}"
    found = [(start, path) for start in starts for path in glob.glob(glob.escape(start) + tail)]
    others = _running(connection) if found else frozenset()
    for start, path in found:
        if path[len(start) :] not in others:
            shutil.rmtree(path, ignore_errors=True)


def _running(connection: Connection) -> t.FrozenSet[str]:
    """What the folders of all that run now are called by: names that are long may begin alike."""
    active = connection.ask("listAllDomains", ACTIVE)
    return frozenset(f"{domain.ID()}-{domain.name()[:SHORT]}" for domain in active)
