# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removing links, with what goes with them: what stands on top first."""

from __future__ import annotations

import typing as t

from ...plan import Change
from ..rtnl import link
from . import waves
from .found import Link, below, kind_of, lasting, peer_of, standing_on
from .host import Host, Hosts
from .line import address as address_words
from .line import line
from .restoring import way_back
from .runner import Step, nothing
from .wanted import Wanted


class Removal:
    """The links that go, in an order in which they can: what stands on top first."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts
        self._found: dict[tuple[t.Any, int], tuple[str, Link, bool, int]] = {}

    def add(self, want: Wanted, found: Link) -> None:
        self._add(want.place, found, True, 0)

    def _add(self, netns: str | None, found: Link, asked: bool, depth: int, below: int = 0) -> None:
        """`below`: the link over which this one was come by, so that a pair does not go round in circles."""
        key = (netns, found["ifindex"])
        if key in self._found:
            _, _, before, deep = self._found[key]
            asked, depth = asked or before, max(depth, deep)
        self._found[key] = (found["ifname"], found, asked, depth)
        host = self._hosts[netns]
        for above in standing_on(host, found):
            if above["ifindex"] != below:
                self._add(netns, above, False, depth + 1, found["ifindex"])

    def changes(self) -> list[Change]:
        return [self._change(netns, *entry) for (netns, _), entry in self._found.items()]

    def _change(self, netns: str | None, name: str, found: Link, asked: bool, depth: int) -> Change:
        host = self._hosts[netns]
        twin = peer_of(host, found)
        first = twin is None or self._asks_first(netns, found, twin)
        delete = Step(netns, lambda place: [link.delete(found["ifindex"], name)])
        how = "remove" if asked else "goes with its peer" if twin else "goes with the link it stands on"
        label = f"{name} in {netns}" if netns else name
        do = delete if asked and first else nothing
        undo = way_back(host, netns, found) if first else nothing
        return Change(label, how, line(name, netns, summary(host, found)), "", do, undo, (waves.REMOVE, -depth))

    def _asks_first(self, netns: str | None, found: Link, twin: Link) -> bool:
        """Of the two ends of a veth pair one is removed; the other goes with it."""
        other = self._found.get((netns, twin["ifindex"]))
        mine = self._found[(netns, found["ifindex"])]
        if other is None or mine[2] != other[2]:
            return mine[2]
        return found["ifindex"] < twin["ifindex"]


def summary(host: Host, found: Link) -> dict[str, t.Any]:
    """What the line of a link that goes says: enough to know what is lost."""
    return {
        "kind": kind_of(found),
        "admin": "up" if found["flags"] & link.IFF_UP else "down",
        "mtu": found.get("mtu"),
        "link": host.name_of(below(found)) or None if found.get("link_netnsid") is None else None,
        "master": host.name_of(found.get("master")) or None,
        "addr": [address_words(one, [found["ifname"]]) for one in host.addresses_of(found["ifindex"]) if lasting(one)],
    }
