# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports and their masters."""

from __future__ import annotations

import typing as t

from ..kinds import options as kinds
from ..kinds import registry
from ..rtnl import link
from . import options as kind_options
from . import waves
from .found import kind_of
from .linkplan import LinkPlan
from .runner import Place
from .wanted import WrongLink


def plan_master(mine: LinkPlan) -> None:
    want = mine.want
    if want.master is None:
        return
    if want.master and not mine.exists(want.master, want.place):
        raise WrongLink(want.at("master"), f"there is no link {want.master} to be the master of {want.name}")
    now = master_now(mine)
    before = mine.host.name_of((mine.found or {}).get("master")) if mine.found else ""
    mine.changes.show("master", before or None, want.master or None)
    if now == want.master:
        return

    def below(master: str) -> t.Callable[[Place], list[t.Any]]:
        return lambda place: [link.change(place.index(want.name), want.name, master=place.index(master))]

    words = f"master {now or 'none'} -> {want.master or 'none'}"
    number = waves.JOIN_MASTER if want.master else waves.LEAVE_MASTER
    mine.changes.request(number, words, below(want.master), below(now), depth=0)


def plan_port_options(mine: LinkPlan) -> None:
    want = mine.want
    if not want.port_options:
        return
    kind = master_kind(mine)
    port = registry.port(kind or "")
    if kind is None or port is None:
        raise WrongLink(want.at("port_options"), f"{want.name} has no master whose ports have options")
    info = (mine.found or {}).get("linkinfo") or {}
    present = info.get("info_slave_data") or {} if info.get("info_slave_kind") == kind and not mine.reset else {}
    wanted = kind_options.split(port, want.port_options, want.at("port_options")).plain
    for name, value in wanted.items():
        mine.changes.show(name, present.get(name), value)
    then = kinds.differing(port, wanted, present)
    if then:
        now = {name: present[name] for name in then if name in present}
        words = ", ".join(f"port's {name} {present.get(name, 'unset')} -> {value}" for name, value in then.items())
        mine.changes.attributes(
            waves.PORT,
            words,
            {"linkinfo": {"info_slave_kind": kind, "info_slave_data": now}} if now else {},
            {"linkinfo": {"info_slave_kind": kind, "info_slave_data": then}},
            partly=True,
        )


def master_now(mine: LinkPlan) -> str:
    return "" if mine.reset else mine.task.master_of(mine.home, mine.found)


def master_kind(mine: LinkPlan) -> str | None:
    """The kind of the master that the link ends with."""
    name = master_now(mine) if mine.want.master is None else mine.want.master
    if not name:
        return None
    found = mine.task.hosts[mine.want.place].find(name)
    return mine.task.kinds.get((mine.want.place, name)) or (kind_of(found) if found else None)


def joins_bond(mine: LinkPlan) -> bool:
    return bool(mine.want.master) and mine.want.master != master_now(mine) and master_kind(mine) == "bond"
