# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A `dm_task` task from its parameters to its result."""

from __future__ import annotations

import typing as t

from ... import plan as spine
from ..payload import message_key
from ..targets import secrets
from . import line
from .mapper import Mapper
from .picture import Picture, observe
from .planner import Planner
from .wanted import Wanted, WrongDevice, parse_all

FAILURES = (WrongDevice, spine.ChangeFailed, spine.NotConverged, OSError, ValueError)
READING = ("@stats_list", "@stats_print ")  # messages that change nothing


def run(params: t.Mapping[str, t.Any], check: bool, hide: t.Callable[[str], None]) -> dict[str, t.Any]:
    """`changed`, `diff`, `changes` and the devices as they are in the end (with `check`: as they are now).

    `hide` is told every key, before anything can fail. Raises FAILURES.
    """
    batch = params.get("devices")
    _hide_raw([params] if batch is None else batch, hide)
    wanted = parse_all([params] if batch is None else batch, batch is not None, params["mangling"])
    with Mapper(params["timeout"]) as mapper:
        made, picture = spine.converge(lambda: look(mapper, wanted, hide), planning(mapper, wanted, check), check)
        answers = {} if check else _messages(mapper, wanted, picture)
        if made and not check or answers:
            picture = look(mapper, wanted, hide)
    sent = any(want.message and not want.message[1].startswith(READING) for want in wanted)
    result = {"changed": bool(made) or sent, "diff": made.diff(), "changes": made.review()}
    devices = [_shown(want, picture, answers) for want in wanted]
    if batch is not None:
        told = {line.plain(wanted[place].name): answer for place, answer in answers.items()}
        return {**result, "devices": [one for one in devices if one], **({"responses": told} if told else {})}
    return {**result, "device": devices[0], **({"response": answers[0]} if 0 in answers else {})}


def planning(mapper: Mapper, wanted: t.Sequence[Wanted], check: bool) -> t.Callable[[Picture], spine.Plan]:
    return lambda picture: Planner(mapper, picture, wanted, check).plan()


def look(mapper: Mapper, wanted: t.Sequence[Wanted], hide: t.Callable[[str], None]) -> Picture:
    names = [name for want in wanted for name in (want.name, want.new_name) if name]
    picture = observe(mapper, names, [want.uuid for want in wanted if want.uuid])
    for found in picture.found.values():
        for key in secrets.keys([*found.live, *found.inactive]):
            hide(key)
    return picture


def _hide_raw(items: t.Sequence[t.Mapping[str, t.Any]], hide: t.Callable[[str], None]) -> None:
    """Keys of tables and messages that may turn out not to be understood."""
    for item in items:
        for one in item.get("table") or []:
            for key in secrets.given(one):
                hide(key)
        key = message_key(str((item.get("target_message") or {}).get("text") or ""))
        if key:
            hide(key)


def _messages(mapper: Mapper, wanted: t.Sequence[Wanted], picture: Picture) -> dict[int, str]:
    """Answers to messages, by the place of the device."""
    answers = {}
    for place, want in enumerate(wanted):
        if want.message is not None:
            name = want.new_name or want.name or picture.by_uuid(want.uuid)
            answers[place] = mapper.message(name, *want.message)
    return answers


def _shown(want: Wanted, picture: Picture, answers: t.Mapping[int, str]) -> dict[str, t.Any] | None:
    name = want.new_name or want.name or picture.by_uuid(want.uuid)
    found = picture.found.get(name) or picture.found.get(want.name)
    return line.shown(found, picture) if found else None
