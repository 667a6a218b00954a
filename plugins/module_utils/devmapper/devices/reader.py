# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be asked of devices. Names are the kernel's (mangled) ones."""

from __future__ import annotations

import errno
import time
import typing as t

from .. import constants as c
from .. import mangle, payload
from ..control import ControlDevice
from ..errors import DmRefused, DmTimeout
from ..header import Answer, Request

Table = t.Tuple[Answer, t.List[payload.Line]]
TABLE = c.STATUS_TABLE | c.NOFLUSH | c.SECURE_DATA  # a table may have a key in it

Self = t.TypeVar("Self", bound="Reader")


class Reader:
    """An open control device. A context; raises DmError."""

    def __init__(self) -> None:
        self.channel = ControlDevice()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *_exception: t.Any) -> None:
        self.channel.close()

    def devices(self, name: str = "", uuid: str = "") -> list[payload.Listed]:
        """All devices, or those whose name and uuid begin so: the kernel looks (Linux 5.12 on), and this after it."""
        found = payload.decode_names(self.channel.ask(Request(c.LIST_DEVICES, name, uuid, flags=c.UUID)))
        if not name and not uuid:
            return found
        return [one for one in found if one.name.startswith(name) and one.uuid.startswith(uuid)]

    def status(self, name: str) -> Answer | None:
        """None where there is no such device."""
        return self._or_none(Request(c.DEV_STATUS, name))

    def name_of(self, uuid: str) -> str:
        """The name of the device with that uuid, "" where there is none."""
        answer = self._or_none(Request(c.DEV_STATUS, uuid=uuid))
        return answer.name if answer is not None else ""

    def table(self, name: str, inactive: bool = False) -> Table | None:
        """State and table of a device in one command; None where there is no such device."""
        flags = TABLE | (c.QUERY_INACTIVE_TABLE if inactive else 0)
        answer = self._or_none(Request(c.TABLE_STATUS, name, flags=flags))
        return None if answer is None else (answer, payload.decode_table(answer))

    def tables(self, names: t.Sequence[str]) -> list[Table | None]:
        """`table` of each device."""
        answers = self.channel.ask_each(Request(c.TABLE_STATUS, flags=TABLE), names)
        return [
            self.table(name) if answer is None else (answer, payload.decode_table(answer))
            for name, answer in zip(names, answers)
        ]

    def target_status(self, name: str) -> list[payload.Line]:
        """What each target says of itself; nothing is flushed for it."""
        answer = self._or_none(Request(c.TABLE_STATUS, name, flags=c.NOFLUSH))
        return [] if answer is None else payload.decode_table(answer)

    def deps(self, name: str) -> list[int]:
        """The devices that the live table stands on."""
        answer = self._or_none(Request(c.TABLE_DEPS, name))
        return [] if answer is None else payload.decode_deps(answer)

    def target_versions(self) -> dict[str, tuple[int, int, int]]:
        """Of the target types that the kernel has loaded."""
        return payload.decode_versions(self.channel.ask(Request(c.LIST_VERSIONS)))

    def target_version(self, kind: str) -> tuple[int, int, int] | None:
        """Of one target type, which the kernel loads for that (Linux 5.4 on); None where it has no such type."""
        try:
            answer = self.channel.ask(Request(c.GET_TARGET_VERSION, kind))
        except DmRefused as error:
            if error.errno == errno.EINVAL:
                return None
            raise
        return payload.decode_versions(answer).get(kind)

    def wait(self, known: t.Mapping[str, int], seconds: float) -> dict[str, int]:
        """Waits until a device has had events after the known number; the numbers of those that had.

        Raises DmTimeout, DmRefused for a device that is not there.
        """
        deadline = time.monotonic() + seconds
        while True:
            self.channel.arm()  # before looking, so that nothing in between is missed
            moved = {name: number for name, number in self._event_numbers(known).items() if number > known[name]}
            if moved:
                return moved
            rest = deadline - time.monotonic()
            if rest <= 0:
                raise DmTimeout(f"no event of {', '.join(map(mangle.unmangle, known))} within {seconds:g} s")
            try:
                self.channel.wait_any(rest)
            except DmTimeout:
                pass  # looked at once more, then told

    def _event_numbers(self, names: t.Iterable[str]) -> dict[str, int]:
        return {name: self.channel.ask(Request(c.DEV_STATUS, name)).event_nr for name in names}

    def _or_none(self, request: Request) -> Answer | None:
        try:
            return self.channel.ask(request)
        except DmRefused as error:
            if error.errno != errno.ENXIO:
                raise
            return None
