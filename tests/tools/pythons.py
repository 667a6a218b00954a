# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the real interpreters of the supported targets; shims that only answer are not ones."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from paths import PYTHONS

SUPPORTED = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13")


def find() -> dict[str, Path]:
    """Version -> interpreter that runs, from PATH and from where pyenv keeps its builds."""
    return {version: found for version in SUPPORTED if (found := _find(version))}


def link(found: dict[str, Path]) -> None:
    """Offer them as python3.X in one folder, ahead in the tools' PATH. What is right stays: it may be in use."""
    PYTHONS.mkdir(parents=True, exist_ok=True)
    wanted = {f"python{version}": interpreter for version, interpreter in found.items()}
    there = {path.name: path.readlink() for path in PYTHONS.iterdir()}
    right = {name for name, interpreter in there.items() if wanted.get(name) == interpreter}
    for name in there.keys() - right:
        (PYTHONS / name).unlink()
    for name in wanted.keys() - right:
        (PYTHONS / name).symlink_to(wanted[name])


def _find(version: str) -> Path | None:
    return next((real for path in _candidates(version) if (real := _real(path, version))), None)


def _candidates(version: str) -> list[Path]:
    name = f"python{version}"
    folders = [Path(folder) for folder in os.environ.get("PATH", os.defpath).split(os.pathsep)]
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    return [folder / name for folder in folders] + sorted(kept.glob(f"{version}.*/bin/{name}"))


def _real(path: Path, version: str) -> Path | None:
    """The executable behind the path, if it is of that version and can make environments."""
    if not os.access(path, os.X_OK):
        return None
    probe = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2], sys._base_executable)"
    try:
        done = subprocess.run([path, "-c", probe], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    told = done.stdout.split()
    return Path(told[1]) if done.returncode == 0 and told[0] == version else None
