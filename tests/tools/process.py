# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a command to its end with a log, signs of life, and nothing left behind when interrupted."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

SIGN_OF_LIFE = 30.0  # seconds between two lines while a step says nothing itself
TAIL = 40  # lines of a log shown after a failure
GRACE = ((signal.SIGINT, 10.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))
PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Stop(Exception):
    """Something cannot be had; the text says in one sentence what is missing."""


class Finished(NamedTuple):
    status: int
    seconds: float
    log: Path

    @property
    def good(self) -> bool:
        return self.status == 0

    def text(self) -> str:
        return self.log.read_text(errors="replace")


def say(text: str) -> None:
    print(text, flush=True)


def run(
    title: str,
    argv: list[str],
    log: Path,
    *,
    cwd: Path,
    env: dict[str, str],
    stdin: Path = Path(os.devnull),
) -> Finished:
    """Run argv with its output in `log`; say when it starts, lives and ends, and why it failed."""
    log.parent.mkdir(parents=True, exist_ok=True)
    say(f"  {title} ...")
    began = time.monotonic()
    with stdin.open("rb") as source, log.open("wb") as output:
        child = subprocess.Popen(
            argv,
            stdin=source,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=env,
            start_new_session=True,
            preexec_fn=end_with_parent,
        )
        status = _attend(title, child, began, log)
    seconds = time.monotonic() - began
    if status != 0:
        say(f"  {title}: FAILED with status {status} after {seconds:.1f} s; the log ends:")
        say("".join(f"    | {line}\n" for line in last_lines(log, TAIL)).rstrip("\n"))
        say(f"    the whole log: {log}")
    else:
        say(f"  {title}: done in {seconds:.1f} s")
    return Finished(status, seconds, log)


def must(title: str, argv: list[str], log: Path, *, cwd: Path, env: dict[str, str], lack: str) -> None:
    """As run(), but without it nothing further can be done: `lack` is the sentence that says so."""
    if not run(title, argv, log, cwd=cwd, env=env).good:
        raise Stop(lack)


def last_lines(log: Path, count: int) -> list[str]:
    return log.read_text(errors="replace").splitlines()[-count:]


def interrupt_on_signals() -> None:
    """Let a polite end (SIGTERM, SIGHUP) unwind as Ctrl-C does, so that guests are stopped.

    Ctrl-C itself too: who was started in the background of a shell ignores it, and so would all that is started here.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _attend(title: str, child: subprocess.Popen[bytes], began: float, log: Path) -> int:
    try:
        while True:
            try:
                return child.wait(SIGN_OF_LIFE)
            except subprocess.TimeoutExpired:
                said = "".join(last_lines(log, 1))[:70].strip()
                say(f"  {title}: {time.monotonic() - began:.0f} s so far" + (f", at: {said}" if said else ""))
    finally:
        end_group(child)


def end_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def end_group(child: subprocess.Popen[Any]) -> None:
    """End what the child's own process group still holds, from the politest signal on."""
    for number, seconds in GRACE:
        child.poll()
        try:
            os.killpg(child.pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            child.poll()
            if not _group_lives(child.pid):
                return
            time.sleep(0.05)
    print(f"process group {child.pid} outlives SIGKILL", file=sys.stderr)


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
