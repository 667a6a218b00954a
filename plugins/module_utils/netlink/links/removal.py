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
from .line import in_line, line
from .restoring import rebuilding, way_back
from .runner import Step, nothing
from .wanted import Wanted


class Going(t.NamedTuple):
    found: Link
    asked: bool  # by the task, or it goes with another one
    depth: int  # links between it and one that is asked to go
    where: str


class Apart(t.Container[int]):
    """The links of a namespace that are asked to go, but for one."""

    def __init__(self, found: t.Mapping[tuple[t.Any, int], Going], netns: str | None, but: int) -> None:
        self._found, self._netns, self._but = found, netns, but

    def __contains__(self, index: object) -> bool:
        going = self._found.get((self._netns, t.cast(int, index)))
        return going is not None and going.asked and index != self._but


class Removal:
    """The links that go, in an order in which they can: what stands on top first."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts
        self._found: dict[tuple[t.Any, int], Going] = {}

    def add(self, want: Wanted, found: Link) -> None:
        self._add(want.place, Going(found, True, 0, want.where))

    def _add(self, netns: str | None, going: Going, below: int = 0) -> None:
        """`below`: the link over which this one was come by, so that a pair does not go round in circles."""
        key = (netns, going.found["ifindex"])
        before = self._found.get(key)
        if before:
            first = before if before.asked else going
            going = first._replace(asked=before.asked or going.asked, depth=max(before.depth, going.depth))
        self._found[key] = going
        for above in standing_on(self._hosts[netns], going.found):
            if above["ifindex"] != below:
                self._add(netns, Going(above, False, going.depth + 1, going.where), going.found["ifindex"])

    def changes(self) -> list[Change]:
        return [self._change(netns, going) for (netns, _unused), going in self._found.items()]

    def _change(self, netns: str | None, going: Going) -> Change:
        host, found = self._hosts[netns], going.found
        twin = peer_of(host, found)
        if not going.asked or not self._asks_first(netns, going, twin):
            how = "goes with its peer" if twin or going.asked else "goes with the link it stands on"
            return loss(host, netns, found, how, going.where, (waves.LOST, going.depth))
        index, name = found["ifindex"], found["ifname"]
        apart = Apart(self._found, netns, (twin or found)["ifindex"])
        delete = Step(netns, lambda place: [link.delete(index, name)])
        undo = way_back(host, netns, found, apart)
        # A master and a port of it: each in a wave of its own, so that the way back of one sees the other.
        apiece = index if found.get("master") or host.ports_of(index) else 0
        before, wave = line(name, netns, summary(host, found)), (waves.REMOVE, -going.depth, apiece)
        return Change(labelled(name, netns), "remove", before, "", delete, undo, wave, going.where)

    def _asks_first(self, netns: str | None, going: Going, twin: Link | None) -> bool:
        """Of the two ends of a veth pair one is removed; the other goes with it."""
        if twin:
            other = self._found.get((netns, twin["ifindex"]))
            return other is None or not other.asked or going.found["ifindex"] < twin["ifindex"]
        return not self._asked_before(netns, going.found)

    def _asked_before(self, netns: str | None, found: Link) -> bool:
        """Whether the other end of a pair, in another namespace, is asked to go before this one."""
        if kind_of(found) != "veth" or len({place for place, _unused in self._found}) == 1:
            return False
        from .pairs import far_end

        far = far_end(self._hosts[netns], found)
        keys = list(self._found)
        there = (far.netns, far.found["ifindex"]) if far else None
        return there in keys and keys.index(there) < keys.index((netns, found["ifindex"]))


def labelled(name: str, netns: str | None) -> str:
    return f"{name} in {netns}" if netns else name


def loss(host: Host, netns: str | None, found: Link, how: str, where: str, wave: t.Any) -> Change:
    """A link that the kernel removes together with another one, whose way back brings it too, if there is one."""
    possible = peer_of(host, found) or rebuilding(host, netns, found)
    name = found["ifname"]
    before = line(name, netns, summary(host, found))
    return Change(labelled(name, netns), how, before, "", nothing, nothing if possible else None, wave, where)


def summary(host: Host, found: Link) -> dict[str, t.Any]:
    """What the line of a link that goes says: enough to know what is lost."""
    return {
        "kind": kind_of(found),
        "admin": "up" if found["flags"] & link.IFF_UP else "down",
        "mtu": found.get("mtu"),
        "link": host.name_of(below(found)) or None if found.get("link_netnsid") is None else None,
        "master": host.name_of(found.get("master")) or None,
        "addr": in_line(filter(lasting, host.addresses_of(found["ifindex"])), [found["ifname"]]),
    }
