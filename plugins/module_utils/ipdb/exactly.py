# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scope `exact`: what a task does not list is removed, of the lists that it gives.

Never touched unless listed: lo, physical links, the links that carry the task's own connection with what lies below
and above them, the routes through them and the rules that may lead there, links whose names fit a pattern of `protect`
with their routes, rules that name any of these links, and the links that modules of tunnels bring into every namespace.
VLANs of bridges have no part in it: each item of `bridge_vlans` says by its own `mode` whether it is exact.
"""

from __future__ import annotations

import fnmatch
import typing as t

from .model import PAIRED, below
from .picture import Object
from .wanted_removals import Removals, can_come_back
from .wanting import Wanting

FALLBACKS = frozenset(
    ("gre0", "gretap0", "erspan0", "tunl0", "sit0", "ip6tnl0", "ip6gre0", "ip_vti0", "ip6_vti0", "ip6gretap0")
)


def apply(wanting: Wanting, params: t.Mapping[str, t.Any], tables: t.Sequence[str]) -> None:
    """Removes from `tables` what is not listed, of those whose list is given."""
    spared = _spared(wanting, params.get("protect") or (), params.get("carrying") or ())
    through: set[t.Any] = {*spared, *(wanting.before.links[index]["ifname"] for index in spared)}
    rules = frozenset(params.get("carrying_rules") or ())
    for table in tables:
        if params.get("interfaces" if table == "links" else table) is None:
            continue
        if table == "links":
            _links(wanting, spared)
        else:
            for key, one in list(wanting.table(table).items()):
                kept = (table, key) in wanting.places or (table == "rules" and key in rules)
                if not kept and not _through(one) & through:
                    wanting.drop(table, key)


def _through(one: Object) -> set[t.Any]:
    """The links that an object belongs to or leads through: by index, and those that a rule names by name."""
    hops = (one, *one.get("nexthops", ()))
    return {hop.get("oif") or hop.get("index") or 0 for hop in hops} | {one.get("iif", 0)}


def _spared(wanting: Wanting, protect: t.Iterable[str], carrying: t.Collection[str]) -> set[int]:
    """The links that are not touched; what a link that stays stands on stays too."""
    links = wanting.before.links
    spared = {index for index, one in links.items() if one["ifname"] in carrying or _fits(one, protect)}
    chain = list(spared)
    while chain:
        one = links.get(chain.pop(), {})
        under = {one.get("master", 0), below(one)} if one else set()
        if one.get("kind") in PAIRED:
            under.add(one["link"])
        more = {index for index in under if index in links} - spared
        spared |= more
        chain += more
    return spared


def _fits(one: Object, patterns: t.Iterable[str]) -> bool:
    names = (one["ifname"], *one.get("altnames", ()))
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns for name in names)


def _links(wanting: Wanting, spared: t.AbstractSet[int]) -> None:
    listed = {key for table, key in wanting.places if table == "links"}
    needed = _needed(wanting, listed)
    removals = Removals(wanting, listed)
    for index, one in list(wanting.before.links.items()):
        if index in listed or index in spared or index in needed or index not in wanting.table("links"):
            continue
        if can_come_back(one) and not (one["ifname"] in FALLBACKS and not one["up"]):
            removals.drop(index)


def _needed(wanting: Wanting, listed: t.AbstractSet[int]) -> set[int]:
    """The other ends of listed pairs, and what listed links stand on."""
    links, needed = wanting.table("links"), set()
    for index in listed:
        one = links.get(index, {})
        while one:
            under = one["link"] if one.get("kind") in PAIRED else below(one)
            if not under or under in needed or under in listed:
                break
            needed.add(under)
            one = links.get(under, {})
    return needed
