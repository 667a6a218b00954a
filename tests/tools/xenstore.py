# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stage `xenstore`: tests/xenstore against the stock daemons of Xen, run here without Xen."""

from __future__ import annotations

import pytests
from outcome import Outcome
from paths import VENV
from prepare import XENSTORE, packages


def xenstore() -> list[Outcome]:
    packages(XENSTORE)
    return pytests.here("xenstore", [str(VENV / "bin" / "python")], "tests/xenstore")
