# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make` runs ends with it, however it is ended; and what cannot be had is said in one sentence."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

if sys.version_info < (3, 11):
    pytest.skip("the tools run on the controller's Python", allow_module_level=True)

TOOLS = Path(__file__).parents[3] / "tests" / "tools"
STEP = """
import os, pathlib, sys, process
process.interrupt_on_signals()
folder = pathlib.Path({folder!r})
argv = [sys.executable, "-c", "import subprocess, sys; subprocess.run(['sleep', '300', sys.argv[1]])", "{mark}"]
try:
    process.run("sleepers", argv, folder / "log", cwd=folder, env=dict(os.environ))
except KeyboardInterrupt:
    raise SystemExit(130)
"""
LANES = """
import pathlib, lanes, process
process.interrupt_on_signals()
lanes.os.cpu_count = lambda: 2
lanes.TOOLS = pathlib.Path({folder!r}, "{mark}.py")
lanes.TOOLS.write_text("import time; time.sleep(300)")
try:
    lanes.side_by_side(["lint", "kernel-guest"])
except KeyboardInterrupt:
    raise SystemExit(130)
"""


def running(mark: str) -> list[str]:
    """The processes whose command line has that word."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        found += [path.parent.name] * any(word.endswith((mark.encode(), f"{mark}.py".encode())) for word in words)
    return found


def until(true, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.05)
    return true()


@pytest.fixture
def mark(tmp_path):
    """A word that names the processes of this test; as a length of sleep it is a second more."""
    return f"0.{os.getpid()}{time.monotonic_ns()}"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("program", [STEP, LANES], ids=["a step", "lanes"])
def test_nothing_is_left_running(tmp_path, mark, program, number):
    argv = [sys.executable, "-c", program.format(folder=str(tmp_path), mark=mark)]
    env = {**os.environ, "PYTHONPATH": str(TOOLS)}
    it = subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        assert until(lambda: len(running(mark)) == 2)
        it.send_signal(number)
        assert it.wait(30) == 130
        assert running(mark) == []
    finally:
        it.kill()


@pytest.fixture
def tools(monkeypatch):
    """Imports a module of tests/tools, whose names must not stay among those of other tests."""
    monkeypatch.syspath_prepend(str(TOOLS))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(TOOLS) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_who_is_not_root_is_told(tools, monkeypatch):
    prepare = tools("prepare")
    monkeypatch.setattr(prepare.os, "geteuid", lambda: 1000)
    with pytest.raises(tools("process").Stop, match="^make run needs root, and this is user 1000$"):
        prepare.need_root("make run")
    with pytest.raises(tools("process").Stop, match="^missing Debian packages, and not root .*: a b$"):
        prepare.packages({"b": "no-such-program", "a": "/no/such/file", "sh": "sh"})


def test_what_apt_cannot_have_is_said(tools, monkeypatch, tmp_path):
    prepare = tools("prepare")
    monkeypatch.setattr(prepare.os, "geteuid", lambda: 0)
    monkeypatch.setattr(prepare, "LOGS", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(tools("process").Stop, match="^missing programs of these Debian packages, and no apt-get: a$"):
        prepare.packages({"a": "no-such-program"})
    (tmp_path / "apt-get").write_text("#!/bin/sh\necho 'Could not resolve host'\nexit 100\n")
    (tmp_path / "apt-get").chmod(0o755)
    with pytest.raises(tools("process").Stop, match=r"^Debian packages could not be installed \(no network\?\): a$"):
        prepare.packages({"a": "no-such-program"})


def test_a_lane_that_ends_early_fails_what_it_had_left(tools, monkeypatch, tmp_path):
    lanes = tools("lanes")
    monkeypatch.setattr(lanes.os, "cpu_count", lambda: 2)
    program = tmp_path / "lane.py"
    program.write_text('import sys; open(sys.argv[2], \'w\').write(\'["lint", [["ruff", "passed", ""]], 1.0]\\n\')')
    monkeypatch.setattr(lanes, "TOOLS", program)
    lint, units = lanes.side_by_side(["lint", "units"])
    assert [outcome.status for outcome in lint.outcomes] == ["passed"]
    assert [outcome.status for outcome in units.outcomes] == ["failed"]
