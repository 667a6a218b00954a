# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs: what can be done to devices, with udev told, nodes there, and a watchdog over what must not stay.

Names are the kernel's (mangled) ones here.
"""

from __future__ import annotations

import errno
import time
import typing as t

from .. import constants as c
from .. import payload, udev
from ..control import message
from ..errors import DmError, DmRefused, DmTimeout
from ..header import Answer, Request
from ..nodes import Access, Nodes
from ..targets import equality
from ..targets.secrets import has_secrets
from .kernellog import KernelLog
from .reader import Reader
from .watchdog import COOKIE, DEVICE, SUSPENDED, TABLE, Watchdog

Lines = t.Sequence[payload.Line]
PAUSE = 0.1  # seconds between two tries to remove


class Mapper(Reader):
    """An open control device and what goes with it. A context; raises DmError."""

    def __init__(self, timeout: float = 30.0) -> None:
        """`timeout`: seconds that udev has for its rules."""
        super().__init__()
        self.timeout = timeout
        self.nodes = Nodes()
        self.watchdog = Watchdog()
        self.log: KernelLog | None = None
        self.cookie: udev.Cookie | None = None
        self.expected: dict[str, int | None] = {}  # nodes that have to be there (the device), or not (None)
        self.accepted: dict[str, list[payload.Line]] = {}  # tables that were loaded, as the kernel shows them

    def __exit__(self, *_exception: t.Any) -> None:
        try:
            self.settle()
        finally:
            self.watchdog.close()
            super().__exit__()
            if self.log is not None:
                self.log.close()

    def normal_form(self, name: str, lines: Lines, readonly: bool) -> list[payload.Line]:
        """`lines` as the kernel shows them: loaded into the inactive slot, read back, and cleared."""
        self.watchdog.begin(TABLE, name)
        try:
            self.channel.ask(_loading(name, lines, readonly))
            found = self.table(name, inactive=True)
        finally:
            self._clear(name)
        return found[1] if found else []

    # -- changing

    def create(self, name: str, uuid: str = "") -> None:
        self.watchdog.begin(DEVICE, name)
        try:
            self.channel.ask(Request(c.DEV_CREATE, name, uuid))
        except DmError:
            self.watchdog.end(DEVICE, name)
            raise

    def load(self, name: str, lines: Lines, readonly: bool = False) -> None:
        """Into the inactive slot, and verifies that the kernel took it as it was meant."""
        self.watchdog.begin(TABLE, name)
        try:
            self._explained(_loading(name, lines, readonly))
        except DmError as error:
            self.watchdog.end(TABLE, name)
            raise self._taken(error, lines)
        found = self.table(name, inactive=True)
        if found is None or [line[:3] for line in found[1]] != [tuple(line[:3]) for line in lines]:
            self._clear(name)
            raise DmError(errno.EIO, f"the table that was loaded into {name} does not read back as it was written")
        self.accepted[name] = found[1]

    def _explained(self, request: Request, send: t.Callable[[Request], Answer] | None = None) -> Answer:
        """Sends a request; when the kernel refuses it, the error has the kernel's own words too."""
        if self.log is None:
            self.log = KernelLog()
        self.log.mark()
        try:
            return (send or self.channel.ask)(request)
        except DmRefused as error:
            said = self.log.said()
            raise error.noted(said)

    def clear(self, name: str) -> None:
        self._clear(name)

    def _clear(self, name: str) -> None:
        try:
            self.channel.ask(Request(c.TABLE_CLEAR, name))
        finally:
            self.watchdog.end(TABLE, name)

    def suspend(self, name: str, flags: int = 0, temporary: bool = False) -> None:
        """A `temporary` suspension is taken back by the watchdog should this process be killed."""
        if temporary:
            self.watchdog.begin(SUSPENDED, name)
        self.channel.ask(Request(c.DEV_SUSPEND, name, flags=c.SUSPEND | flags))

    def resume(self, name: str, flags: int = 0) -> None:
        """Swaps an inactive table in. Whatever the kernel says, the device is not suspended afterwards.

        A swap that fails half way leaves a device suspended with its old table: it is resumed with that.
        """
        self.watchdog.begin(SUSPENDED, name)
        try:
            answer = self._explained(Request(c.DEV_SUSPEND, name, flags=flags), self._event)
        except DmError:
            self.unstick(name)
            raise
        for kind in (SUSPENDED, TABLE, DEVICE):
            self.watchdog.end(kind, name)
        self.expected[name] = answer.dev

    def unstick(self, name: str) -> None:
        """Resumes a device with the table that is live, whatever waits in the inactive slot."""
        state = self.status(name)
        if state is not None and state.flags & c.SUSPEND:
            if state.flags & c.INACTIVE_PRESENT:
                self._clear(name)
            self.channel.ask(Request(c.DEV_SUSPEND, name))
        self.watchdog.end(SUSPENDED, name)

    def rename(self, name: str, new: str) -> None:
        raw = new.encode("utf-8", "surrogateescape") + b"\0"
        answer = self._event(Request(c.DEV_RENAME, name, payload=raw))
        self.expected[name] = None
        self.expected[new] = answer.dev

    def set_uuid(self, name: str, uuid: str) -> None:
        raw = uuid.encode("utf-8", "surrogateescape") + b"\0"
        self._event(Request(c.DEV_RENAME, name, flags=c.UUID, payload=raw))

    def remove(self, name: str, retry: float = 0.0, deferred: bool = False) -> None:
        """Tries for `retry` seconds while somebody has it open; `deferred`: the last one who closes it removes it."""
        deadline = time.monotonic() + retry
        request = Request(c.DEV_REMOVE, name, flags=c.DEFERRED_REMOVE if deferred else 0)
        while True:
            try:
                answer = self._event(request)
                break
            except DmRefused as error:
                if error.errno != errno.EBUSY:
                    raise
                if time.monotonic() >= deadline:
                    raise self._busy(error, name)
            self.settle()
            time.sleep(PAUSE)
        self.watchdog.end(DEVICE, name)
        if not answer.flags & c.DEFERRED_REMOVE:
            self.expected[name] = None

    def _busy(self, error: DmRefused, name: str) -> DmRefused:
        from .busy import NOBODY, holders

        state = self.status(name)
        found = holders(state.dev) if state is not None else []
        count = f", open {state.open_count} times" if state is not None else ""
        who = "; ".join(found) if found else f"{NOBODY}{count}"
        return error.noted(f"held by {who}")

    def _taken(self, error: DmError, lines: Lines) -> DmError:
        """An error of a load that says who has the devices below to himself."""
        if not isinstance(error, DmRefused) or error.errno != errno.EBUSY:
            return error
        from .busy import of_devices

        return error.noted(of_devices(equality.devices(lines)))

    def set_geometry(self, name: str, geometry: t.Sequence[int]) -> None:
        self.channel.ask(Request(c.DEV_SET_GEOMETRY, name, payload=b"%d %d %d %d\0" % tuple(geometry)))

    def message(self, name: str, sector: int, text: str) -> str:
        return message(self.channel, name, sector, text)

    # -- udev

    def _event(self, request: Request) -> Answer:
        """Carries out a command that udev hears of."""
        if not udev.running():
            return self.channel.ask(request)
        if self.cookie is None:
            self.cookie = udev.Cookie()
            self.watchdog.begin(COOKIE, str(self.cookie.semid))
        event_nr, made = self.cookie.event(), False
        try:
            answer = self.channel.ask(request._replace(event_nr=event_nr))
            made = bool(answer.flags & c.UEVENT_GENERATED)
            return answer
        finally:
            if not made:
                self.cookie.no_event()

    def settle(self) -> None:
        """Waits for udev to be through with everything so far; then all nodes are as they have to be.

        Raises DmTimeout; the nodes have been made without udev then.
        """
        cookie, self.cookie = self.cookie, None
        in_time = True
        if cookie is not None:
            try:
                in_time = cookie.wait(self.timeout)
            finally:
                self.watchdog.end(COOKIE, str(cookie.semid))
        expected, self.expected = self.expected, {}
        for name, dev in expected.items():
            if dev is None:
                self.nodes.remove(name)
            else:
                self.nodes.ensure(name, dev, Access())
        if not in_time:
            raise DmTimeout(
                f"udev is not through with its rules for {', '.join(expected) or 'the devices'} after"
                f" {self.timeout:g} s (is udevd alive? nodes were made without it, no cookie is left)"
            )


def _loading(name: str, lines: Lines, readonly: bool) -> Request:
    flags = (c.READONLY if readonly else 0) | (c.SECURE_DATA if has_secrets(lines) else 0)
    return Request(c.TABLE_LOAD, name, flags=flags, target_count=len(lines), payload=payload.encode_table(lines))
