# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making a link that is not there."""

from __future__ import annotations

import typing as t

from ..rtnl import link
from . import options as kind_options
from . import waves
from .linkplan import LinkPlan, at_creation, goes_up_at_creation
from .runner import Place, Step, nothing
from .wanted import WrongLink, check_name


def plan_creation(mine: LinkPlan) -> None:
    want, kind = mine.want, mine.kind
    if mine.twin:
        mine.changes.add(waves.BUILD, "create as the other end of a pair", nothing, nothing)
        return
    kind_options.require(want, kind)
    if want.link and not mine.exists(want.link, want.netns):
        raise WrongLink(want.at("link"), f"there is no link {want.link} for {want.name} to stand on")
    if not kind.by_rtnetlink:
        from .tuntap import plan_creation

        plan_creation(mine)
        return
    if "peer" in want.options:
        _check_peer(mine, want.options["peer"])
    at_once = {key: value for key, value in want.attributes.items() if at_creation(kind.name, key)}
    name, up = mine.aside or want.name, goes_up_at_creation(want) and not mine.aside

    def do(place: Place) -> list[t.Any]:
        values = dict(at_once)
        data = dict(mine.options)
        if want.link:
            (data if kind.parent_option else values)[kind.parent_option or "link"] = place.index(want.link)
        if "peer" in data:
            data["peer"] = _peer(want.options["peer"], place)
        if want.move_to:
            values["net_ns_fd"] = place.netns_file(want.move_to)
        return [link.new(name, kind.name, up=up, linkinfo={"info_data": data} if data else {}, **values)]

    def undo(place: Place) -> list[t.Any]:
        return [link.delete(place.index(name), name)]

    words = f"create {kind.name}" + (f" on {want.link}" if want.link else "")
    mine.changes.add(waves.BUILD, words, Step(want.netns, do, kind.brought_by), Step(want.place, undo))
    if mine.aside:
        _rename(mine, mine.aside, want.name)


def _rename(mine: LinkPlan, old: str, new: str) -> None:
    def to(now: str, then: str) -> Step:
        return Step(mine.want.place, lambda place: [link.change(place.index(now), now, ifname=then)])

    words = f"rename {old} -> {new}"
    mine.changes.add(waves.BUILD, words, to(old, new), to(new, old), depth=mine.changes.depth + 0.25)


def _check_peer(mine: LinkPlan, peer: t.Mapping[str, t.Any]) -> None:
    want, name = mine.want, peer.get("ifname")
    if name:
        check_name(name, want.at("options.peer.ifname"))
        if mine.task.hosts[peer.get("netns") or want.netns].find(name) is not None:
            raise WrongLink(want.at("options.peer.ifname"), f"there is a link {name} already")


def _peer(peer: t.Mapping[str, t.Any], place: Place) -> dict[str, t.Any]:
    """The other end of a pair as it is created: `netns` is where it is to lie."""
    values = dict(peer)
    netns = values.pop("netns", None)
    if netns:
        values["net_ns_fd"] = place.netns_file(netns)
    return values
