# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of one link: the options of its kind, MTU, MAC address, queue length, alias, alternative names."""

from __future__ import annotations

import typing as t

from ..kinds import options as kinds
from ..rtnl import link
from . import waves
from .found import kind_of, lost_with
from .linkplan import LinkPlan, at_creation, is_up
from .runner import Place, Step, nothing
from .wanted import WrongLink

NAMES = {"ifalias": "alias", "txqlen": "txqueuelen"}


def plan_options(mine: LinkPlan) -> None:
    data, kind = mine.data(), mine.kind
    then = kinds.differing(kind, mine.options, data)
    if not then:
        return
    if not kind.by_rtnetlink:
        from .tuntap import plan_change

        plan_change(mine, then)
        return
    words = ", ".join(f"{name} {data.get(name, 'unset')} -> {value}" for name, value in then.items())
    sent = kinds.change(kind, data, then)
    back = kinds.change(kind, {**data, **then}, {name: data.get(name, _off(value)) for name, value in then.items()})
    down = is_up(mine) and any("down" in kind.needs.get(name, ()) for name in then)
    lost = _lost(mine) if down else []
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


def _lost(mine: LinkPlan) -> list[t.Any]:
    """What has to be given back to a link that is down for a moment."""
    from .restoring import after_a_fall

    return after_a_fall(mine.host, mine.found)


def plan_named_options(mine: LinkPlan) -> None:
    """Options that name another link (a bond's primary port): set when the ports are there."""
    data = {} if mine.fresh else mine.data()
    for option, wanted in mine.named.items():
        now = mine.host.name_of(data.get(option)) if data else ""
        mine.changes.show(option, now or None, wanted or None)
        if wanted and not mine.exists(wanted, mine.want.place):
            raise WrongLink(mine.want.at(f"options.{option}"), f"there is no link {wanted}")
        if now != wanted:
            words = f"{option} {now or 'none'} -> {wanted or 'none'}"
            mine.changes.request(
                waves.PORT, words, _naming(mine, option, wanted), _naming(mine, option, now), partly=True
            )


def _naming(mine: LinkPlan, option: str, other: str) -> t.Callable[[Place], list[t.Any]]:
    name, kind = mine.want.name, mine.kind.name
    return lambda place: [
        link.change(place.index(name), name, linkinfo={"info_kind": kind, "info_data": {option: place.index(other)}})
    ]


def plan_attributes(mine: LinkPlan) -> None:
    """MTU, MAC address, queue length, alias: each a change of its own."""
    found = mine.found or {}
    for key, value in mine.want.attributes.items():
        now = found.get(key, "" if key == "ifalias" else None)
        mine.changes.show(NAMES.get(key, key), now or None, value or None)
        if mine.fresh:
            if key == "ifalias" and not value:
                continue
            if mine.twin or not at_creation(mine.kind.name, key) or not mine.kind.by_rtnetlink:
                _set_after_creation(mine, key, value)
        elif now != value:
            words = f"{NAMES.get(key, key)} {now or 'none'} -> {value or 'none'}"
            if key == "mtu" and value < now:
                _lower_mtu(mine, words, now, value)
            else:
                mine.changes.attributes(waves.BUILD, words, {key: now}, {key: value})
    if "mtu" in mine.want.attributes and (mine.want.place, mine.want.name) in mine.task.gaining:
        mtu = {"mtu": mine.want.attributes["mtu"]}
        if mine.kind.name == "bridge":
            mine.changes.attributes(waves.PORT, f"mtu {mtu['mtu']} held against its new ports'", mtu, mtu)


MTU_FOLLOWS = ("vlan", "macvlan", "macvtap", "ipvlan", "ipvtap", "macsec")
LEAST_FOR_IPV6 = 1280  # bytes; below, the kernel takes IPv6 from the link


def _lower_mtu(mine: LinkPlan, words: str, now: int, then: int) -> None:
    """What stands on the link follows it down, but not up again: the way back brings it along."""
    name = mine.want.name
    follow = [] if mine.reset else [one for one in lost_with(mine.host, mine.found) if kind_of(one) in MTU_FOLLOWS]
    back = [link.change(one["ifindex"], one["ifname"], mtu=one["mtu"]) for one in follow if one["mtu"] > then]
    if then < LEAST_FOR_IPV6 <= now and not mine.reset:
        from .restoring import Settings

        for one in (mine.found, *(other for other in follow if other["mtu"] >= LEAST_FOR_IPV6)):
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


def plan_altnames(mine: LinkPlan) -> None:
    want = mine.want
    if not want.altnames and not want.altnames_exact:
        return
    now = [] if mine.fresh else list((mine.found or {}).get("altnames", ()))
    more = [name for name in want.altnames if name not in now]
    fewer = [name for name in now if name not in want.altnames] if want.altnames_exact else []
    mine.changes.show("altname", sorted(now), sorted(set(now) - set(fewer) | set(more)))

    def add(names: t.Sequence[str]) -> t.Callable[[Place], list[t.Any]]:
        return lambda place: [link.add_altnames(place.index(want.name), names, want.name)]

    def drop(names: t.Sequence[str]) -> t.Callable[[Place], list[t.Any]]:
        return lambda place: [link.delete_altnames(place.index(want.name), names, want.name)]

    for names, how, do, undo in ((fewer, "remove", drop, add), (more, "add", add, drop)):
        if names:
            words = f"{how} altname {', '.join(names)}"
            mine.changes.request(waves.BUILD, words, do(names), undo(names), depth=mine.changes.depth + 0.5)
