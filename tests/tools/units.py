# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stage `units`: tests/unit on the controller's Python, and the oldest target's if it is here."""

from __future__ import annotations

import sys

import environment
import junit
from outcome import Outcome, verdict
from paths import LOGS, ROOT
from process import run


def units(words: tuple[str, ...] = ()) -> list[Outcome]:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return _pytest(version, ["python", "-m", "pytest", "-q", *(words or ("tests/unit",))])


def _pytest(version: str, argv: list[str]) -> list[Outcome]:
    results = LOGS / f"units-{version}.xml"
    results.unlink(missing_ok=True)
    title = f"pytest on Python {version}"
    log = LOGS / f"units-{version}.log"
    argv = [*argv, f"--junit-xml={results}"]
    done = run(title, argv, log, cwd=ROOT, env=environment.tools())
    found = junit.outcomes(results) if results.exists() else []
    return (
        found
        if done.good or any(o.status == "failed" for o in found)
        else [
            *found,
            verdict(title, False, f"pytest ended with status {done.status}"),
        ]
    )
