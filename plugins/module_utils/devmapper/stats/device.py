# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Statistics of one device, asked for and changed through the control device."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import typing as t

from .. import constants as c
from ..control import ControlDevice, message
from ..errors import DmError, DmRefused, DmValueError
from ..header import Request, dev_text
from ..mangle import mangle, unmangle
from ..payload import Listed, decode_names, decode_table
from . import answers, messages
from .answers import Area, Region
from .messages import Span

AREA_BYTES, BIN_BYTES = 120, 8  # of an area's line as it is with some traffic: guesses save asking twice


class Device:
    """`name` is the kernel's name, `title` what people call the device."""

    def __init__(self, channel: ControlDevice, listed: Listed) -> None:
        self.channel, self.listed, self.name = channel, listed, listed.name
        self.title = unmangle(listed.name)

    @property
    def number(self) -> str:
        """`major:minor`."""
        return dev_text(self.listed.dev)

    def targets(self) -> list[tuple[int, int]]:
        """Start and length, in sectors, of each target of the live table. Raises DmRefused."""
        answer = self.channel.ask(Request(c.TABLE_STATUS, self.name, flags=c.NOFLUSH))
        return [(start, length) for start, length, _kind, _status in decode_table(answer)]

    def size(self) -> int:
        """Sectors. Raises DmValueError where there is no live table, DmRefused."""
        targets = self.targets()
        if not targets:
            raise DmValueError(f"the device {self.title} has no table yet, and so no sectors to count")
        start, length = targets[-1]
        return start + length

    def _ask(self, text: str) -> str:
        return message(self.channel, self.name, 0, text)

    def regions(self, program_id: str = "") -> list[Region]:
        """All regions, or those of a program, by their number. Raises DmError."""
        return answers.regions(self._ask(messages.listing(program_id)))

    def create(self, span: Span, program_id: str, aux_data: str = "") -> int:
        """The new region's number. Raises DmError."""
        return answers.created(self._ask(messages.create(span, program_id, aux_data)))

    def delete(self, region_id: int) -> None:
        self._ask(messages.delete(region_id))

    def clear(self, region_id: int) -> None:
        self._ask(messages.clear(region_id))

    def set_aux(self, region_id: int, aux_data: str) -> None:
        self._ask(messages.set_aux(region_id, aux_data))

    def areas(self, region: Region, clearing: bool = False) -> list[Area]:
        """All areas of a region as they are now. Raises DmError."""
        span = region.span
        with _room(self.channel, span.areas * (AREA_BYTES + BIN_BYTES * len(span.bounds))):
            return answers.areas(self._ask(messages.reading(region.id, clearing)), span)


@contextlib.contextmanager
def _room(channel: ControlDevice, size: int) -> t.Iterator[None]:
    """A buffer of that size meanwhile: kept, it would be copied forth and back with each small message to come."""
    usual = channel.size
    channel.size = max(usual, size)
    try:
        yield
    finally:
        channel.size = usual


def every(channel: ControlDevice) -> list[Device]:
    """All devices of the host, by name. Raises DmError."""
    found = decode_names(channel.ask(Request(c.LIST_DEVICES, flags=c.UUID)))
    return [Device(channel, listed) for listed in sorted(found)]


def find(devices: t.Sequence[Device], written: str) -> Device | None:
    """The device that is meant by a name, a path of its node, `major:minor` or its uuid; None if it is not there."""
    if "/" in written:
        number = _number_of(written)
        return next((one for one in devices if one.listed.dev == number), None)
    name = mangle(written)
    for fits in (
        lambda one: one.name == name,
        lambda one: one.number == written,
        lambda one: bool(one.listed.uuid) and unmangle(one.listed.uuid) == written,
    ):
        found = next(filter(fits, devices), None)
        if found:
            return found
    return None


def must_find(devices: t.Sequence[Device], written: str) -> Device:
    """Raises DmRefused."""
    found = find(devices, written)
    if found is None:
        raise DmRefused(errno.ENXIO, c.DEV_STATUS, written)
    return found


def _number_of(path: str) -> int | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DmError(error.errno or errno.EIO, f"look at {path}: {error.strerror}") from None
    if not stat.S_ISBLK(found.st_mode):
        raise DmValueError(f"{path} is no block device")
    return found.st_rdev
