# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things lie: the checkout, and the ignored folder that keeps what is slow to make."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"
VENV = CACHE / "venv"
HOME = CACHE / "home"  # the tools' own home: nothing of the user's is read or changed
LOGS = CACHE / "logs"
PYTHONS = CACHE / "pythons"  # links to real interpreters, ahead of any shims in PATH
LOCKS = CACHE / "locks"
COLLECTIONS = CACHE / "collections"  # a symlink to the checkout: serves ansible-playbook
TREES = CACHE / "tree"  # copies of the checkout for ansible-test, one for each stage that runs it
REQUIREMENTS = ROOT / "tests" / "requirements"
TESTBED = ROOT / "tests" / "testbed" / "testbed.py"
