# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stage `units`: tests/unit on the controller's Python, and on a target's oldest."""

from __future__ import annotations

import sys
from pathlib import Path

import environment
import pytests
import pythons
from locks import held
from outcome import SKIPPED, Outcome
from paths import CACHE, LOGS, REQUIREMENTS, VENV
from process import must

PLACES = ("tests/unit",)
OLDEST = pythons.SUPPORTED[0]


def units() -> list[Outcome]:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return [
        *pytests.here(f"units on {version}", [str(VENV / "bin" / "python")], *PLACES),
        *_oldest(),
    ]


def _oldest() -> list[Outcome]:
    interpreter = pythons.find().get(OLDEST)
    if interpreter is None:
        return [Outcome(f"units on {OLDEST}", SKIPPED, f"this machine has no Python {OLDEST}")]
    return pytests.here(f"units on {OLDEST}", [str(_environment(interpreter))], *PLACES)


def _environment(interpreter: Path) -> Path:
    """An environment of that interpreter with the pytest that still runs on it."""
    pins = REQUIREMENTS / "oldest.txt"
    folder = CACHE / f"venv-{OLDEST}"
    python, stamp = folder / "bin" / "python", folder / "made-from"
    with held(folder.name):
        if not stamp.exists() or stamp.read_text() != pins.read_text():
            for title, argv in (
                (f"environment of {OLDEST}", [str(interpreter), "-m", "venv", "--clear", folder]),
                (f"pytest of {OLDEST}", [python, "-m", "pip", "install", "-q", "-r", pins]),
            ):
                must(
                    title,
                    [str(word) for word in argv],
                    LOGS / f"{folder.name}.log",
                    cwd=CACHE,
                    env=environment.tools(),
                    lack=f"pytest for Python {OLDEST} cannot be had (no network?)",
                )
            stamp.write_text(pins.read_text())
    return python
