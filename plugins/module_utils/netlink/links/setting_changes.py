# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of the settings of one link."""

from __future__ import annotations

import typing as t

from ..kinds import options as kinds
from ..rtnl import link
from . import waves
from .found import kind_of, lost_with
from .linkplan import LinkPlan, at_creation, is_up
from .runner import Place, Step, nothing
from .settings import NAMES

if t.TYPE_CHECKING:
    from .found import Link
    from .host import Host


def change_options(mine: LinkPlan, then: t.Mapping[str, t.Any]) -> None:
    data, kind = mine.data(), mine.kind
    if not kind.by_rtnetlink:
        from .tuntap import plan_change

        plan_change(mine, then)
        return
    words = ", ".join(f"{name} {data.get(name, 'unset')} -> {value}" for name, value in then.items())
    sent = kinds.change(kind, data, then)
    back = kinds.change(kind, {**data, **then}, {name: data.get(name, _off(value)) for name, value in then.items()})
    down = is_up(mine) and any("down" in kind.needs.get(name, ()) for name in then)
    lost = _lost(mine.host, mine.found) if down and mine.found else []
    name = mine.want.name

    def setting(options: t.Mapping[str, t.Any]) -> t.Callable[[Place], list[t.Any]]:
        def build(place: Place) -> list[t.Any]:
            index = place.index(name)
            change = link.change(index, name, linkinfo={"info_kind": kind.name, "info_data": options})
            around = [link.change(index, name, up=up) for up in (False, True)] if down else []
            return [*around[:1], change, *around[1:], *lost]

        return build

    words += " (down for a moment)" if down else ""
    mine.changes.request(waves.BUILD, words, setting(sent), setting(back), partly=True)


OFF = {bool: False, int: 0, list: []}


def _off(value: t.Any) -> t.Any:
    """What an option was that the kernel did not tell, by what it becomes; None (not sent) where nobody can say."""
    return OFF.get(type(value))


def _lost(host: Host, found: Link) -> list[t.Any]:
    """What has to be given back to a link that is down for a moment."""
    from .restoring import after_a_fall

    return after_a_fall(host, found)


def change_name(mine: LinkPlan, option: str, now: str, wanted: str) -> None:
    """Of a link that an option names."""
    words = f"{option} {now or 'none'} -> {wanted or 'none'}"
    mine.changes.request(waves.PORT, words, _naming(mine, option, wanted), _naming(mine, option, now), partly=True)


def _naming(mine: LinkPlan, option: str, other: str) -> t.Callable[[Place], list[t.Any]]:
    name, kind = mine.want.name, mine.kind.name
    return lambda place: [
        link.change(place.index(name), name, linkinfo={"info_kind": kind, "info_data": {option: place.index(other)}})
    ]


def change_attribute(mine: LinkPlan, key: str, now: t.Any, value: t.Any) -> None:
    if mine.fresh:
        brought = mine.kind.by_rtnetlink and not mine.twin and at_creation(mine.kind.name, key)
        if not brought and (value or key != "ifalias"):
            _set_after_creation(mine, key, value)
        return
    words = f"{NAMES.get(key, key)} {now or 'none'} -> {value or 'none'}"
    if key == "mtu" and value < now:
        _lower_mtu(mine, words, now, value)
    else:
        mine.changes.attributes(waves.BUILD, words, {key: now}, {key: value})


MTU_FOLLOWS = ("vlan", "macvlan", "macvtap", "ipvlan", "ipvtap", "macsec")
LEAST_FOR_IPV6 = 1280  # bytes; below, the kernel takes IPv6 from the link


def _lower_mtu(mine: LinkPlan, words: str, now: int, then: int) -> None:
    """What stands on the link follows it down, but not up again: the way back brings it along."""
    name, found = mine.want.name, None if mine.reset else mine.found
    follow = [one for one in lost_with(mine.host, found) if kind_of(one) in MTU_FOLLOWS] if found else []
    back = [link.change(one["ifindex"], one["ifname"], mtu=one["mtu"]) for one in follow if one["mtu"] > then]
    if then < LEAST_FOR_IPV6 <= now and found:
        from .restoring import Settings

        for one in (found, *(other for other in follow if other["mtu"] >= LEAST_FOR_IPV6)):
            back += Settings(mine.host, one).network(one["ifindex"])

    def undo(place: Place) -> list[t.Any]:
        return [link.change(place.index(name), name, mtu=now), *back]

    def do(place: Place) -> list[t.Any]:
        return [link.change(place.index(name), name, mtu=then)]

    mine.changes.request(waves.LOWER_MTU, words, do, undo, depth=-mine.changes.depth)


def _set_after_creation(mine: LinkPlan, key: str, value: t.Any) -> None:
    words = f"{NAMES.get(key, key)} {value}"
    step = Step(
        mine.want.place, lambda place: [link.change(place.index(mine.want.name), mine.want.name, **{key: value})]
    )
    mine.changes.add(waves.BUILD, words, step, nothing, depth=mine.changes.depth + 0.5)


def change_altnames(mine: LinkPlan, fewer: t.Sequence[str], more: t.Sequence[str]) -> None:
    want = mine.want

    def add(names: t.Sequence[str]) -> t.Callable[[Place], list[t.Any]]:
        return lambda place: [link.add_altnames(place.index(want.name), names, want.name)]

    def drop(names: t.Sequence[str]) -> t.Callable[[Place], list[t.Any]]:
        return lambda place: [link.delete_altnames(place.index(want.name), names, want.name)]

    for names, how, do, undo in ((fewer, "remove", drop, add), (more, "add", add, drop)):
        if names:
            words = f"{how} altname {', '.join(names)}"
            mine.changes.request(waves.BUILD, words, do(names), undo(names), depth=mine.changes.depth + 0.5)
