# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host as a task finds it: its devices by name and number, and all about those that the task is about."""

from __future__ import annotations

import fcntl
import os
import stat
import struct
import typing as t

from .. import constants as c
from .. import mangle, readahead
from ..header import Answer, dev_text
from ..payload import Line, Listed
from ..targets import equality
from .mapper import Mapper

HDIO_GETGEO = 0x0301  # linux/hdreg.h
GEOMETRY = struct.Struct("@BBHL")  # struct hd_geometry: heads, sectors, cylinders, start
MAPPER = "/dev/mapper/"

Numbers = t.Tuple[int, int, int, int]


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


class Picture(t.NamedTuple):
    """`names` has every device of the host, `found` those that were asked for."""

    names: t.Dict[str, Listed]
    found: t.Dict[str, Found]

    def by_uuid(self, uuid: str) -> str:
        """The name of the device with that uuid, "" if there is none."""
        return next((one.name for one in self.names.values() if one.uuid == uuid), "")

    def mapper_name(self, device: str) -> str:
        """The kernel's name that a path in /dev/mapper means, "" for any other path."""
        if not device.startswith(MAPPER):
            return ""
        name = device[len(MAPPER) :]
        return name if name in self.names else mangle.mangle(name, mangle.HEX if "\\" not in name else mangle.NONE)

    def resolve(self, device: str) -> str:
        """`major:minor` of a device as a table has it; as it is where it is not there."""
        name = self.mapper_name(device)
        return dev_text(self.names[name].dev) if name in self.names else equality.resolved(device)

    def shown(self, device: str) -> str:
        """A device as people call it: its path, by its name where it is the device-mapper's."""
        number = self.resolve(device)
        if not equality.NUMBERS.match(number):
            return device
        dev = os.makedev(*map(int, number.split(":")))
        name = next((one.name for one in self.names.values() if one.dev == dev), "")
        return MAPPER + mangle.unmangle(name) if name else equality.device_path(dev)


def observe(mapper: Mapper, names: t.Iterable[str], uuids: t.Iterable[str]) -> Picture:
    """Raises DmError."""
    listed = {one.name: one for one in mapper.devices()}
    wanted = set(uuids)
    asked = [*names, *(one.name for one in listed.values() if one.uuid and one.uuid in wanted)]
    found = {}
    for name in dict.fromkeys(asked):
        one = look(mapper, listed[name]) if name in listed else None
        if one is not None:
            found[name] = one
    return Picture(listed, found)


def look(mapper: Mapper, listed: Listed) -> Found | None:
    """None where the device has gone meanwhile."""
    both = mapper.table(listed.name)
    if both is None:
        return None
    answer, live = both
    waiting = mapper.table(listed.name, inactive=True) if answer.flags & c.INACTIVE_PRESENT else None
    return Found(listed, answer, live if answer.flags & c.ACTIVE_PRESENT else [], waiting[1] if waiting else [])


class NodeState(t.NamedTuple):
    mode: int
    uid: int
    gid: int


def node_of(mapper: Mapper, found: Found) -> NodeState | None:
    """Mode and owner of the device's node; None where there is none."""
    try:
        state = os.stat(mapper.nodes.path(found.listed.name))
    except OSError:
        return None
    return NodeState(stat.S_IMODE(state.st_mode), state.st_uid, state.st_gid)


def read_ahead_of(found: Found) -> int | None:
    return readahead.read(found.dev)


def geometry_of(mapper: Mapper, found: Found) -> Numbers | None:
    """Cylinders, heads, sectors, start; None where the device cannot be asked."""
    try:
        fd = os.open(mapper.nodes.path(found.listed.name), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        heads, sectors, cylinders, start = GEOMETRY.unpack(fcntl.ioctl(fd, HDIO_GETGEO, bytes(GEOMETRY.size)))
    except OSError:
        return None
    finally:
        os.close(fd)
    return cylinders, heads, sectors, start
