# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stage `libvirt`: tests/libvirt against libvirt's test driver, and a libvirtd with QEMU of the tests' own."""

from __future__ import annotations

from pathlib import Path

import environment
import pytests
from locks import held
from outcome import Outcome
from paths import CACHE, LOGS, REQUIREMENTS
from prepare import LIBVIRT, packages
from process import must

SYSTEM_PYTHON = "/usr/bin/python3"  # the one that the package python3-libvirt is for


def libvirt() -> list[Outcome]:
    packages(LIBVIRT)
    return pytests.here("libvirt", [str(interpreter())], "tests/libvirt")


def interpreter() -> Path:
    """Of an environment with the tools' pytest and Ansible, and the system's libvirt-python."""
    folder = CACHE / "venv-libvirt"
    pins = (REQUIREMENTS / "libvirt.txt").read_text() + (REQUIREMENTS / "constraints.txt").read_text()
    python, stamp = folder / "bin" / "python", folder / "made-from"
    with held(folder.name):
        if not stamp.exists() or stamp.read_text() != pins:
            requirements = ["-c", REQUIREMENTS / "constraints.txt", "-r", REQUIREMENTS / "libvirt.txt"]
            for title, argv in (
                ("environment for libvirt", [SYSTEM_PYTHON, "-m", "venv", "--clear", "--system-site-packages", folder]),
                ("pytest for libvirt", [python, "-m", "pip", "install", "-q", *requirements]),
            ):
                must(
                    title,
                    [str(word) for word in argv],
                    LOGS / f"{folder.name}.log",
                    cwd=CACHE,
                    env=environment.tools(),
                    lack="pytest for the system's Python cannot be had (no network?)",
                )
            stamp.write_text(pins)
    return python
