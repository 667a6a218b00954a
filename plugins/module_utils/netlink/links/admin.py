# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Up or down."""

from __future__ import annotations

from ..rtnl import link
from . import waves
from .linkplan import LinkPlan, goes_up_at_creation, is_up
from .membership import joins_bond
from .runner import Step


def plan_admin(mine: LinkPlan) -> bool:
    """Up or down; whether the link is down for a moment on the way, which costs it its IPv6 addresses."""
    want, found, changes = mine.want, mine.found, mine.changes
    was_up = bool(found and found["flags"] & link.IFF_UP)
    stands_up = is_up(mine)
    bonded = joins_bond(mine)
    cycled = False
    if bonded and stands_up:
        _go_down(mine, waves.LEAVE_MASTER, "down, to be taken into the bond")
        cycled, stands_up = True, False
    if mine.fresh and mine.kind.by_rtnetlink:
        stands_up = goes_up_at_creation(want)
    stands_up = stands_up or bonded  # a bond opens the ports that it takes in
    if want.state == "up" and not stands_up:
        changes.attributes(waves.GO_UP, "up", {"up": False}, {"up": True})
    elif want.state == "down" and stands_up:
        _go_down(mine, waves.GO_DOWN, "down")
    ends_up = want.state == "up" or (want.state == "present" and stands_up)
    if changes.before is not None:
        changes.before["admin"] = "up" if was_up else "down"
    changes.after["admin"] = "up" if ends_up else "down"
    return cycled


def _go_down(mine: LinkPlan, number: int, words: str) -> None:
    """Down takes routes and IPv6 addresses with it: the way back brings them too."""
    from .restoring import Settings

    want, name, index = mine.want, mine.want.name, mine.found["ifindex"]
    lost = Settings(mine.host, mine.found).network(index) if not mine.moving else []
    do = Step(want.place, lambda place: [link.change(place.index(name), name, up=False)])
    undo = Step(want.place, lambda place: [link.change(place.index(name), name, up=True), *lost])
    mine.changes.add(number, words, do, undo, depth=-mine.changes.depth)
