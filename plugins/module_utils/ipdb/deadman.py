# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dead man's switch, seen from those who arm it, confirm, and ask whether it still watches.

Before the first change a process of its own is started (`guard.py`) that takes the transaction back unless it is
confirmed in time. Where systemd runs it is a transient unit, and so outlives the session and the control group that
asked for it; else it is a session of its own. Its code lies beside the journal, for Ansible's is gone with the task.
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
import time

from ..netlink.netns import OWN, NetNS, open_file
from .transaction import Transaction

BOOTED = "/run/systemd/system"  # sd_booted(3)
START = 20.0  # seconds for it to come up on a slow or busy host
PAUSE = 0.02


class NotGuarded(OSError):
    """The process that is to watch did not come up, so nothing was changed."""

    def __str__(self) -> str:
        return str(self.strerror)


def arm(transaction: Transaction, netns: NetNS, timeout: float, detached: bool) -> None:
    """Starts the guard and returns when it watches. `detached`: it also makes the changes, once we are gone.

    Raises NotGuarded, NoSuchNamespace.
    """
    from . import guard
    from .carry import write_code

    write_code(transaction.path(".code"))
    there = open_file(OWN if netns is None else netns)
    try:
        # The namespace by way of us, for it may have no name, or one that only our mount namespace knows.
        words = guard.argv(transaction, f"/proc/{os.getpid()}/fd/{there}")
        keeper = _start(transaction.uuid, words)
        deadline = time.monotonic() + timeout
        transaction.journal.append("guarded", by=keeper, timeout=timeout, deadline=deadline, detached=detached)
        _await(transaction)
    finally:
        os.close(there)


def _start(uuid: str, words: list[str]) -> str:
    """Starts it; what keeps it: "systemd" or "session"."""
    runner = shutil.which("systemd-run", path="/usr/bin:/bin")
    if runner and os.path.isdir(BOOTED) and _seen_by_init():
        unit = [runner, "--quiet", "--collect", f"--unit={unit_of(uuid)}", "--service-type=exec"]
        properties = ["--property=IgnoreOnIsolate=yes", "--property=OOMScoreAdjust=-1000"]
        done = subprocess.run(
            [*unit, *properties, "--", *words], stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        if done.returncode == 0:
            return "systemd"
    subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )
    return "session"


def unit_of(uuid: str) -> str:
    return f"fleet-hypervisor-ipdb-{uuid}"


def _seen_by_init() -> bool:
    """Whether systemd sees the files and processes that we see: it does not from within a container's namespaces."""
    return all(
        os.path.samefile(f"/proc/1/ns/{kind}", f"/proc/self/ns/{kind}")
        for kind in ("mnt", "pid")
        if os.path.exists(OWN)
    )


def _await(transaction: Transaction) -> None:
    deadline = time.monotonic() + START
    while not alive(transaction):
        if time.monotonic() > deadline:
            raise NotGuarded(errno.ETIMEDOUT, "the process that is to take the changes back did not start")
        time.sleep(PAUSE)


def _knock(transaction: Transaction, wait: float) -> socket.socket | None:
    """A conversation with the guard; None where there is none.

    Raises BlockingIOError where so many stand at its door, for it has other things to do, that no more may.
    """
    deadline = time.monotonic() + wait
    while True:
        door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        try:
            door.connect(transaction.path(".guard"))
            return door
        except BlockingIOError:
            door.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(PAUSE)
        except OSError:
            door.close()
            return None


def alive(transaction: Transaction) -> bool:
    """Whether its guard watches."""
    try:
        door = _knock(transaction, 0)
    except BlockingIOError:
        return True
    if door is None:
        return False
    door.close()
    return True


def dismiss(transaction: Transaction, wait: float = 10.0) -> bool:
    """Tells the guard to look at the journal, which says that all is over; whether it is gone after `wait` seconds."""
    try:
        door = _knock(transaction, wait)
    except BlockingIOError:
        return False
    if door is None:
        return True
    with door:
        door.settimeout(wait)
        try:
            return door.recv(1) == b""  # it says nothing: its end closes the conversation
        except ConnectionError:
            return True
        except socket.timeout:
            return False


def left(transaction: Transaction) -> float:
    """Seconds until the guard takes the changes back."""
    return max(0.0, float(transaction.about("guarded").get("deadline", 0)) - time.monotonic())
