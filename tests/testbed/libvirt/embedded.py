# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What playbooks/quickstart_lab.yml stands on: a guest to be started, and a libvirtd where the machine runs none.

    python3 embedded.py guest DIRECTORY      # in DIRECTORY/guest the one with Python; `tiny` for the one without
    python3 embedded.py tiny DIRECTORY
    python3 embedded.py libvirtd DIRECTORY   # one that runs on in DIRECTORY/libvirtd, if none does yet
    python3 embedded.py down DIRECTORY       # ends it with all its guests, and removes what both have made

Each prints JSON: `changed`, and of a libvirtd its `uri`, and `pid`, whose namespaces of network and mounts its guests
are in. DIRECTORY/ssh is an ssh from within them. DIRECTORY has to be short, and QEMU's user has to get to it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import pythonic
import tiny

START_LIMIT = 30.0  # seconds
STOP_LIMIT = 20.0
SSH = """#!/bin/sh
# Written by {program}: ssh from the network of the libvirtd with the number {pid}
exec nsenter -t {pid} -n -- ssh "$@"
"""


def guest(folder: Path, image: Path | None = None) -> dict[str, object]:
    """The name of an image in the cache has what it is made of."""
    image = image or pythonic.image()
    place, mark = folder / "guest", folder / "guest" / "made-from"
    if mark.exists() and mark.read_text() == image.name:
        return {"changed": False}
    shutil.rmtree(place, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(image, place)
    place.chmod(0o755)
    mark.write_text(image.name)
    return {"changed": True}


def libvirtd(folder: Path) -> dict[str, object]:
    """Raises SystemExit when it does not start."""
    state = folder / "libvirtd"
    path = state / "run" / "libvirt-sock"
    uri = f"qemu+unix:///system?socket={path}"
    pid = _behind(path)
    if pid:
        return {"changed": False, "uri": uri, "pid": pid}
    state.mkdir(parents=True, exist_ok=True)
    with (folder / "libvirtd.log").open("ab") as log:
        daemon = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("daemon.py")), str(state)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    (folder / "libvirtd.pid").write_text(f"{daemon.pid}\n")
    deadline = time.monotonic() + START_LIMIT
    while not pid:
        if daemon.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"libvirtd did not start: see {folder / 'libvirtd.log'}")
        time.sleep(0.1)
        pid = _behind(path)
    _write_ssh(folder / "ssh", pid)
    return {"changed": True, "uri": uri, "pid": pid}


def _behind(path: Path) -> int:
    """The number of the process that listens there; 0 where none does."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return 0
        found = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return struct.unpack("3i", found)[0]


def _write_ssh(path: Path, pid: int) -> None:
    path.write_text(SSH.format(program=Path(__file__).name, pid=pid))
    path.chmod(0o755)


def down(folder: Path) -> dict[str, object]:
    """Of the whole directory: all in it is ours."""
    if not folder.exists():
        return {"changed": False}
    pid = _daemon(folder)
    if pid:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_LIMIT
        while _daemon(folder) and time.monotonic() < deadline:
            time.sleep(0.1)
    shutil.rmtree(folder)
    return {"changed": True}


def _daemon(folder: Path) -> int:
    """The number of the process that we started, if it is still that one; else 0."""
    try:
        pid = int((folder / "libvirtd.pid").read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return 0
    return pid if os.fsencode(folder / "libvirtd") in words else 0


COMMANDS = {"guest": guest, "tiny": lambda folder: guest(folder, tiny.image()), "libvirtd": libvirtd, "down": down}

if __name__ == "__main__":
    command, directory = sys.argv[1:]
    print(json.dumps(COMMANDS[command](Path(directory))))
