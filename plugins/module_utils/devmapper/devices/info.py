# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A `dm_info` task from its parameters to its result: one pass over the devices, which changes nothing."""

from __future__ import annotations

import typing as t

from .. import constants as c
from .. import mangle
from ..errors import DmValueError
from ..header import Request, dev_text
from ..payload import Line, Listed
from ..targets import status
from . import line
from .picture import Found, Picture, look
from .reader import Reader

FAILURES = (OSError, ValueError)

PARAMS: dict[str, t.Any] = {
    "name": {"type": "list", "elements": "str"},
    "name_prefix": {"type": "str", "default": ""},
    "uuid_prefix": {"type": "str", "default": ""},
    "gather": {
        "type": "list",
        "elements": "str",
        "choices": ["table", "status", "deps", "tree", "targets"],
        "default": ["table", "status", "deps"],
    },
    "target_types": {"type": "list", "elements": "str", "default": []},
    "events": {"type": "dict"},
    "mangling": {"type": "str", "choices": ["auto", "hex", "none"], "default": "auto"},
    "timeout": {"type": "float", "default": 30.0},
}


def run(params: t.Mapping[str, t.Any], hide: t.Callable[[str], None]) -> dict[str, t.Any]:
    """Raises FAILURES, among them DmTimeout where awaited events do not come."""
    from ..targets import secrets

    gather, mode = set(params["gather"]), mangle.BY_WORD[params["mangling"]]
    with Reader() as reader:
        out: dict[str, t.Any] = {"driver_version": "{}.{}.{}".format(*reader.channel.ask(Request(c.VERSION)).version)}
        if params.get("events"):
            known = {mangle.mangle(name, mode): _number(name, value) for name, value in params["events"].items()}
            out["events"] = {line.plain(name): number for name, number in reader.wait(known, params["timeout"]).items()}
        picture = Picture({one.name: one for one in reader.devices()}, {})
        devices = look(reader, _asked(reader, params, mode, picture))
        for key in secrets.keys(one for found in devices for one in (*found.live, *found.inactive)):
            hide(key)
        out["devices"] = [_device(reader, found, picture, gather) for found in devices]
        if "tree" in gather:
            out["tree"] = _tree(reader, picture)
        if "targets" in gather or params["target_types"]:
            out["targets"] = _targets(reader, params["target_types"], "targets" in gather)
    return out


def _number(name: str, value: t.Any) -> int:
    if isinstance(value, bool) or not str(value).isdecimal():
        raise DmValueError(f"events: {name}: takes the number of the last event that is known, not {value!r}")
    return int(value)


def _asked(reader: Reader, params: t.Mapping[str, t.Any], mode: int, picture: Picture) -> list[Listed]:
    if params.get("name") is not None:
        names = [mangle.mangle(name, mode) for name in params["name"]]
        return [picture.names[name] for name in names if name in picture.names]
    if not params["name_prefix"] and not params["uuid_prefix"]:
        return list(picture.names.values())
    name = mangle.mangle(params["name_prefix"], mode) if params["name_prefix"] else ""
    return reader.devices(name, mangle.mangle(params["uuid_prefix"], mode, "uuid"))


def _device(reader: Reader, found: Found, picture: Picture, gather: t.Collection[str]) -> dict[str, t.Any]:
    out = line.shown(found, picture)
    if "table" not in gather:
        del out["table"]
    elif found.inactive:
        out["waiting"] = line.shown_table(found.inactive, picture)
    if "status" in gather:
        out["status"] = _statuses(reader, found)
    if "deps" in gather:
        out["deps"] = [picture.shown(dev_text(dev)) for dev in reader.deps(found.listed.name)]
    return out


def _statuses(reader: Reader, found: Found) -> list[dict[str, t.Any]]:
    if status.SILENT.issuperset([kind for _start, _length, kind, _params in found.live]):
        return [{"start": one[0], "length": one[1], "type": one[2], "text": ""} for one in found.live]
    return [_status(one) for one in reader.target_status(found.listed.name)]


def _status(one: Line) -> dict[str, t.Any]:
    start, length, kind, text = one
    out = {"start": start, "length": length, "type": kind, "text": text.rstrip()}
    read = status.parse(kind, text)
    return {**out, "read": read} if read else out


Node = t.Dict[str, t.Any]


def _tree(reader: Reader, picture: Picture) -> list[Node]:
    """From the devices that carry no other down to the disks."""
    below = {dev_text(one.dev): [dev_text(dev) for dev in reader.deps(one.name)] for one in picture.names.values()}
    carrying = {dev for devs in below.values() for dev in devs}
    return [_branch(dev, below, picture, ()) for dev in sorted(below) if dev not in carrying]


def _branch(dev: str, below: t.Mapping[str, list[str]], picture: Picture, above: tuple[str, ...]) -> Node:
    node: Node = {"device": picture.shown(dev), "dev": dev}
    lower = [one for one in below.get(dev, []) if one not in above]
    if lower:
        node["below"] = [_branch(one, below, picture, (*above, dev)) for one in lower]
    return node


def _targets(reader: Reader, kinds: t.Sequence[str], loaded: bool) -> dict[str, str | None]:
    found: dict[str, t.Any] = dict(reader.target_versions()) if loaded else {}
    for kind in kinds:
        if kind not in found:
            found[kind] = reader.target_version(kind)
    return {kind: "{}.{}.{}".format(*version) if version else None for kind, version in sorted(found.items())}
