# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel will have after the steps planned so far, with what it takes along at each of them.

A link that goes down loses its IPv6 addresses (unless the sysctl keep_addr_on_down keeps them), routes and neighbours;
one that goes takes along what stands on it; a port that leaves its master is not what it was before it came. What may
or may not be lost is `unsure`: it is put back in a way that does no harm, or removed in a way that bears its absence.
"""

from __future__ import annotations

import typing as t

from ..netlink.links.found import STANDING
from .picture import Key, Object, Objects, Picture, Place

OF_LINK = ("addresses", "neighbours", "fdb", "vlans")
PAIRED = ("veth", "netkit", "vxcan")


class Model:
    """`links` are copies that may be changed; the other tables hold the picture's objects."""

    def __init__(self, picture: Picture) -> None:
        self.links: Objects = {index: dict(one) for index, one in picture.links.items()}
        self.addresses = dict(picture.addresses)
        self.routes = dict(picture.routes)
        self.rules = dict(picture.rules)
        self.neighbours = dict(picture.neighbours)
        self.fdb = dict(picture.fdb)
        self.vlans = dict(picture.vlans)
        self.unsure: set[Place] = set()
        self.dirty: set[int] = set()  # links that are not as in the picture any more
        self._lost: dict[Place, None] = {}
        self._reached: dict[Place, None] = {}
        self._keys: dict[str, dict[int, list[Key]]] = {}
        self._above: dict[int, list[int]] | None = None
        self._ports: dict[int, dict[int, None]] = {}
        for index, one in self.links.items():
            if one["master"]:
                self._ports.setdefault(one["master"], {})[index] = None

    # Who belongs to whom

    def ports(self, index: int) -> list[int]:
        return [port for port in self._ports.get(index, ()) if port in self.links]

    def above(self, index: int) -> list[int]:
        """The links that stand on a link, and go with it."""
        if self._above is None:
            self._above = {}
            for number, one in self.links.items():
                self._note_parent(number, one)
        return [number for number in self._above.get(index, ()) if number in self.links]

    def _note_parent(self, index: int, one: Object) -> None:
        parent = below(one)
        if parent:
            t.cast("dict[int, list[int]]", self._above).setdefault(parent, []).append(index)

    def keys(self, table: str, index: int) -> list[Key]:
        """The keys of the objects of a table that belong to a link, or of the routes that lead through it."""
        if table not in self._keys:
            found: dict[int, list[Key]] = {}
            for key, one in getattr(self, table).items():
                for link in _through(one) if table == "routes" else (one["index"],):
                    found.setdefault(link, []).append(key)
            self._keys[table] = found
        there = getattr(self, table)
        return [key for key in self._keys[table].get(index, ()) if key in there]

    # Losses

    def taken(self, but: Place) -> tuple[tuple[Place, ...], tuple[Place, ...]]:
        """What was lost, and what was changed, since this was asked last; `but` is left out."""
        if not self._lost and not self._reached:
            return (), ()
        lost = tuple(place for place in self._lost if place != but)
        reached = tuple(place for place in self._reached if place != but)
        self._lost.clear()
        self._reached.clear()
        return lost, reached

    def lose(self, table: str, key: Key, unsure: bool = False) -> None:
        if getattr(self, table).pop(key, None) is not None:
            self._lost[table, key] = None
            if unsure:
                self.unsure.add((table, key))

    def reach(self, table: str, key: Key) -> None:
        """Notes that something may be changed along with the next step."""
        self._reached[table, key] = None

    def _lose_all(self, table: str, index: int) -> None:
        for key in self.keys(table, index):
            self.lose(table, key)

    def lose_routes(self, index: int, family: str = "") -> None:
        """Those through a link; one that has other ways too may stay."""
        for key in self.keys("routes", index):
            one = self.routes[key]
            if family in ("", one["family"]):
                self.lose("routes", key, unsure=bool(one.get("nexthops") or one.get("nhid")))

    def lose_neighbours(self, index: int, family: str) -> None:
        for key in self.keys("neighbours", index):
            if self.neighbours[key]["family"] == family:
                self.lose("neighbours", key)

    def lose_ipv6(self, index: int, unsure: bool) -> None:
        for key in self.keys("addresses", index):
            if self.addresses[key]["family"] == "inet6":
                self.lose("addresses", key, unsure)

    # What happens to links

    def change(self, index: int) -> Object:
        """The link, to be changed."""
        self.dirty.add(index)
        self._reached["links", index] = None
        return self.links[index]

    def add(self, index: int, one: Object) -> None:
        self.links[index] = one
        self.dirty.add(index)
        if self._above is not None:
            self._note_parent(index, one)

    def vanish(self, index: int) -> list[int]:
        """A link is removed, with what stands on it and the other end of its pair: those others."""
        along: list[int] = []
        for port in self.ports(index):
            self.leave(port)
        one = self.links.pop(index)
        self._lost["links", index] = None
        if one["master"]:
            self._leave(index, one)
        for table in OF_LINK:
            self._lose_all(table, index)
        self.lose_routes(index)
        for number in self.above(index):
            if number in self.links:
                along += (number, *self.vanish(number))
        if one.get("kind") in PAIRED and one["link"] in self.links and "link_netnsid" not in one:
            along += (one["link"], *self.vanish(one["link"]))
        return along

    def fall(self, index: int) -> None:
        """A link goes down, and the VLANs on it."""
        self.change(index)["up"] = False
        self._lose_all("neighbours", index)
        self.lose_routes(index)
        self.lose_ipv6(index, unsure=True)
        for number in self.above(index):
            if self.links[number]["up"] and follows_up(self.links[number]):
                self.fall(number)

    def rise(self, index: int) -> None:
        """A link goes up, and the VLANs on it."""
        self.change(index)["up"] = True
        for number in self.above(index):
            if follows_up(self.links[number]):
                self.rise(number)

    def cycle(self, index: int) -> None:
        """A link is down for a moment."""
        if self.links[index]["up"]:
            self.fall(index)
            self.rise(index)

    def change_address(self, index: int, address: str) -> None:
        one = self.change(index)
        one["address"] = address
        self._lose_all("neighbours", index)
        for number in self.above(index):
            if "address" in self.links[number].get("free", ()):
                self.change_address(number, address)
        master = self.links.get(one["master"])
        if master and "address" in master.get("free", ()):
            self.change(one["master"])["address"] = None

    def change_mtu(self, index: int, mtu: int) -> None:
        """What stands on a link follows it down; below 1280 bytes there is no IPv6."""
        self.change(index)["mtu"] = mtu
        if mtu < 1280:
            self.lose_ipv6(index, unsure=False)
            self.lose_routes(index, "inet6")
        for number in self.above(index):
            if (self.links[number].get("mtu") or 0) > mtu:
                self.change_mtu(number, mtu)
        master = self.links.get(self.links[index]["master"])
        if master and "mtu" in master.get("free", ()):
            self.change(self.links[index]["master"])["mtu"] = None

    def leave(self, index: int) -> None:
        """A port leaves its master."""
        one = self.change(index)
        self._leave(index, one)
        one["master"] = 0

    def _leave(self, index: int, one: Object) -> None:
        master = self.links.get(one["master"], {})
        self._ports.get(one["master"], {}).pop(index, None)
        if one.pop("port", None) is not None or master.get("kind") == "bridge":
            self._lose_all("fdb", index)
            self._lose_all("vlans", index)
        self._regroup(one["master"])
        if master.get("kind") == "bond" and (master.get("options") or {}).get("primary") == index:
            self.change(one["master"])["options"] = {**master["options"], "primary": 0}
        if index not in self.links:
            return
        if master.get("kind") == "bond":
            self.fall(index)
            one.update(address=one.get("permaddr"), mtu=None)
        elif master.get("kind") == "vrf":
            self.cycle(index)

    def join(self, index: int, master: int) -> None:
        """A port comes to a master; it leaves another one on the way."""
        one = self.change(index)
        if one["master"]:
            self.leave(index)
        kind = self.links[master].get("kind")
        if kind == "bond":
            if one["up"]:
                self.fall(index)
            self.rise(index)
            one.update(address=None, mtu=None)
        elif kind == "vrf":
            self.cycle(index)
        one["master"] = master
        self._ports.setdefault(master, {})[index] = None
        self._regroup(master)

    def _regroup(self, index: int) -> None:
        """Bridges take address and MTU of their ports, bonds the address, unless they were told others."""
        kind = self.links[index].get("kind") if index in self.links else None
        if kind in ("bridge", "bond"):
            self.change(index)["address"] = None
        if kind == "bridge":
            self.change(index)["mtu"] = None


def below(one: Object) -> int:
    """The link that one stands on and goes with; 0 for none here."""
    return one["link"] if one.get("kind") in STANDING and "link_netnsid" not in one else 0


def follows_up(one: Object) -> bool:
    """VLANs go up and down with the link below them."""
    return one.get("kind") == "vlan" and "LOOSE_BINDING" not in (one.get("options") or {}).get("flags", ())


def _through(route: Object) -> set[int]:
    return {hop["oif"] for hop in (route, *route.get("nexthops", ())) if hop.get("oif")}
