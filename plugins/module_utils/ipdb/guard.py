# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that takes a transaction back unless it is confirmed in time; of its own, with its own code.

It holds the network namespace open and answers at a socket beside the journal: that it can be reached says that it
watches, and whoever ends the transaction knocks there to have it look. What counts is the journal alone, read under
the lock; so confirming and taking back exclude each other.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import syslog
import time
import typing as t

from ..netlink.channel import NetlinkSocket
from . import announcing, lock, recovery, transaction
from .capture import look
from .failures import NotRolledBack

if t.TYPE_CHECKING:
    from .transaction import Transaction

GONE = 10.0  # seconds that the one who asked is given to end
ANSWERED = 0.5  # seconds after that, for its answer to go out before the way may be cut
LOCK = 3600.0  # seconds to wait for somebody who is at the network
ATTEMPTS = 6  # to take it back, fifteen seconds in all
PAUSE = 1.0  # seconds between two times that neighbours are told where an address is
TOLD, TOLD_BACK = 8, 2  # times, after a change and after it was taken back


def argv(mine: Transaction, netns: str) -> list[str]:
    """The command that runs it: without the environment's and the site's Python modules."""
    return [sys.executable or "/usr/bin/python3", "-IS", mine.path(".code"), mine.folder, mine.uuid, netns]


def main(words: t.Sequence[str]) -> None:
    folder, uuid, netns = words
    os.umask(0o077)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    syslog.openlog("fleet.hypervisor", syslog.LOG_PID, syslog.LOG_DAEMON)
    with NetlinkSocket(netns=netns) as channel, transaction.find(folder, uuid) as mine:
        with _door(mine.path(".guard")) as door:
            guard = Guard(channel, mine, door, owner=int(netns.split("/")[2]))
            guard.run()
            os._exit(0)  # at once, while the visitors' conversations are open: their end says that we are gone


def _door(path: str) -> socket.socket:
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    door.bind(path)
    door.listen(16)
    return door


class Guard:
    def __init__(self, channel: NetlinkSocket, mine: Transaction, door: socket.socket, owner: int) -> None:
        self.channel, self.mine, self.door, self.owner = channel, mine, door, owner
        self.visitors: list[socket.socket] = []  # they are told of our end by our end

    def run(self) -> None:
        self._await_order()
        if self.mine.about("guarded").get("detached"):
            self._carry_out()
        self._watch()
        if not self._is_over():
            with lock.locked(self.mine.folder, LOCK):
                self._take_back()
            self._clear()
            self._send_away()
            for _unused in range(TOLD_BACK):
                time.sleep(PAUSE)
                self._announce("after")
        self._clear()

    def _watch(self) -> None:
        """Until it is over or the time is up; meanwhile the neighbours are told, for links may not carry at once."""
        to_tell = TOLD
        while not self._is_over() and self._left() > 0:
            self._answer(min(self._left(), PAUSE) if to_tell else self._left())
            if to_tell and self.mine.stage == "applied":
                to_tell -= 1
                self._announce("before")

    def _announce(self, other: str) -> None:
        """Where addresses are now that are elsewhere in the picture `other`."""
        try:
            announcing.announce(self.channel, self.mine.picture(other), look(self.channel).picture)
        except Exception as error:  # whatever it is, to watch is what we are here for
            self._log(f"telling the neighbours: {error}")

    def _await_order(self) -> None:
        """Until the journal says how long to watch. Who started us says so at once, or has been killed."""
        while self.mine.last("guarded") is None and os.path.exists(f"/proc/{self.owner}"):
            self._answer(0.05)
            self._look()

    def _look(self) -> None:
        self.mine.journal.read()

    def _is_over(self) -> bool:
        self._look()
        return self.mine.over

    def _left(self) -> float:
        return float(self.mine.about("guarded").get("deadline", 0)) - time.monotonic()

    def _answer(self, wait: float) -> None:
        """Opens to whoever knocks within `wait` seconds."""
        if select.select([self.door], [], [], max(0.0, wait))[0]:
            self.visitors.append(self.door.accept()[0])

    def _carry_out(self) -> None:
        """Makes the changes, when the task that asked for them has ended and its answer is on its way."""
        self._answer_while(lambda: os.path.exists(f"/proc/{self.owner}"), GONE)
        self._answer_while(lambda: True, ANSWERED)
        with lock.locked(self.mine.folder, LOCK):
            if self._is_over():
                return
            try:
                recovery.carry_out(self.channel, self.mine)
            except Exception as error:  # it has been taken back, and the journal tells why
                self._log(f"failed: {error}")

    def _answer_while(self, so: t.Callable[[], bool], seconds: float) -> None:
        """For so long, unless it is over: who takes it back waits for our end."""
        until = time.monotonic() + seconds
        while so() and not self._is_over() and time.monotonic() < until:
            self._answer(0.05)

    def _take_back(self) -> None:
        """Tries again where it is refused: the network may be in the middle of something."""
        for attempt in range(ATTEMPTS):
            if self._is_over():
                return
            try:
                self._log(recovery.roll_back(self.channel, self.mine, "it was not confirmed in time"))
            except (NotRolledBack, OSError, ValueError) as error:
                self._log(str(error))
                time.sleep(attempt)

    def _send_away(self) -> None:
        """Who waits for our end waits for what has been done by now."""
        for one in (*self.visitors, self.door):
            one.close()
        self.visitors.clear()

    def _clear(self) -> None:
        for suffix in (".guard", ".code"):
            try:
                os.unlink(self.mine.path(suffix))
            except FileNotFoundError:
                pass

    def _log(self, sentence: str) -> None:
        syslog.syslog(syslog.LOG_WARNING, f"network transaction {self.mine.uuid}: {sentence}")
