# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A device as text: for differences and results. No key ever shows."""

from __future__ import annotations

import typing as t

from .. import constants as c
from .. import mangle
from ..header import dev_text
from ..payload import Line
from ..targets import equality, secrets
from ..targets.registry import WITH_SECRETS
from .picture import MAPPER, Found, Picture


def target_lines(lines: t.Sequence[Line], picture: Picture) -> list[str]:
    """`start length type arguments`, devices by their paths, without keys."""
    return [
        f"{one['start']} {one['length']} {one['type']} {one['args']}".rstrip() for one in shown_table(lines, picture)
    ]


def state_of(found: Found) -> str:
    return "suspended" if found.has(c.SUSPEND) else "active"


def text(
    name: str,
    state: str,
    readonly: bool,
    uuid: str,
    lines: t.Sequence[str],
    more: t.Sequence[str] = (),
) -> str:
    """The canonical lines of a device: one of itself, one of each target."""
    head = [name, state, "ro" if readonly else "rw", *([f"uuid {uuid}"] if uuid else []), *more]
    return "\n".join(["  ".join(head), *(f"{name}  {line}" for line in lines)])


def found_text(found: Found, lines: t.Sequence[str], more: t.Sequence[str] = ()) -> str:
    return text(
        plain(found.listed.name),
        state_of(found),
        found.has(c.READONLY),
        plain(found.listed.uuid),
        lines,
        more,
    )


def plain(name: str) -> str:
    """A name as people write it."""
    return mangle.unmangle(name)


def shown(found: Found, picture: Picture) -> dict[str, t.Any]:
    """A device as the modules return it."""
    listed, answer, live, _inactive = found
    name, uuid, flags = listed.name, listed.uuid, answer.flags
    if "\\" in name or "\\" in uuid:
        name, uuid = plain(name), plain(uuid)
    return {
        "name": name,
        "uuid": uuid or None,
        "path": MAPPER + listed.name,
        "dev": dev_text(listed.dev),
        "state": "suspended" if flags & c.SUSPEND else "active",
        "readonly": flags & c.READONLY != 0,
        "open_count": answer.open_count,
        "event_nr": answer.event_nr,
        "deferred_remove": flags & c.DEFERRED_REMOVE != 0,
        "live_table": flags & c.ACTIVE_PRESENT != 0,
        "inactive_table": flags & c.INACTIVE_PRESENT != 0,
        "table": shown_table(live, picture),
    }


def shown_table(lines: t.Sequence[Line], picture: Picture) -> list[dict[str, t.Any]]:
    words, with_devices = picture.words, equality.with_devices
    return [
        {
            "start": start,
            "length": length,
            "type": kind,
            "args": with_devices(secrets.hidden(kind, params) if kind in WITH_SECRETS else params, words).rstrip(),
        }
        for start, length, kind, params in lines
    ]
