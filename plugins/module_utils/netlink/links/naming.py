# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renaming a link, and moving it to another namespace."""

from __future__ import annotations

import typing as t

from ..message import Request
from ..netns import OWN
from ..rtnl import link
from . import waves
from .bridged import observe
from .found import kernel_since, kind_of, standing_on
from .removal import loss
from .restoring import Settings, after_a_fall, rebuilding
from .runner import Place, Step
from .wanted import WrongLink

if t.TYPE_CHECKING:
    from .found import Link
    from .linkplan import LinkPlan


def plan_rename(mine: LinkPlan, found: Link) -> None:
    want = mine.want
    old, new = found["ifname"], want.name
    if old == new:
        return
    holder = mine.host.find(new)
    if holder is None or holder["ifindex"] == found["ifindex"]:
        _rename(mine, found, waves.RENAME, old, new)
        return
    if (mine.home, new) not in mine.task.renamed:
        raise WrongLink(want.at("name"), f"{old} cannot be renamed to {new}: another link has that name")
    aside = f"flt{found['ifindex']}"
    _rename(mine, found, waves.STEP_ASIDE, old, aside)
    _rename(mine, found, waves.RENAME_LATER, aside, new)


def _rename(mine: LinkPlan, found: Link, number: int, old: str, new: str) -> None:
    index = found["ifindex"]
    # Since Linux 6.2 a link may be up while it is renamed.
    cycle = bool(found["flags"] & link.IFF_UP) and not kernel_since(6, 2)
    back = after_a_fall(mine.host, found) if cycle else []
    altname = [new] if new in found.get("altnames", ()) else []  # a name is given once

    def to(name: str, before: t.Sequence[Request], after: t.Sequence[Request]) -> t.Callable[[t.Any], list[Request]]:
        ups = [link.change(index, name, up=up) for up in (False, True)] if cycle else []
        return lambda place: [*ups[:1], *before, link.change(index, name, ifname=name), *after, *ups[1:], *back]

    drop = [link.delete_altnames(index, altname, old)] if altname else []
    add = [link.add_altnames(index, altname, old)] if altname else []
    words = f"rename {old} -> {new}" + (" (down for a moment)" if cycle else "")
    do, undo = Step(mine.home, to(new, drop, [])), Step(mine.home, to(old, [], add))
    mine.changes.add(number, words, do, undo, depth=0, partly=cycle or bool(altname))


# Kinds whose links do not follow the one they stand on to another namespace, nor outlive its leaving.
STAYING = ("vxlan", "macsec")


def plan_move(mine: LinkPlan, found: Link) -> None:
    """Into another namespace; addresses, master and admin state stay behind, and come back with the way back."""
    want, there = mine.want, mine.want.move_to
    if not there or not mine.moving:
        return
    index, name = found["ifindex"], want.name
    left = Settings(mine.host, found, observe(mine.host, found))
    lost = [one for one in standing_on(mine.host, found) if kind_of(one) in STAYING]
    builds = [build for build in (rebuilding(mine.host, mine.home, one) for one in lost) if build]
    for one in lost:
        how = f"goes, since {name} moves"
        mine.task.losses.append(loss(mine.host, mine.home, one, how, want.where, (waves.LOST_TO_MOVE, 0)))

    def away(place: Place) -> list[Request]:
        return [link.change(index, name, net_ns_fd=place.netns_file(there))]

    def back(place: Place) -> list[Request]:
        home = place.netns_file(mine.home or OWN)
        return [link.change(place.index(name), name, net_ns_fd=home, new_ifindex=index)]

    def restore(place: Place) -> list[Request]:
        return [*left.left_behind(index, place), *(request for build in builds for request in build(place))]

    undo = mine.task.hosts.in_order(Step(want.place, back), Step(mine.home, restore))
    mine.changes.add(waves.MOVE, f"move to network namespace {there}", Step(mine.home, away), undo, depth=0)
