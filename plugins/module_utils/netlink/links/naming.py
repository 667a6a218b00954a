# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renaming a link, and moving it to another namespace."""

from __future__ import annotations

import os
import re
import typing as t

from ..netns import OWN
from ..rtnl import link
from . import waves
from .restoring import Settings
from .runner import Step, nothing
from .wanted import WrongLink

if t.TYPE_CHECKING:
    from .single import LinkPlan


def renames_while_up(release: str = "") -> bool:
    """Since Linux 6.2 a link may be up while it is renamed."""
    found = re.match(r"(\d+)\.(\d+)", release or os.uname().release)
    return bool(found) and (int(found.group(1)), int(found.group(2))) >= (6, 2)


def plan_rename(mine: LinkPlan) -> None:
    found, want = mine.found, mine.want
    old, new = found["ifname"], want.name
    if old == new or new in found.get("altnames", ()) and not want.select:
        return
    holder = mine.host.find(new)
    if holder is not None and holder["ifindex"] != found["ifindex"]:
        if (mine.home, new) not in mine.task.renamed:
            raise WrongLink(want.at("name"), f"{old} cannot be renamed to {new}: another link has that name")
        aside = f"flt{found['ifindex']}"
        _rename(mine, waves.STEP_ASIDE, old, aside)
        old = aside
    _rename(mine, waves.RENAME, old, new)


def _rename(mine: LinkPlan, number: int, old: str, new: str) -> None:
    index = mine.found["ifindex"]
    cycle = bool(mine.found["flags"] & link.IFF_UP) and not renames_while_up()

    def to(name: str, other: str) -> t.Callable[[t.Any], list[t.Any]]:
        rename = link.change(index, other, ifname=name)
        if not cycle:
            return lambda place: [rename]
        back = Settings(mine.host, mine.found).network(index)
        return lambda place: [link.change(index, other, up=False), rename, link.change(index, name, up=True), *back]

    words = f"rename {old} -> {new}" + (" (down for a moment)" if cycle else "")
    mine.changes.add(number, words, Step(mine.home, to(new, old)), Step(mine.home, to(old, new)), depth=0, partly=cycle)


def plan_move(mine: LinkPlan) -> None:
    """Into another namespace; addresses, master and admin state stay behind, and come back with the way back."""
    if not mine.moving:
        return
    want, found = mine.want, mine.found
    index, name = found["ifindex"], want.name
    settings = Settings(mine.host, found).requests(index)
    mine.changes.add(
        waves.MOVE,
        "lose its addresses and master by moving",
        nothing,
        Step(mine.home, lambda place: settings),
        depth=0,
    )
    mine.changes.add(
        waves.MOVE,
        f"move to network namespace {want.move_to}",
        Step(mine.home, lambda place: [link.change(index, name, net_ns_fd=place.netns_file(want.move_to))]),
        Step(
            want.place,
            lambda place: [link.change(place.index(name), name, net_ns_fd=place.netns_file(mine.home or OWN))],
        ),
        depth=1,
    )
