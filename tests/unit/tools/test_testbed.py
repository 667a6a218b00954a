# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The testbed's sessions, with a program in the place of QEMU: what they leave, and what they say when one fails."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

if sys.version_info < (3, 11):
    pytest.skip("the testbed runs on the controller's Python", allow_module_level=True)

TESTBED = Path(__file__).parents[3] / "tests" / "testbed"
QEMU = """#!{python}
import re, socket, sys, time
words = " ".join(sys.argv)
console = re.search(r"id=console,path=(\\S+)", words)[1]
open(console, "w").write("".join(f"line {{n}}\\n" for n in range(100)) + "Kernel panic - not syncing\\n")
if "{dies}":
    time.sleep(1)
    sys.exit("out of luck")
way_in = socket.create_server(("127.0.0.1", int(re.search(r"tcp:127.0.0.1:(\\d+)-", words)[1])))
while True:
    way_in.accept()[0].sendall(b"SSH-2.0-pretended\\r\\n")
"""


class Testbed:
    __test__ = False

    def __init__(self, folder: Path) -> None:
        self.folder, self.programs = folder, folder / "bin"
        self.programs.mkdir()
        self.env = {
            **os.environ,
            "TESTBED_CACHE": str(folder / "cache"),
            "TMPDIR": str(folder),
            "PYTHONPATH": str(TESTBED),
            "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}",
        }
        self.program("ssh", "#!/bin/sh\n")
        self.qemu(dies=False)
        key = "from image import _key; from recipes import RECIPES; print(_key(RECIPES['debian']))"
        made = subprocess.run([sys.executable, "-c", key], env=self.env, check=True, capture_output=True, text=True)
        image = folder / "cache" / "images" / f"debian-{made.stdout.strip()}"
        image.mkdir(parents=True)
        (image / "host.pub").write_text("ssh-ed25519 AAAA root")

    def qemu(self, dies: bool) -> None:
        self.program("qemu-system-x86_64", QEMU.format(python=sys.executable, dies="yes" if dies else ""))

    def program(self, name: str, text: str) -> None:
        (self.programs / name).write_text(text)
        (self.programs / name).chmod(0o755)

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, str(TESTBED / "testbed.py"), *words]
        return subprocess.run(argv, env=self.env, capture_output=True, text=True, timeout=60, check=False)

    def running(self) -> list[str]:
        return [line.split(":")[0] for line in self("list").stdout.splitlines() if ": running, pid" in line]

    def left(self) -> list[str]:
        """Files of sessions and connections, and programs of ours that still run."""
        files = [path.name for path in (self.folder / "cache" / "sessions").glob("*")]
        return files + [path.name for path in self.folder.glob("testbed-*")] + self._processes()

    def _processes(self) -> list[str]:
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes()
            except OSError:
                continue
            found += [path.parent.name] if os.fsencode(self.folder) in words else []
        return found


@pytest.fixture
def testbed(tmp_path):
    found = Testbed(tmp_path)
    yield found
    found("stop", "--all")


def test_sessions_side_by_side_know_nothing_of_each_other(testbed):
    assert testbed("--session", "a", "start", "debian").returncode == 0
    assert testbed("--session", "b", "start", "debian").returncode == 0
    assert testbed.running() == ["a/debian", "b/debian"]
    ports = {testbed("--session", name, "inventory", "--json").stdout for name in "ab"}
    assert len(ports) == 2
    again = testbed("--session", "a", "start", "debian")
    assert again.stdout.startswith("debian: already running")
    assert testbed("--session", "a", "stop").stdout == "debian: stopped\n"
    assert testbed.running() == ["b/debian"]
    assert testbed("--session", "b", "stop").stdout == "debian: stopped\n"
    assert testbed.left() == []


def test_a_guest_that_does_not_come_up_fails_with_the_end_of_its_console(testbed):
    testbed.qemu(dies=True)
    failed = testbed("start", "debian")
    assert failed.returncode == 1
    first, *rest = failed.stderr.splitlines()
    assert first == "testbed: debian: QEMU ended before an SSH banner came."
    assert rest[0] == "its console ended:"
    assert rest[1:31] == [*(f"line {n}" for n in range(71, 100)), "Kernel panic - not syncing"]
    assert rest[31:] == ["", "QEMU said:", "out of luck"]
    assert testbed.left() == []


def test_a_guest_goes_with_the_process_that_it_follows(testbed):
    followed = subprocess.Popen(["sleep", "60"])
    try:
        assert testbed("start", "debian", "--follow", str(followed.pid)).returncode == 0
        assert testbed.running() == ["default/debian"]
    finally:
        followed.kill()
        followed.wait()
    deadline = time.monotonic() + 20
    while testbed.left() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert testbed.left() == []


def test_an_interrupted_start_leaves_nothing(testbed):
    testbed.program("ssh", "#!/bin/sh\nexit 1\n")
    argv = [sys.executable, str(TESTBED / "testbed.py"), "start", "debian"]
    starting = subprocess.Popen(argv, env=testbed.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 20
    while not testbed.running() and time.monotonic() < deadline:
        time.sleep(0.1)
    starting.terminate()
    _said, complaint = starting.communicate(timeout=30)
    assert (starting.returncode, complaint) == (130, "testbed: interrupted\n")
    assert testbed.left() == []


def test_what_is_missing_or_unknown_is_said(testbed):
    assert testbed("start", "beos").stderr == "testbed: no such guest: beos\n"
    assert testbed("enter", "debian").stderr == "testbed: no guest debian is running in session default\n"
    (testbed.programs / "qemu-system-x86_64").unlink()
    testbed.env["PATH"] = str(testbed.programs)
    assert testbed("start", "debian").stderr == "testbed: to start a guest qemu-system-x86_64 is missing\n"
    assert testbed.left() == []
