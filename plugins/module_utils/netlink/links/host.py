# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has: links and addresses of one namespace, read as far as they are needed."""

from __future__ import annotations

import errno
import typing as t

from ..channel import NetlinkSocket
from ..errors import NetlinkError
from ..rtnl import address, link
from ..rtnl.numbers import AF_BRIDGE, AF_INET, AF_INET6, AF_UNSPEC
from .found import below

if t.TYPE_CHECKING:
    from ..genl import GenericSocket
    from ..netns import NetNS
    from .runner import Runner

FEW = 16  # up to so many links are asked for one by one; more are cheaper to have in one dump

Link = t.Dict[str, t.Any]


class Host:
    """One network namespace. Links are remembered as they are asked for, so one `Host` is one look at it."""

    def __init__(self, sock: NetlinkSocket, others: Hosts) -> None:
        self._sock = sock
        self.others = others
        self._numbered: dict[int, NetNS] | None = None
        self._links: dict[int, Link] = {}
        self._by_name: dict[str, int | None] = {}
        self._addresses: dict[int, list[dict[str, t.Any]]] = {}
        self._relations: dict[str, dict[int, list[Link]]] = {}
        self._routes: dict[int | None, list[dict[str, t.Any]]] | None = None
        self._vlans: dict[int, list[dict[str, t.Any]]] | None = None
        self._entries: dict[int, list[dict[str, t.Any]]] = {}
        self._whole = False
        self._all_addresses = False

    def read_all(self) -> None:
        """Reads every link and every address at once."""
        self.links()
        if not self._all_addresses:
            for found in self._sock.dump(address.dump(), address.decode):
                self._addresses.setdefault(found["index"], []).append(found)
            self._all_addresses = True

    def links(self) -> t.Collection[Link]:
        if not self._whole:
            for found in self._sock.dump(link.dump(), link.decode):
                self._remember(found)
            self._whole = True
        return self._links.values()

    def find(self, name: str) -> Link | None:
        """The link of that name or alternative name."""
        if name not in self._by_name and not self._whole:
            self._ask(link.get(name=name), name)
        index = self._by_name.get(name)
        return None if index is None else self._links[index]

    def by_index(self, index: int) -> Link | None:
        if index not in self._links and not self._whole:
            self._ask(link.get(index), "")
        return self._links.get(index)

    def name_of(self, index: int | None) -> str:
        """The name of a link ("" for none; its number where it lies in another namespace)."""
        if not index:
            return ""
        found = self.by_index(index)
        return found["ifname"] if found else str(index)

    def addresses_of(self, index: int) -> t.Sequence[dict[str, t.Any]]:
        if index not in self._addresses and not self._all_addresses:
            self._addresses[index] = self._sock.dump(address.dump(index), address.decode)
        return self._addresses.get(index, ())

    def routes_of(self, index: int) -> list[dict[str, t.Any]]:
        """The routes through a link that somebody set; those that the kernel makes come back by themselves."""
        if not self._all_addresses:
            return self._read_routes(index)
        if self._routes is None:  # of many links: one dump is cheaper than one each
            self._routes = {}
            for one in self._read_routes(0):
                for through in {one.get("oif"), *(hop.get("oif") for hop in one.get("nexthops", ()))}:
                    self._routes.setdefault(through, []).append(one)
        return self._routes.get(index, [])

    def _read_routes(self, index: int) -> list[dict[str, t.Any]]:
        from ..rtnl import route

        found = []
        for family in (AF_INET, AF_INET6):
            found += self._sock.dump(route.dump(family=family, oif=index), route.decode)
        return [one for one in found if one.get("protocol") not in ("kernel", "ra")]

    def vlans_of(self, index: int) -> list[dict[str, t.Any]]:
        """The VLANs of a bridge or port."""
        if self._vlans is None:
            from ..rtnl import bridge_vlan

            found = self._sock.dump(bridge_vlan.dump(), bridge_vlan.decode)
            self._vlans = {one["index"]: one["vlans"] for one in found}
        return self._vlans.get(index, [])

    def knows_vlans(self) -> bool:
        """Whether any bridge or port has some: there are kernels without."""
        self.vlans_of(0)
        return bool(self._vlans)

    def entries_of(self, bridge: int) -> list[dict[str, t.Any]]:
        """The forwarding entries of a bridge and its ports that somebody set."""
        if bridge not in self._entries:
            from ..rtnl import fdb

            self._entries[bridge] = self._sock.dump(fdb.dump(bridge), fdb.decode_set)
        return self._entries[bridge]

    def ports_of(self, index: int) -> list[Link]:
        return self._related("master", lambda found: found.get("master")).get(index, [])

    def above(self, index: int) -> list[Link]:
        """The links that stand on a link."""
        return self._related("link", below).get(index, [])

    def beside(self, number: int) -> tuple[NetNS, Host] | None:
        """The namespace that this one knows by a number (`link_netnsid`), where it has a name or a process here."""
        from .beside import numbered

        if self._numbered is None:
            self._numbered = numbered(self._sock, tuple(self.others))
        if number not in self._numbered:
            return None
        netns = self._numbered[number]
        return netns, self.others[netns]

    def _related(self, key: str, reading: t.Callable[[Link], int | None]) -> dict[int, list[Link]]:
        if key not in self._relations:
            relation = self._relations.setdefault(key, {})
            for found in self.links():
                other = reading(found)
                if other:
                    relation.setdefault(other, []).append(found)
        return self._relations[key]

    def _ask(self, request: t.Any, name: str) -> None:
        try:
            found = self._sock.ask(request, link.decode)
        except NetlinkError as error:
            if error.errno != errno.ENODEV:
                raise
            found = []
        for one in found:
            self._remember(one)
        if name:
            self._by_name.setdefault(name, found[0]["ifindex"] if found else None)

    def _remember(self, found: Link) -> None:
        if found["family"] not in (AF_UNSPEC, AF_BRIDGE):
            return
        self._links[found["ifindex"]] = found
        for name in (found.get("ifname", ""), *found.get("altnames", ())):
            self._by_name[name] = found["ifindex"]


class Hosts(t.Dict[t.Union[None, str, int], Host]):
    """The namespaces of one look, each opened when first asked for."""

    def __init__(self, run: Runner) -> None:
        super().__init__()
        self._run = run

    def __missing__(self, netns: NetNS) -> Host:
        self[netns] = Host(self._run.socket(netns), self)
        return self[netns]

    def in_order(self, *steps: t.Any) -> t.Callable[[], None]:
        """One action of several steps, each of which has to be done before the next is made."""

        def action() -> None:
            for step in steps:
                for error in self._run([step]):
                    if error is not None:
                        raise error

        return action

    def generic(self, netns: NetNS) -> GenericSocket:
        return self._run.generic(netns)
