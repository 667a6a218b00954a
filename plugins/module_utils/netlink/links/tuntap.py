# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links of the kind tun (tun and tap): made and changed through /dev/net/tun, since rtnetlink cannot."""

from __future__ import annotations

import typing as t

from ..kinds import options as kinds
from ..kinds import tuntap
from . import waves

if t.TYPE_CHECKING:
    from .linkplan import LinkPlan


def plan_creation(mine: LinkPlan) -> None:
    name, place, options = mine.want.name, mine.want.place, mine.options

    def do() -> None:
        tuntap.create(name, **options, netns=place)

    def undo() -> None:
        tuntap.remove(name, options["type"], bool(options.get("multi_queue")), netns=place)

    mine.changes.add(waves.BUILD, f"create {options['type']}", do, undo)


def plan_change(mine: LinkPlan, then: t.Mapping[str, t.Any]) -> None:
    data, name, place = mine.data(), mine.want.name, mine.want.place
    writable = {key: value for key, value in data.items() if key not in mine.kind.read_only}

    def to(options: t.Mapping[str, t.Any]) -> t.Callable[[], None]:
        return lambda: tuntap.change(name, **options, netns=place)

    words = ", ".join(f"{key} {data.get(key, 'unset')} -> {value}" for key, value in then.items())
    wanted = {**writable, **kinds.change(mine.kind, data, then)}
    mine.changes.add(waves.BUILD, words, to(wanted), to(writable), partly=True)
