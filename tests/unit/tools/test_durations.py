# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Durations between the lines of a playbook."""

from __future__ import annotations

import importlib
import typing as t
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[3] / "tests" / "tools"

SAID = """\
PLAY [A] ****

TASK [First] ****
ok: [host]

\x1b[0;35mTASK [Second] ****\x1b[0m
--- before
+++ after

changed: [host]

PLAY [B] ****

RUNNING HANDLER [Third] ****
ok: [host]

PLAY RECAP ****
host : ok=3
"""
TOLD = """\
PLAY [A] ****

TASK [First] ****
ok: [host]
  1.0 s

\x1b[0;35mTASK [Second] ****\x1b[0m
--- before
+++ after

changed: [host]
  1.0 s

PLAY [B] ****

RUNNING HANDLER [Third] ****
ok: [host]
  1.0 s

PLAY RECAP ****
host : ok=3
"""


@pytest.fixture
def timed(monkeypatch) -> t.Callable[..., t.Iterator[str]]:
    monkeypatch.syspath_prepend(str(TOOLS))
    return importlib.import_module("durations").timed


def test_the_duration_of_a_task_stands_behind_its_last_line(timed):
    seconds = iter(range(100))
    assert "".join(timed(SAID.splitlines(keepends=True), lambda: next(seconds))) == TOLD


def test_nothing_is_lost_of_what_has_no_tasks(timed):
    words = "ERROR! no such playbook\n\n"
    assert "".join(timed(words.splitlines(keepends=True))) == words
