# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs measured work in processes of their own, and takes their time and peak memory.

This process imports little: what it starts has at least its peak memory.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import typing as t

HERE = os.path.dirname(os.path.abspath(__file__))


class Failed(Exception):
    """A measured process ended with an error, or peers came to different results."""


class Run(t.NamedTuple):
    seconds: float
    memory: int  # KiB, the largest of the process and those that it started
    result: t.Any


class Sample(t.NamedTuple):
    """The medians of one side's runs."""

    seconds: float
    memory: int  # KiB; 0: not measured


def child(netns: str, module: str, function: str, *arguments: object, small: str = "-") -> Run:
    """One run of `module.function(*arguments)` inside a namespace ("-": where we are).

    `small`: a namespace where it is done once before, out of the clock.
    """
    reading, writing = os.pipe()
    script = os.path.join(HERE, "side.py")
    argv = [sys.executable, script, small, netns, module, function, *map(str, arguments)]
    actions = [(os.POSIX_SPAWN_DUP2, writing, 1), (os.POSIX_SPAWN_CLOSE, reading)]
    pid = os.posix_spawn(sys.executable, argv, os.environ, file_actions=actions, setpgroup=0)
    os.close(writing)
    try:
        with os.fdopen(reading) as file:
            said = file.read()
    except BaseException:
        os.killpg(pid, signal.SIGKILL)
        os.wait4(pid, 0)
        raise
    _unused, status, usage = os.wait4(pid, 0)
    if status:
        code = os.waitstatus_to_exitcode(status)
        raise Failed(f"{module}.{function} in {netns} ended with status {code}")
    answer = json.loads(said.splitlines()[-1])
    return Run(answer["seconds"], usage.ru_maxrss, answer["result"])


def sample(runs: t.Sequence[Run]) -> Sample:
    middle = len(runs) // 2
    return Sample(
        sorted(run.seconds for run in runs)[middle],
        sorted(run.memory for run in runs)[middle],
    )


def alternate(sides: t.Sequence[t.Callable[[], Run]], rounds: int, warm: bool = True) -> list[Sample]:
    """Each side in turn, A B A B ..., with `warm` after a round that does not count.

    Raises Failed when they do not come to the same result.
    """
    runs: list[list[Run]] = [[] for _unused in sides]
    for number in range(0 if warm else 1, rounds + 1):
        found = [side() for side in sides]
        if len({run.result for run in found}) != 1:
            raise Failed(f"different results: {', '.join(str(run.result) for run in found)}")
        if number:
            for kept, run in zip(runs, found, strict=True):
                kept.append(run)
    return [sample(kept) for kept in runs]
