# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task wants of a device, checked before anything is asked of the kernel."""

from __future__ import annotations

import grp
import pwd
import typing as t

from .. import mangle
from ..errors import DmValueError
from ..payload import Line
from ..targets.table import parse_table

OF_PRESENT = ("table", "readonly", "geometry", "owner", "group", "mode", "read_ahead")
OF_RENAMED = ("new_name", "new_uuid")


class WrongDevice(DmValueError):
    """An option that cannot be meant, with its path in the task."""


class Node(t.NamedTuple):
    """Mode and owner of a device's node; None is what does not matter."""

    mode: int | None
    uid: int | None
    gid: int | None


class Wanted(t.NamedTuple):
    """One device as wanted. Names and uuids are the kernel's."""

    where: str
    name: str
    uuid: str
    state: str
    table: t.List[Line] | None
    readonly: bool | None
    geometry: t.Tuple[int, int, int, int] | None
    node: Node
    read_ahead: int | None  # sectors
    new_name: str
    new_uuid: str
    deferred: bool
    retry: float
    noflush: bool
    skip_lockfs: bool
    message: t.Tuple[int, str] | None  # sector, text


def parse_all(items: t.Sequence[t.Mapping[str, t.Any]], batch: bool, mangling: str) -> list[Wanted]:
    """Checks devices as a task gives them. Raises WrongDevice."""
    found = [
        _parse(item, f"devices[{number}]" if batch else "", mangle.BY_WORD[mangling])
        for number, item in enumerate(items)
    ]
    seen: dict[str, Wanted] = {}
    for want in found:
        for name in filter(None, (want.name, want.new_name)):
            first = seen.setdefault(name, want)
            if first is not want:
                raise WrongDevice(f"{want.where}: {mangle.unmangle(name)} is listed before, at {first.where}")
    return found


def _parse(item: t.Mapping[str, t.Any], where: str, mode: int) -> Wanted:
    def at(option: str) -> str:
        return f"{where}.{option}" if where else option

    given = {key: value for key, value in item.items() if value is not None}
    _check_sense(given, item["state"], at)
    try:
        table = parse_table(given["table"], at("table")) if "table" in given else None
        names = [_mangled(given, key, mode) for key in ("name", "new_name")]
        uuids = [_mangled(given, key, mode, "uuid") for key in ("uuid", "new_uuid")]
    except DmValueError as error:
        raise WrongDevice(f"{where}: {error}" if where and not str(error).startswith(where) else str(error)) from None
    geometry, message = given.get("geometry"), given.get("target_message")
    return Wanted(
        where,
        names[0],
        uuids[0],
        item["state"],
        table,
        given.get("readonly"),
        (geometry["cylinders"], geometry["heads"], geometry["sectors"], geometry["start"]) if geometry else None,
        _node(given, at),
        given.get("read_ahead"),
        names[1],
        uuids[1],
        item["deferred"],
        item["retry"],
        item["noflush"],
        item["skip_lockfs"],
        (message["sector"], message["text"]) if message else None,
    )


def _mangled(given: t.Mapping[str, t.Any], key: str, mode: int, kind: str = "name") -> str:
    return mangle.mangle(given[key], mode, kind) if key in given else ""


def _check_sense(given: t.Mapping[str, t.Any], state: str, at: t.Callable[[str], str]) -> None:
    if not given.get("name") and not given.get("uuid"):
        raise WrongDevice(f"{at('name')}: a device is told by its name or its uuid")
    for options, own in ((OF_PRESENT, "present"), (OF_RENAMED, "renamed")):
        alien = [option for option in options if option in given]
        if alien and state != own:
            raise WrongDevice(f"{at(alien[0])}: goes with state {own}, and the state is {state}")
    if state == "renamed" and not any(given.get(option) for option in OF_RENAMED):
        raise WrongDevice(f"{at('new_name')}: a rename needs a new_name or a new_uuid")
    if state == "absent" and "target_message" in given:
        raise WrongDevice(f"{at('target_message')}: a device that is absent takes no message")
    for option in ("read_ahead", "retry"):
        if given.get(option, 0) < 0:
            raise WrongDevice(f"{at(option)}: is not negative")


def _node(given: t.Mapping[str, t.Any], at: t.Callable[[str], str]) -> Node:
    mode = None
    if "mode" in given:
        try:
            mode = int(given["mode"], 8)
        except ValueError:
            mode = -1
        if not 0 <= mode <= 0o7777:
            raise WrongDevice(f"{at('mode')}: takes an octal number such as 0660, not {given['mode']!r}")
    return Node(
        mode,
        _id(given, "owner", at, lambda name: pwd.getpwnam(name).pw_uid),
        _id(given, "group", at, lambda name: grp.getgrnam(name).gr_gid),
    )


def _id(
    given: t.Mapping[str, t.Any], option: str, at: t.Callable[[str], str], find: t.Callable[[str], int]
) -> int | None:
    name = given.get(option)
    if name is None:
        return None
    try:
        return int(name) if name.isdecimal() else find(name)
    except KeyError:
        raise WrongDevice(f"{at(option)}: this host knows no {option} {name!r}") from None
