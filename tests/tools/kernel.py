# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stage `kernel`: tests/kernel against this machine's kernel, and against the guest's.

What this machine's kernel lacks is skipped here by name and must pass in the guest.
"""

from __future__ import annotations

import hashlib
import shutil
import tarfile
from pathlib import Path

import environment
import pytests
import tree
from guests import Guests, running
from integration import GUEST_PYTHON
from locks import held
from outcome import Outcome
from paths import CACHE, LOGS, REQUIREMENTS, ROOT, VENV
from process import must, run

TESTS = "tests/kernel"
SENT = ("plugins/", "tests/conftest.py", "tests/__init__.py", f"{TESTS}/", "pyproject.toml")
UNPACK = "mkdir -p /opt/check && tar -xf - -C /opt/check"
RUN = (
    "cd /opt/check/checkout && PYTHONPATH=/opt/check/site FLEET_KERNEL=guest"
    f" python3 {' '.join(pytests.ARGUMENTS)} --junit-xml=/opt/check/results.xml {TESTS}"
)


def kernel() -> list[Outcome]:
    # Not in a sandbox: the kernel tells of ended tasks in the first network namespace only.
    found = pytests.here("kernel here", [str(VENV / "bin" / "python")], TESTS)
    archive = _archive()
    with running("debian") as guests:
        return found + _guest(guests, archive)


def _guest(guests: Guests, archive: Path) -> list[Outcome]:
    title, log, results = "kernel guest", LOGS / "kernel-guest.log", LOGS / "kernel-guest.xml"
    env = environment.tools()
    enter = guests.command("enter", "debian", "--")
    send = run("send the tests", [*enter, UNPACK], log, cwd=ROOT, env=env, stdin=archive)
    if not send.good:
        return pytests.counted(title, send, results)
    done = run(title, [*enter, RUN], log, cwd=ROOT, env=env)
    run("fetch the results", [*enter, "cat /opt/check/results.xml"], results, cwd=ROOT, env=env)
    return pytests.counted(title, done, results)


def _archive() -> Path:
    """The collection, its kernel tests and pytest for the guest's Python, which has nothing."""
    archive = CACHE / "kernel-tests.tar"
    with tarfile.open(archive, "w") as packed:
        for name in tree.checkout_files():
            if name.startswith(SENT):
                packed.add(ROOT / name, f"checkout/{name}")
        packed.add(_site(), "site")
    return archive


def _site() -> Path:
    pins = (REQUIREMENTS / "guest.txt").read_text() + (REQUIREMENTS / "constraints.txt").read_text()
    folder = CACHE / f"guest-site-{hashlib.sha256(pins.encode()).hexdigest()[:12]}"
    with held("guest-site"):
        if not folder.exists():
            for old in CACHE.glob("guest-site-*"):
                shutil.rmtree(old)
            _install(folder.with_suffix(".new"))
            folder.with_suffix(".new").rename(folder)
    return folder


def _install(folder: Path) -> None:
    pip = [str(VENV / "bin" / "pip"), "install", "-q", "--no-compile", "--target", str(folder)]
    kind = ["--python-version", GUEST_PYTHON, "--only-binary", ":all:"]
    pins = ["-r", str(REQUIREMENTS / "guest.txt"), "-c", str(REQUIREMENTS / "constraints.txt")]
    must(
        "pytest for the guest",
        [*pip, *kind, *pins],
        LOGS / "guest-site.log",
        cwd=CACHE,
        env=environment.tools(),
        lack="pytest for the guest cannot be had (no network?)",
    )
