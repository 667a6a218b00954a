# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pytest carried into a guest, whose Python has nothing, with the collection and the tests that are to run there."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
from pathlib import Path
from typing import NamedTuple

import environment
import pytests
import tree
from guests import Guests
from integration import GUEST_PYTHON
from locks import held
from outcome import Outcome
from paths import CACHE, LOGS, REQUIREMENTS, ROOT, VENV
from process import must, run

COMMON = ("plugins/", "tests/conftest.py", "tests/__init__.py", "pyproject.toml")
UNPACK = "mkdir -p /opt/check && tar -xf - -C /opt/check"
RESULTS = "/opt/check/results.xml"


class Tests(NamedTuple):
    """`sent`: beginnings of the paths that they need, `chosen`: what pytest is told, `setting`: NAME=value."""

    title: str
    sent: tuple[str, ...]
    chosen: tuple[str, ...]
    setting: str


def inside(guests: Guests, guest: str, tests: Tests) -> list[Outcome]:
    name = tests.title.replace(" ", "-")
    log, results = LOGS / f"{name}.log", LOGS / f"{name}.xml"
    env = environment.tools()
    enter = guests.command("enter", guest, "--")
    send = run("send the tests", [*enter, UNPACK], log, cwd=ROOT, env=env, stdin=_archive(name, tests.sent))
    if not send.good:
        return pytests.counted(tests.title, send, results)
    words = " ".join([*pytests.ARGUMENTS, f"--junit-xml={RESULTS}", *tests.chosen])
    command = f"cd /opt/check/checkout && PYTHONPATH=/opt/check/site {tests.setting} python3 {words}"
    done = run(tests.title, [*enter, command], log, cwd=ROOT, env=env)
    run("fetch the results", [*enter, f"cat {RESULTS}"], results, cwd=ROOT, env=env)
    return pytests.counted(tests.title, done, results)


def _archive(name: str, sent: tuple[str, ...]) -> Path:
    archive = CACHE / f"{name}.tar"
    with tarfile.open(archive, "w") as packed:
        for path in tree.checkout_files():
            if path.startswith(COMMON + sent):
                packed.add(ROOT / path, f"checkout/{path}")
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
