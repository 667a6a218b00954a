# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment of every tool: own home, real interpreters first, no settings of the user's."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path

from paths import COLLECTIONS, HOME, PYTHONS, ROOT, VENV

# What would change how Ansible or Python behaves from one user to the next.
FOREIGN = (
    "ANSIBLE_",
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTEST_",
    "VIRTUAL_ENV",
    "PYENV_VERSION",
    "COV_",
)

SHEBANG_LIMIT = 120  # characters that a '#!' line of Linux surely holds


def tools(**more: str) -> dict[str, str]:
    """Environment for ansible-*, ruff, pytest and antsibull from the virtual environment."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    env.update(
        HOME=str(HOME),
        PATH=os.pathsep.join([str(programs()), str(PYTHONS), os.environ.get("PATH", os.defpath)]),
        VIRTUAL_ENV=str(VENV),
        PYTHONDONTWRITEBYTECODE="1",
        PIP_DISABLE_PIP_VERSION_CHECK="1",
        LC_ALL="C.UTF-8",
        ANSIBLE_HOME=str(HOME / ".ansible"),
        ANSIBLE_COLLECTIONS_PATH=str(COLLECTIONS),
        ANSIBLE_LOCALHOST_WARNING="False",
        **more,
    )
    return env


@lru_cache
def programs() -> Path:
    """The virtual environment's bin, by a path that fits a '#!' line wherever the checkout lies."""
    if len(str(VENV)) < SHEBANG_LIMIT and len(str(VENV).split()) == 1:
        return VENV / "bin"
    folder = tempfile.mkdtemp(prefix="fleet-tools-")
    atexit.register(shutil.rmtree, folder, True)
    link = Path(folder, "venv")
    link.symlink_to(VENV)
    return link / "bin"


def ansible_test(*words: str) -> list[str]:
    """ansible-test gives the interpreter that runs it to what it runs, in '#!' lines."""
    return [str(programs() / "python"), str(programs() / "ansible-test"), *words]


def link_collection() -> None:
    """The collection as a link to the checkout, which is enough for ansible-playbook."""
    link = COLLECTIONS / "ansible_collections" / "fleet" / "hypervisor"
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink() or link.readlink() != ROOT:
        link.unlink(missing_ok=True)
        link.symlink_to(ROOT)
