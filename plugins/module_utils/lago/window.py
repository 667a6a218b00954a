# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A moment in which no VM of a lab runs, so that what is then taken of each fits to the others.

Before it, guests whose agent answers can be asked to write out what they have in memory and to hold still (quiescing);
that takes as long as a guest likes, while all of them run on.
"""

from __future__ import annotations

import time
import typing as t
from contextlib import contextmanager
from xml.etree import ElementTree

from ..hypervisor.connection import Connection
from ..hypervisor.errors import KvmError
from .documents.domain import AGENT
from .errors import SnapshotError
from .parallel import invoke_in_parallel

RUNNING, PAUSED = 1, 3  # VIR_DOMAIN_* of the state (libvirt/libvirt-domain.h)
ANSWER = 20  # seconds for an agent to freeze or thaw
BACK = 5.0  # seconds for the channel of an agent to be open again in a VM that goes on from memory
PAUSE = 0.01

Domains = t.Mapping[str, t.Any]  # live domains of libvirt by the names of VMs


class Window:
    """`seconds`: from the first VM that was paused until the last one ran again."""

    def __init__(self, connection: Connection, domains: Domains) -> None:
        self._connection, self._domains = connection, domains
        self.seconds = 0.0

    def __enter__(self) -> Window:
        self._opened = time.monotonic()
        try:
            invoke_in_parallel(self._suspend, self._domains)
        except BaseException:
            self._resume()
            raise
        return self

    def __exit__(self, *_unused: object) -> None:
        self._resume()
        self.seconds = time.monotonic() - self._opened

    def _suspend(self, name: str) -> None:
        self._connection.ask_of(self._domains[name], "suspend")

    def _resume(self) -> None:
        wake(self._connection, self._domains)


def wake(connection: Connection, domains: Domains) -> None:
    """Lets those run on that are paused. Raises KvmError, when all others are awake."""

    def one(name: str) -> None:
        try:
            connection.ask_of(domains[name], "resume")
        except KvmError:
            if state_of(connection, domains[name]) == PAUSED:
                raise

    invoke_in_parallel(one, domains)


def state_of(connection: Connection, domain: t.Any) -> int:
    return int(connection.ask_of(domain, "state", 0)[0])


@contextmanager
def quiesced(connection: Connection, domains: Domains, wanted: bool | None) -> t.Iterator[list[str]]:
    """Holds the file systems of guests still; gives the names of those that are.

    `wanted`: None asks those whose agent is there, True fails where one is not (SnapshotError), False asks none.
    """
    asked = [name for name in domains if wanted or (wanted is None and has_agent(connection, domains[name]))]
    frozen: list[str] = []
    try:
        invoke_in_parallel(lambda name: _freeze(connection, name, domains[name], bool(wanted), frozen), asked)
        yield sorted(frozen)
    finally:
        thaw(connection, {name: domains[name] for name in frozen})


def _freeze(connection: Connection, name: str, domain: t.Any, must: bool, frozen: list[str]) -> None:
    try:
        connection.ask_of(domain, "agentSetResponseTimeout", ANSWER, 0)
        connection.ask_of(domain, "fsFreeze", None, 0)
    except KvmError as error:
        thaw(connection, {name: domain})  # it may have frozen too late for an answer
        if must:
            raise SnapshotError(f"{name}: its file systems cannot be held still: {error}") from error
        return
    frozen.append(name)


def thaw(connection: Connection, domains: Domains) -> None:
    """Where there is nothing frozen, or no agent, there is nothing to be done."""

    def one(name: str) -> None:
        try:
            connection.ask_of(domains[name], "fsThaw", None, 0)
        except KvmError:  # an agent that went away: a guest thaws by itself when it boots, and not before
            pass

    invoke_in_parallel(one, [name for name in domains if has_agent(connection, domains[name])])


def set_clocks(connection: Connection, domains: Domains) -> None:
    """Guests that went on from a memory image believe the time of then: their agents tell them that of now.

    `domains`: of guests whose agent was there when the image was taken.
    """

    def one(name: str) -> None:
        try:
            with connection.beside() as own:  # an agent takes a second: it writes the clock of the machine too
                domain = own.ask("lookupByUUIDString", domains[name].UUIDString())
                if _agent_is_back(own, domain):
                    own.ask_of(domain, "agentSetResponseTimeout", ANSWER, 0)
                    seconds, rest = divmod(time.time_ns(), 10**9)
                    own.ask_of(domain, "setTime", {"seconds": seconds, "nseconds": rest})
        except KvmError:  # an agent without that command, a guest without a clock
            pass

    invoke_in_parallel(one, domains)


def _agent_is_back(connection: Connection, domain: t.Any) -> bool:
    """QEMU says that a channel is open only when the guest has run again for a moment."""
    deadline = time.monotonic() + BACK
    while not has_agent(connection, domain):
        if time.monotonic() > deadline:
            return False
        time.sleep(PAUSE)
    return True


def has_agent(connection: Connection, domain: t.Any) -> bool:
    """Whether a guest has opened the channel of the agent. Raises KvmError."""
    root = ElementTree.fromstring(connection.ask_of(domain, "XMLDesc", 0))
    return any(
        target.get("name") == AGENT and target.get("state") == "connected"
        for target in root.iterfind("devices/channel/target")
    )
