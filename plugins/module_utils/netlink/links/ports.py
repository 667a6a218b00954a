# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that a link has as a port of its master."""

from __future__ import annotations

import typing as t

from ..kinds import options as kinds
from ..kinds import registry
from ..kinds.kind import Kind, link_options
from ..message import Request
from ..rtnl import link
from . import options as kind_options
from . import waves
from .linkplan import LinkPlan
from .membership import joins_master, master_kind
from .runner import Place
from .wanted import WrongLink


def plan_port_options(mine: LinkPlan) -> None:
    want, kind = mine.want, master_kind(mine)
    port = registry.port(kind or "")
    if kind is None or port is None:
        raise WrongLink(want.at("port_options"), f"{want.name} has no master whose ports have options")
    info = (mine.found or {}).get("linkinfo") or {}
    before = info.get("info_slave_data") or {} if info.get("info_slave_kind") == kind else {}
    present = {} if joins_master(mine) else before
    wanted = kind_options.split(port, want.port_options, want.at("port_options"))
    for name, other in wanted.named.items():
        if other and not mine.exists(other, want.place):
            raise WrongLink(want.at(f"port_options.{name}"), f"there is no link {other}")
    told = {**wanted.plain, **wanted.named}
    shown = {name: mine.host.name_of(before.get(name)) if name in wanted.named else before.get(name) for name in told}
    for name in port.table.rows:
        if name in told:
            mine.changes.show(name, shown[name], told[name])
    plain = wanted.plain if joins_master(mine) else kinds.differing(port, wanted.plain, present)
    named = {
        name: other
        for name, other in wanted.named.items()
        if joins_master(mine) or mine.host.name_of(present.get(name)) != other
    }
    if plain or named:
        then = {**plain, **named}
        words = ", ".join(f"port's {name} {shown[name]} -> {value}" for name, value in then.items())
        now = {name: present[name] for name in then if name in present}
        do, undo = (_port(want.name, kind, port, data) for data in (then, now))
        mine.changes.request(waves.PORT, words, do, undo, partly=True)


def _port(name: str, kind: str, port: Kind, data: t.Mapping[str, t.Any]) -> t.Callable[[Place], list[Request]]:
    """Sets options of a port; what a string says where the kernel takes an index is a link's name."""
    links = link_options(port.table)

    def build(place: Place) -> list[Request]:
        values = {
            option: place.index(value) if option in links and isinstance(value, str) else value
            for option, value in data.items()
        }
        info = {"info_slave_kind": kind, "info_slave_data": values}
        return [link.change(place.index(name), name, linkinfo=info)] if values else []

    return build
