# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes `ansible_collections.fleet.hypervisor` importable from a checkout that lies anywhere."""

from __future__ import annotations

import atexit
import pathlib
import shutil
import sys
import tempfile

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent


def _link_tree() -> str:
    top = tempfile.mkdtemp(prefix="fleet-hypervisor-tests-")
    atexit.register(shutil.rmtree, top, True)
    fleet = pathlib.Path(top, "ansible_collections", "fleet")
    fleet.mkdir(parents=True)
    (fleet / "hypervisor").symlink_to(CHECKOUT)
    return top


sys.path.insert(0, _link_tree())
