# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports and their masters."""

from __future__ import annotations

import typing as t

from ..message import Request
from ..rtnl import link
from . import waves
from .found import kind_of
from .linkplan import LinkPlan, is_up
from .runner import Place
from .wanted import WrongLink


def plan_master(mine: LinkPlan) -> None:
    _stay_with_its_master(mine)
    want, master = mine.want, mine.want.master
    if master is None:
        return
    if master and not mine.exists(master, want.place):
        raise WrongLink(want.at("master"), f"there is no link {master} to be the master of {want.name}")
    before = mine.host.name_of((mine.found or {}).get("master"))
    mine.changes.show("master", before or None, master or None)
    now = master_now(mine)
    if now == master:
        return

    def do(place: Place) -> list[Request]:
        return [link.change(place.index(want.name), want.name, master=place.index(master))]

    words = f"master {now or 'none'} -> {master or 'none'}"
    number = waves.JOIN_MASTER if master else waves.LEAVE_MASTER
    mine.changes.request(number, words, do, _back(mine, now), depth=0)


def _stay_with_its_master(mine: LinkPlan) -> None:
    """Nothing is said of its master, which is made anew: the link comes back to it."""
    master = (mine.found or {}).get("master")
    if mine.want.master is None and not mine.reset and master and (mine.home, master) in mine.task.doomed:
        mine.want = mine.want._replace(master=mine.host.name_of(master))


def _back(mine: LinkPlan, master: str) -> t.Callable[[Place], list[Request]]:
    """To the master that it had, as the port that it was."""
    from .bridged import observe
    from .restoring import after_a_fall, as_port

    name, found = mine.want.name, mine.found or {}
    port = [*as_port(found), *observe(mine.host, found).requests(found["ifindex"])] if master else []
    lost = after_a_fall(mine.host, found) if is_up(mine) and crosses_vrf(mine) else []
    return lambda place: [
        link.change(place.index(name), name, master=place.index(master)),
        *port,
        *lost,
    ]


def master_now(mine: LinkPlan) -> str:
    return "" if mine.reset else mine.task.master_of(mine.home, mine.found)


def master_kind(mine: LinkPlan) -> str | None:
    """The kind of the master that the link ends with."""
    name = master_now(mine) if mine.want.master is None else mine.want.master
    if not name:
        return None
    found = mine.task.hosts[mine.want.place].find(name)
    return mine.task.kinds.get((mine.want.place, name)) or (kind_of(found) if found else None)


def joins_master(mine: LinkPlan) -> bool:
    return bool(mine.want.master) and mine.want.master != master_now(mine)


def joins_bond(mine: LinkPlan) -> bool:
    return joins_master(mine) and master_kind(mine) == "bond"


def _old_kind(mine: LinkPlan) -> str | None:
    """The kind of the master that the link has and does not keep."""
    master = (mine.found or {}).get("master")
    if not master or mine.reset or mine.want.master in (None, master_now(mine) or None):
        return None
    return kind_of(mine.host.by_index(master) or {})


def leaves_bond(mine: LinkPlan) -> bool:
    return _old_kind(mine) == "bond"


def crosses_vrf(mine: LinkPlan) -> bool:
    """A VRF takes its ports down and up again as they come and go."""
    return _old_kind(mine) == "vrf" or (joins_master(mine) and master_kind(mine) == "vrf")
