# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stages `kernel` and `kernel-guest`: tests/kernel against this machine's kernel, and against the guest's.

What this machine's kernel lacks is skipped here by name and must pass in the guest.
"""

from __future__ import annotations

import pytests
from carried import Tests, inside
from guests import running
from outcome import Outcome
from paths import VENV

TESTS = "tests/kernel"
IN_GUEST = Tests("kernel guest", (f"{TESTS}/",), (TESTS,), "FLEET_KERNEL=guest")


def kernel() -> list[Outcome]:
    # Not in a sandbox: the kernel tells of ended tasks in the first network namespace only.
    return pytests.here("kernel here", [str(VENV / "bin" / "python")], TESTS)


def kernel_guest() -> list[Outcome]:
    with running("debian") as guests:
        return inside(guests, "debian", IN_GUEST)
