# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command in namespaces of its own, where no mistake reaches this machine's links.

It gets a fresh network namespace with lo up, a /sys that shows it, and an empty /run/netns, so that
named namespaces are its own too and end with it.
"""

from __future__ import annotations

SCRIPT = """
set -e
mount -t sysfs sysfs /sys
mkdir -p /run/netns
mount -t tmpfs tmpfs /run/netns
ip link set lo up
exec "$@"
"""


def inside(argv: list[str]) -> list[str]:
    return ["unshare", "--net", "--mount", "sh", "-c", SCRIPT, "sandbox", *argv]
