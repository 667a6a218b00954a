# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the testbed keeps images, and the state of its sessions."""

from __future__ import annotations

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("TESTBED_CACHE", CHECKOUT / ".cache" / "testbed"))
IMAGES = CACHE / "images"
SESSIONS = CACHE / "sessions"
