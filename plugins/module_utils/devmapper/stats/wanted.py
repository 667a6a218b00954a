# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task of `dm_stats` asks for: on each device, regions with their geometry, and perhaps a group of them."""

from __future__ import annotations

import os
import typing as t

from ..control import ControlDevice
from ..errors import DmValueError
from . import bounds, device, files, groups
from .device import Device
from .messages import Span
from .size import sectors

REGION: t.Dict[str, t.Dict[str, t.Any]] = {
    "start": {"type": "str"},
    "length": {"type": "str"},
    "areas": {"type": "int"},
    "area_size": {"type": "str"},
    "precise": {"type": "bool"},
    "bounds": {"type": "list", "elements": "str"},
    "user_data": {"type": "str"},
}
PLACES = ("start", "length", "segments", "regions", "areas", "area_size", "precise", "bounds")  # they tell geometry


class Piece(t.NamedTuple):
    """A wanted region. `user_data` None: as it is."""

    span: Span
    user_data: str | None = None


class Wanted(t.NamedTuple):
    """What is wanted of one device. `pieces` None: all regions of the program, whatever their geometry."""

    device: Device
    pieces: t.List[Piece] | None
    alias: str | None  # of the group that the pieces form; "" for one without a name, None for no group


class Task(t.NamedTuple):
    state: str
    program_id: str
    purge: bool
    wanted: t.List[Wanted]


def parse(channel: ControlDevice, params: t.Mapping[str, t.Any]) -> Task:
    """Raises DmError."""
    devices = device.every(channel)
    found = _files(devices, params) if params["files"] else _devices(devices, params)
    return Task(params["state"], params["program_id"], params["purge"], found)


def _devices(devices: list[Device], params: t.Mapping[str, t.Any]) -> list[Wanted]:
    """All devices of the host count as far as there is something to count on them."""
    gone = params["state"] == "absent"
    chosen: t.Dict[str, Device] = {}
    for written in params["devices"]:
        found = device.find(devices, written) if gone else device.must_find(devices, written)
        if found:
            chosen[found.name] = found
    if params["all_devices"]:
        chosen = {one.name: one for one in devices if gone or one.targets()}
    alias = _alias(params)
    return [Wanted(one, None if _anywhere(params) else _pieces(one, params), alias) for one in chosen.values()]


def _anywhere(params: t.Mapping[str, t.Any]) -> bool:
    return params["state"] != "present" and not any(params[place] for place in PLACES)


def _alias(params: t.Mapping[str, t.Any]) -> str | None:
    if params["group"] is False or (params["group"] is None and params["alias"] is None):
        return None
    return checked_alias(params["alias"] or "")


def checked_alias(alias: str) -> str:
    groups.encode(groups.Group(alias, (0,)))
    return alias


def _pieces(one: Device, params: t.Mapping[str, t.Any]) -> list[Piece]:
    if params["segments"]:
        return [Piece(_span(start, length, params), params["user_data"]) for start, length in one.targets()]
    size = one.size()
    return [_piece(_with(params, item), size, f"regions[{at}]: ") for at, item in enumerate(params["regions"])] or [
        _piece(params, size)
    ]


def _with(params: t.Mapping[str, t.Any], item: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """A row of `regions`: what it does not say, the task says for all."""
    own = {key: value for key, value in item.items() if value is not None}
    if "areas" in own or "area_size" in own:
        own = {"areas": None, "area_size": None, **own}
    return {**params, **own}


def _piece(item: t.Mapping[str, t.Any], size: int, where: str = "") -> Piece:
    """Raises DmValueError."""
    try:
        start = sectors(item["start"] or 0, "start")
        length = sectors(item["length"], "length") if item["length"] else size - start
        if length < 1 or start + length > size:
            raise DmValueError(f"no region of {length} sectors fits from sector {start} on: the device ends at {size}")
        return Piece(_span(start, length, item), item["user_data"])
    except DmValueError as error:
        raise DmValueError(f"{where}{error}") from None


def _span(start: int, length: int, item: t.Mapping[str, t.Any]) -> Span:
    limits = bounds.parse(item["bounds"] or [])
    precise = bounds.need_precise(limits) if item["precise"] is None else item["precise"]
    if bounds.need_precise(limits) and not precise:
        raise DmValueError("bounds that are no whole milliseconds need precise timestamps")
    step = length
    if item["areas"] is not None:
        if item["areas"] < 1:
            raise DmValueError(f"areas: {item['areas']} is not 1 or more")
        step = -(-length // item["areas"])
    elif item["area_size"] is not None:
        step = sectors(item["area_size"], "area_size")
        if step < 1:
            raise DmValueError("area_size: an area has a sector or more")
    return Span(start, length, step, precise, limits)


def _files(devices: list[Device], params: t.Mapping[str, t.Any]) -> list[Wanted]:
    if params["alias"] is not None and len(params["files"]) > 1:
        raise DmValueError("alias: several files cannot have one, for each is a group; they are named after the files")
    found: list[Wanted] = []
    for path in params["files"]:
        alias = checked_alias(params["alias"]) if params["alias"] else _alias_of(path)
        if params["state"] == "present":
            found.append(_file(path, devices, None if params["group"] is False else alias, params))
        elif os.path.exists(path):
            found.append(Wanted(files.device_of(path, devices), None, alias))
        else:
            found += [Wanted(one, None, alias) for one in devices]
    return found


def _alias_of(path: str) -> str:
    """As dmstats names the group of a file; what an alias cannot have becomes `_`."""
    return groups.NO_ALIAS.sub("_", os.path.basename(path))


def _file(path: str, devices: list[Device], alias: str | None, params: t.Mapping[str, t.Any]) -> Wanted:
    found = files.extents(path)
    if not found:
        raise DmValueError(f"{path} lies on no sectors of its own (is it empty?)")
    pieces = [Piece(_span(start, length, params), params["user_data"]) for start, length in found]
    return Wanted(files.device_of(path, devices), pieces, alias)
