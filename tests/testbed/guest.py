# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A started guest: its state on disk, the way in, and its end."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Callable, NamedTuple

import processes
from errors import TestbedError
from machine import WAYS_IN

BOOT_LIMIT = 300.0  # seconds; an idle machine needs about 20, and 50 for dom0
READY_LIMIT = 120.0
CONSOLE_LINES = 30


class Guest(NamedTuple):
    name: str
    pid: int
    began: int  # the tick QEMU began at: pid and tick together name one process for ever
    port: int
    image: str
    folder: str  # console, disks, known_hosts; gone after stop
    runtime: str  # sockets of ssh connections, on a short path; gone after stop

    @property
    def alive(self) -> bool:
        return processes.alive(self.pid, self.began)


def save(guest: Guest) -> None:
    folder = Path(guest.folder)
    host_key = " ".join(Path(guest.image, "host.pub").read_text().split()[:2])
    names = ",".join(f"[{host}]:{guest.port}" for host in WAYS_IN)
    (folder / "known_hosts").write_text(f"{names} {host_key}\n")
    new = folder / "guest.json.new"
    new.write_text(json.dumps(guest._asdict(), indent=1))
    new.rename(folder / "guest.json")


def load(folder: Path) -> Guest | None:
    try:
        return Guest(**json.loads((folder / "guest.json").read_text()))
    except FileNotFoundError:
        return None


def stop(guest: Guest) -> None:
    processes.end(guest.pid, guest.began)
    shutil.rmtree(guest.runtime, ignore_errors=True)
    shutil.rmtree(guest.folder, ignore_errors=True)


def ssh_options(guest: Guest) -> list[str]:
    """Options under which ssh reads nothing of the user's and trusts this guest alone."""
    settings = {
        "UserKnownHostsFile": f'"{guest.folder}/known_hosts"',
        "GlobalKnownHostsFile": "none",
        "StrictHostKeyChecking": "yes",
        "IdentitiesOnly": "yes",
        "BatchMode": "yes",
        "LogLevel": "ERROR",
    }
    return ["-F", "none", *[f"-o{name}={value}" for name, value in settings.items()]]


def private_key(guest: Guest) -> str:
    return f"{guest.image}/id_ed25519"


def ssh(guest: Guest, *words: str) -> list[str]:
    """The command that logs in, or runs words there."""
    way_in = ["-i", private_key(guest), "-p", str(guest.port), "root@127.0.0.1"]
    return ["ssh", *ssh_options(guest), *way_in, *words]


def wait_ready(guest: Guest, command: str) -> None:
    """Return when the command has succeeded over SSH; raise with the end of the console if it will not."""
    _wait(guest, "an SSH banner", _banner, BOOT_LIMIT)
    _wait(guest, f"a success of `{command}`", lambda guest: _succeeds(guest, command), READY_LIMIT)


def _wait(guest: Guest, what: str, there: Callable[[Guest], bool], limit: float) -> None:
    deadline = time.monotonic() + limit
    while not there(guest):
        if not guest.alive:
            raise TestbedError(f"{guest.name}: QEMU ended before {what} came.{_last_words(guest)}")
        if time.monotonic() > deadline:
            raise TestbedError(f"{guest.name}: {what} did not come in {limit:.0f} s.{_last_words(guest)}")
        time.sleep(0.5)


def _banner(guest: Guest) -> bool:
    # QEMU accepts the connection before the guest does: only the server's words are evidence.
    try:
        with socket.create_connection(("127.0.0.1", guest.port), timeout=5) as way_in:
            return way_in.recv(4) == b"SSH-"
    except OSError:
        return False


def _succeeds(guest: Guest, command: str) -> bool:
    way_in = ssh(guest, command)
    try:
        done = subprocess.run(way_in, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _last_words(guest: Guest) -> str:
    parts = []
    for title, name in (("its console ended", "console.log"), ("QEMU said", "qemu.log")):
        path = Path(guest.folder, name)
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        parts += [f"\n{title}:", *lines[-CONSOLE_LINES:]] if lines else []
    return "\n".join(parts)
