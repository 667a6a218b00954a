# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Up or down."""

from __future__ import annotations

from ..message import Request
from ..rtnl import address, link
from . import waves
from .addresses import final_addresses
from .linkplan import LinkPlan, below_of, is_up, is_up_from_the_start
from .membership import crosses_vrf, joins_bond, leaves_bond
from .runner import Place, Step, nothing


def plan_admin(mine: LinkPlan) -> bool:
    """Up or down; whether the link is down for a moment on the way, which costs it its IPv6 addresses."""
    want, found, changes = mine.want, mine.found, mine.changes
    was_up, stands_up = bool(found and found["flags"] & link.IFF_UP), is_up(mine)
    joins, leaves = joins_bond(mine), leaves_bond(mine)
    cycled = stands_up and (joins or leaves or crosses_vrf(mine))
    if joins and stands_up:
        _go_down(mine, waves.LEAVE_MASTER, "down, to be taken into the bond")
    ends_up = want.state == "up" or (want.state == "present" and (stands_up or joins))
    # A bond opens the ports that it takes in, and closes those that go.
    stands_up = joins or (is_up_from_the_start(mine) and not leaves)
    if ends_up and not stands_up:
        _go_up(mine)
    elif stands_up and not ends_up:
        _go_down(mine, waves.GO_DOWN, "down")
        cycled = True
    if not ends_up and mine.kind.name == "vlan" and mine.task.rises(below_of(mine)):
        _stay_down(mine)
    if changes.before is not None:
        changes.before["admin"] = "up" if was_up else "down"
    changes.after["admin"] = "up" if ends_up else "down"
    return cycled


def _go_up(mine: LinkPlan) -> None:
    """The way back takes IPv6 addresses along: those that it had while it was down come back."""
    name = mine.want.name
    kept: list[Request] = []
    if mine.found is not None and not mine.reset:
        from .restoring import after_a_fall

        kept = after_a_fall(mine.host, mine.found)

    def do(place: Place) -> list[Request]:
        return [link.change(place.index(name), name, up=True)]

    def undo(place: Place) -> list[Request]:
        return [link.change(place.index(name), name, up=False), *kept]

    mine.changes.request(waves.GO_UP, "up", do, undo)


def _stay_down(mine: LinkPlan) -> None:
    """The kernel takes a VLAN up together with the link below it, and IPv6 addresses go as it comes down again."""
    name = mine.want.name
    kept = [one for one in final_addresses(mine).values() if one["family"] == "inet6"]

    def do(place: Place) -> list[Request]:
        index = place.index(name)
        return [link.change(index, name, up=False), *(address.new(index, one, replace=True) for one in kept)]

    words = "down again, after the link below it went up"
    mine.changes.add(waves.STAY_DOWN, words, Step(mine.want.place, do), nothing)


def _go_down(mine: LinkPlan, number: int, words: str) -> None:
    """Down takes routes and IPv6 addresses with it: the way back brings them too."""
    from .restoring import after_a_fall

    want, name = mine.want, mine.want.name
    lost = after_a_fall(mine.host, mine.found) if mine.found and is_up(mine) else []
    do = Step(want.place, lambda place: [link.change(place.index(name), name, up=False)])
    undo = Step(want.place, lambda place: [link.change(place.index(name), name, up=True), *lost])
    mine.changes.add(number, words, do, undo, depth=-mine.changes.depth)
