# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests of the testbed for the length of a block: started, known, and stopped however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import Any, Iterator, NamedTuple

import environment
from paths import LOGS, ROOT, TESTBED
from process import Stop, run, say


class Guests(NamedTuple):
    session: str
    variables: dict[str, dict[str, Any]]  # of each guest, as in the inventory

    def command(self, *words: str) -> list[str]:
        return testbed(self.session, *words)


def testbed(session: str, *words: str) -> list[str]:
    return [sys.executable, str(TESTBED), "--session", session, *words]


@contextmanager
def running(*names: str, session: str = "", keep: bool = False) -> Iterator[Guests]:
    """Start the named guests in a session; they stop by themselves should we be killed."""
    session = session or f"run-{os.getpid()}"
    argv = testbed(session, "start", *names)
    if not keep:
        argv += ["--follow", str(os.getpid())]
    try:
        started = run(
            f"guest {' '.join(names)}",
            argv,
            LOGS / "guest-start.log",
            cwd=ROOT,
            env=environment.tools(),
        )
        if not started.good:
            raise Stop(f"the guest did not start: see {started.log}")
        yield Guests(session, _variables(session))
    finally:
        if not keep:
            stop(session)


def stop(session: str) -> None:
    """Stop the session's guests; a second Ctrl-C waits for that."""
    old = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        done = subprocess.run(testbed(session, "stop"), capture_output=True, text=True, check=False)
        if done.returncode != 0 or done.stdout:
            say(f"  guest {(done.stdout + done.stderr).strip()}")
    finally:
        signal.signal(signal.SIGINT, old)


def _variables(session: str) -> dict[str, dict[str, Any]]:
    argv = testbed(session, "inventory", "--json")
    told = subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout
    return {name: values for group in json.loads(told).values() for name, values in group["hosts"].items()}
