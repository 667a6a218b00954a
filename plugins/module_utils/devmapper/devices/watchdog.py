# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second process that tidies up when this one is killed: what is between "begun" and "ended" is ended by it.

It hears through a pipe what is under way, and when the pipe closes it ends what still is: it resumes devices that were
suspended, clears tables that were loaded, removes devices that were created and semaphores of cookies. Nothing else
can: a device that stays suspended blocks whoever touches it, for ever.
"""

from __future__ import annotations

import os
import signal
import typing as t

from .. import constants as c
from .. import semaphore
from ..control import ControlDevice
from ..errors import DmError
from ..header import Request

COOKIE, TABLE, DEVICE, SUSPENDED = "cookie", "table", "device", "suspended"
ORDER = (SUSPENDED, TABLE, DEVICE, COOKIE)
MCL_CURRENT, MCL_FUTURE = 1, 2  # sys/mman.h


class Watchdog:
    """The process is there from the first `begin` on, until `close`."""

    def __init__(self) -> None:
        self.pid = 0
        self.pipe = -1

    def begin(self, kind: str, what: str) -> None:
        """Something that must not stay as it is about to be."""
        if not self.pid:
            self._start()
        self._say(f"+{kind} {what}")

    def end(self, kind: str, what: str) -> None:
        if self.pid:
            self._say(f"-{kind} {what}")

    def close(self) -> None:
        """The process ends what is under way, where anything is, and then itself."""
        if self.pid:
            os.close(self.pipe)
            os.waitpid(self.pid, 0)
            self.pid = 0

    def _say(self, line: str) -> None:
        os.write(self.pipe, f"{line}\n".encode("utf-8", "surrogateescape"))

    def _start(self) -> None:
        listening, self.pipe = os.pipe()
        self.pid = os.fork()
        if self.pid:
            os.close(listening)
            return
        try:
            os.close(self.pipe)
            _alone(listening)
            _listen(listening)
        finally:
            os._exit(0)


def _alone(kept: int) -> None:
    """Out of the reach of whatever kills the module, and in nobody's way: no terminal, no pipe of Ansible's."""
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os.closerange(3, kept)
    os.closerange(kept + 1, max(kept, os.sysconf("SC_OPEN_MAX")))
    os.chdir("/")
    lock_memory()


def lock_memory() -> None:
    """No page of this process has to be read from a disk that may be suspended just now."""
    import ctypes

    ctypes.CDLL(None).mlockall(MCL_CURRENT | MCL_FUTURE)


def _listen(pipe: int) -> None:
    under_way: dict[tuple[str, str], None] = {}
    with os.fdopen(pipe, encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            kind, _blank, what = line[1:].rstrip("\n").partition(" ")
            if line[0] == "+":
                under_way[kind, what] = None
            else:
                under_way.pop((kind, what), None)
    if under_way:
        tidy(under_way)


def tidy(under_way: t.Iterable[tuple[str, str]]) -> None:
    """Ends all that is under way; what fails does not keep the rest from being done."""
    with ControlDevice() as channel:
        for kind, what in sorted(under_way, key=lambda one: ORDER.index(one[0])):
            try:
                ENDING[kind](channel, what)
            except DmError:
                pass  # it was not begun after all, or somebody else has ended it


def _resume(channel: ControlDevice, name: str) -> None:
    # An inactive table would go live with the resume, and nobody is there to check what comes of it.
    channel.ask(Request(c.TABLE_CLEAR, name))
    channel.ask(Request(c.DEV_SUSPEND, name))


def _remove(channel: ControlDevice, name: str) -> None:
    if not channel.ask(Request(c.DEV_STATUS, name)).flags & c.ACTIVE_PRESENT:
        channel.ask(Request(c.DEV_REMOVE, name))


ENDING: t.Dict[str, t.Callable[[ControlDevice, str], t.Any]] = {
    SUSPENDED: _resume,
    TABLE: lambda channel, name: channel.ask(Request(c.TABLE_CLEAR, name)),
    DEVICE: _remove,
    COOKIE: lambda _channel, semid: semaphore.remove(int(semid)),
}
