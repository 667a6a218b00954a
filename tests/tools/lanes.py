# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stages side by side: each lane is a process of its own, which runs its stages one after the other.

A guest's emulated processor takes one of ours, so the stages that live in the Debian guest are a lane by themselves.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Sequence

from outcome import Outcome, Stage, verdict
from process import end_with_parent

TOOLS = Path(__file__).resolve().parent
IN_GUEST = ("kernel-guest", "integration-guest")  # in the Debian guest


def lanes(stages: Sequence[str]) -> list[list[str]]:
    """The stages by lane; all in one where there is only one processor."""
    if (os.cpu_count() or 1) < 2:
        return [list(stages)]
    here = [name for name in stages if name not in IN_GUEST]
    guest = [name for name in stages if name in IN_GUEST]
    return [lane for lane in (here, guest) if lane]


def side_by_side(stages: Sequence[str]) -> list[Stage]:
    """Every stage, in the order given, as its lane reported it."""
    with tempfile.TemporaryDirectory(prefix="fleet-lanes-") as folder:
        started = {Path(folder, str(number)): lane for number, lane in enumerate(lanes(stages))}
        children = [_start(report, lane) for report, lane in started.items()]
        try:
            for child in children:
                child.wait()
        finally:
            _end(children)
        found = {stage.name: stage for report in started for stage in _reported(report)}
    missing = [verdict("lane", False, "it ended before this stage did")]
    return [found.get(name, Stage(name, missing, 0.0)) for name in stages]


def report(to: Path, stage: Stage) -> None:
    """Adds a stage to the lane's report."""
    with to.open("a") as file:
        file.write(json.dumps(stage) + "\n")


def _start(to: Path, lane: Sequence[str]) -> subprocess.Popen[bytes]:
    """Out of reach of Ctrl-C: we tell it to end, once, and it stops its guests first."""
    argv = [sys.executable, str(TOOLS), "lane", str(to), *lane]
    return subprocess.Popen(argv, start_new_session=True, preexec_fn=end_with_parent)


def _end(children: Sequence[subprocess.Popen[bytes]]) -> None:
    for child in children:
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
    for child in children:
        child.wait()


def _reported(by: Path) -> list[Stage]:
    lines = by.read_text().splitlines() if by.exists() else []
    stages = (json.loads(line) for line in lines)
    return [Stage(name, [Outcome(*one) for one in outcomes], seconds) for name, outcomes, seconds in stages]
