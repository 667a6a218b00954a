# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pytest, wherever it runs, as outcomes."""

from __future__ import annotations

from pathlib import Path

import environment
import junit
from outcome import FAILED, Outcome, verdict
from paths import LOGS, ROOT
from process import Finished, run

ARGUMENTS = ["-m", "pytest", "-q"]


def here(title: str, python: list[str], *words: str) -> list[Outcome]:
    """Run pytest on this machine with that interpreter (or what wraps it)."""
    name = title.replace(" ", "-")
    results = LOGS / f"{name}.xml"
    results.unlink(missing_ok=True)
    argv = [*python, *ARGUMENTS, f"--junit-xml={results}", *words]
    done = run(title, argv, LOGS / f"{name}.log", cwd=ROOT, env=environment.tools())
    return counted(title, done, results)


def counted(title: str, done: Finished, results: Path) -> list[Outcome]:
    """What the results say, and a failure more if pytest failed in a way they do not say."""
    found = junit.outcomes(results) if results.exists() else []
    if not done.good and not any(outcome.status == FAILED for outcome in found):
        found.append(verdict(title, False, f"pytest ended with status {done.status}"))
    if not found:
        found.append(verdict(title, False, "no test ran"))
    return [outcome._replace(name=f"{outcome.name} [{title}]") for outcome in found]
