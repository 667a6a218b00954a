# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host as a task finds it: its devices by name and number, and all about those that the task is about."""

from __future__ import annotations

import os
import typing as t

from .. import constants as c
from .. import mangle
from ..header import Answer, dev_text
from ..payload import Line, Listed
from ..targets import equality
from .reader import Reader

MAPPER = "/dev/mapper/"


class Found(t.NamedTuple):
    """A device as it is."""

    listed: Listed
    answer: Answer
    live: t.List[Line]
    inactive: t.List[Line]

    @property
    def dev(self) -> int:
        return self.listed.dev

    def has(self, flag: int) -> bool:
        return bool(self.answer.flags & flag)


class Picture:
    """`names` has every device of the host, `found` those that were asked for; `asked` are all names of a task."""

    def __init__(self, names: dict[str, Listed], found: dict[str, Found], asked: t.Collection[str] = ()) -> None:
        self.names, self.found, self.asked = names, found, asked
        self.numbers = {dev_text(one.dev): one.name for one in names.values()}
        self.paths: dict[str, str] = {}
        self.words = equality.Respelling(self.shown)  # of arguments

    def by_uuid(self, uuid: str) -> str:
        """The name of the device with that uuid, "" if there is none."""
        return next((name for name, one in self.found.items() if one.listed.uuid == uuid), "")

    def mapper_name(self, device: str) -> str:
        """The kernel's name that a path in /dev/mapper means, "" for any other path."""
        if not device.startswith(MAPPER):
            return ""
        name = device[len(MAPPER) :]
        if name in self.names or name in self.asked:
            return name
        return mangle.mangle(name, mangle.HEX if "\\" not in name else mangle.NONE)

    def resolve(self, device: str) -> str:
        """`major:minor` of a device as a table has it; as it is where it is not there."""
        name = self.mapper_name(device)
        return dev_text(self.names[name].dev) if name in self.names else equality.resolved(device)

    def shown(self, device: str) -> str:
        """A device as people call it: its path, by its name where it is the device-mapper's."""
        if device not in self.paths:
            self.paths[device] = self._path(device)
        return self.paths[device]

    def _path(self, device: str) -> str:
        number = self.resolve(device)
        if not equality.NUMBERS.match(number):
            return device
        if number in self.numbers:
            return MAPPER + mangle.unmangle(self.numbers[number])
        return equality.device_path(os.makedev(*map(int, number.split(":"))))


def observe(reader: Reader, names: t.Iterable[str], uuids: t.Iterable[str]) -> Picture:
    """Raises DmError."""
    listed = {one.name: one for one in reader.devices()}
    asked = dict.fromkeys([*names, *filter(None, (reader.name_of(uuid) for uuid in uuids))])
    found = look(reader, [listed[name] for name in asked if name in listed])
    return Picture(listed, {one.listed.name: one for one in found}, asked)


def look(reader: Reader, listed: t.Sequence[Listed]) -> list[Found]:
    """Without those that have gone meanwhile."""
    tables = reader.tables([one.name for one in listed])
    return [_found(reader, one, *both) for one, both in zip(listed, tables) if both is not None]


def _found(reader: Reader, listed: Listed, answer: Answer, live: list[Line]) -> Found:
    flags = answer.flags
    waiting = reader.table(listed.name, inactive=True) if flags & c.INACTIVE_PRESENT else None
    if listed.uuid != answer.uuid:  # a list has none before Linux 5.12
        listed = listed._replace(uuid=answer.uuid)
    return Found(listed, answer, live if flags & c.ACTIVE_PRESENT else [], waiting[1] if waiting else [])
