# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what a network namespace has, filtered by the kernel, and shows it as `ip -j` does."""

from __future__ import annotations

import errno
import typing as t

from . import show
from .attribute import walk
from .channel import NetlinkSocket
from .errors import NetlinkDecodeError, NetlinkError
from .rtnl import link
from .rtnl.numbers import AF_INET, AF_INET6, AF_UNSPEC

FEW = 256  # up to so many links are asked for one by one (some 25 us each); more are cheaper to have in one dump
MANY_ROUTES = 1000  # of so many routes it is not worth finding out which links they name

FAMILIES = {None: AF_UNSPEC, "inet": AF_INET, "inet6": AF_INET6}


class Filters(t.NamedTuple):
    """What to read; None: everything. `link` and `master` are indexes, the others as the objects show them."""

    link: int | None = None
    kind: str | None = None
    master: int | None = None
    family: str | None = None
    table: str | None = None
    protocol: str | None = None


Entry = t.Tuple[int, str, int]


def entry(data: bytes, start: int, end: int) -> Entry:
    """Index, name and IFF_* flags of a link: all that naming it takes."""
    if end - start < link.IFINFO.size:
        raise NetlinkDecodeError(f"a link message of {end - start} bytes")
    _unused, _unused, index, flags, _unused = link.IFINFO.unpack_from(data, start)
    for number, at, stop in walk(data, start + link.IFINFO.size, end):
        if number == 3:
            return index, link.NAME.decode(data, at, stop), flags
    raise NetlinkDecodeError(f"link {index} without a name")


class Reader:
    """One namespace, read once: the links' names are kept for everything else that is read."""

    def __init__(self, sock: NetlinkSocket, filters: Filters) -> None:
        self.sock = sock
        self.filters = filters
        self._names = show.Names({}, {})
        self._all_named = False

    def names(self, wanted: t.Collection[int] | None = None) -> show.Names:
        """Names that cover the links `wanted` (None: all), as far as these exist."""
        if not self._all_named:
            missing = None if wanted is None else set(wanted) - self._names.names.keys()
            if missing is None or len(missing) > FEW:
                self._remember(self.sock.dump(link.dump(), entry))
                self._all_named = True
            else:
                for index in missing:
                    self._remember(self._ask(link.get(index), entry))
        return self._names

    def _remember(self, entries: t.Iterable[Entry]) -> None:
        for index, name, flags in entries:
            self._names.names[index] = name
            self._names.flags[index] = flags

    def _ask(self, request: t.Any, decode: t.Any) -> list[t.Any]:
        """The answers; none where there is no such link (any more)."""
        try:
            return self.sock.ask(request, decode)
        except NetlinkError as error:
            if error.errno != errno.ENODEV:
                raise
            return []

    def links(self) -> list[show.Object]:
        """Links as `ip -j -d link` shows them."""
        want = self.filters
        if want.link is not None:
            found = self._ask(link.get(want.link), link.decode)
        else:
            found = self.sock.dump(link.dump(want.kind, want.master), link.decode)
        if want.link is not None or want.kind:
            found = [one for one in found if _fits(one, want)]
        own = show.names_of(found)
        self._names.names.update(own.names)
        self._names.flags.update(own.flags)
        if want.link is None and want.kind is None and want.master is None:
            self._all_named = True
        elif found:
            self.names(_named_in(found))
        show.links(found, self._names)
        return found

    def addresses(self) -> list[show.Object]:
        """Addresses by link, as `ip -j addr` shows them."""
        from .rtnl import address

        found = self.sock.dump(address.dump(self.filters.link or 0, FAMILIES[self.filters.family]), address.decode)
        return show.addresses(found, self.names({one["index"] for one in found}))

    def routes(self) -> list[show.Object]:
        """Routes as `ip -j -d route` shows them."""
        from . import show_route
        from .rtnl import route

        want = self.filters
        request = route.dump(
            table=want.table,
            family=FAMILIES[want.family],
            oif=want.link or 0,
            protocol=want.protocol,
        )
        try:
            found = self.sock.dump(request, route.decode)
        except NetlinkError as error:
            if error.errno != errno.ENOENT:  # what the kernel says of a table without routes
                raise
            found = []
        few = len(found) < MANY_ROUTES
        return show_route.routes(found, self.names(show_route.links_in(found) if few else None))

    def rules(self) -> list[show.Object]:
        """Rules as `ip -j -d rule` shows them."""
        from . import show_route
        from .rtnl import rule

        return show_route.rules(self.sock.dump(rule.dump(FAMILIES[self.filters.family]), rule.decode))

    def neighbours(self) -> list[show.Object]:
        """Neighbours as `ip -j neigh` shows them: without those that need no resolution (NOARP)."""
        from . import show_neighbour
        from .rtnl import neighbour

        want = self.filters
        request = neighbour.dump(FAMILIES[want.family], want.link or 0, want.master or 0)
        found = [one for one in self.sock.dump(request, neighbour.decode) if one["state"] != ["NOARP"]]
        return show_neighbour.neighbours(found, self.names(show_neighbour.links_in(found)))

    def fdb(self) -> list[show.Object]:
        """Forwarding entries as `bridge -j fdb` shows them."""
        from . import show_neighbour
        from .rtnl import fdb

        found = self.sock.dump(fdb.dump(self.filters.master or 0, self.filters.link or 0), fdb.decode)
        return show_neighbour.fdb(found, self.names(show_neighbour.links_in(found)))

    def vlans(self) -> list[show.Object]:
        """VLANs of bridges and ports as `bridge -j -compressvlans vlan` shows them: the kernel has no filters here."""
        from . import show_neighbour
        from .rtnl import bridge_vlan

        want = self.filters
        found = [
            one
            for one in self.sock.dump(bridge_vlan.dump(), bridge_vlan.decode)
            if want.link in (None, one["index"]) and want.master in (None, one.get("master"))
        ]
        return show_neighbour.vlans(found, self.names(show_neighbour.links_in(found)))


READERS: dict[str, t.Callable[[Reader], list[show.Object]]] = {
    "links": Reader.links,
    "addresses": Reader.addresses,
    "routes": Reader.routes,
    "rules": Reader.rules,
    "neighbours": Reader.neighbours,
    "fdb": Reader.fdb,
    "vlans": Reader.vlans,
}


def gather(sock: NetlinkSocket, what: t.Collection[str], filters: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Lists of objects by the names in `what`, keys of READERS.

    `filters` are Filters with names in place of indexes; where there is no such link, nothing is found.
    Raises NetlinkError, NetlinkEncodeError, DumpInterrupted, NetlinkTimeout.
    """
    indexes: dict[str, int | None] = {}
    for key in ("link", "master"):
        if filters.get(key):
            indexes[key] = index_of(sock, filters[key])
            if indexes[key] is None:
                return {name: [] for name in what}
    reader = Reader(sock, Filters(**{**filters, **indexes}))
    return {name: read(reader) for name, read in READERS.items() if name in what}


def index_of(sock: NetlinkSocket, name: str) -> int | None:
    """The index of the link with that name or alternative name."""
    try:
        return sock.ask(link.get(name=name), entry)[0][0]
    except NetlinkError as error:
        if error.errno != errno.ENODEV:
            raise
        return None


def _fits(one: show.Object, want: Filters) -> bool:
    """What the kernel does not filter: a link asked for by its index, and kinds whose module is not loaded."""
    kind = one.get("linkinfo", {}).get("info_kind")
    return want.kind in (None, kind) and want.master in (None, one.get("master"))


def _named_in(links: t.Iterable[show.Object]) -> set[int]:
    """The links that these links speak of, in options of their kinds too."""
    indexes = set()
    for one in links:
        if "link_netnsid" not in one:
            indexes.add(one.get("link", 0))
        indexes.add(one.get("master", 0))
        if "linkinfo" in one:
            indexes.update(options[name] for options, name in show.linked(one["linkinfo"]))
    return indexes - {0}
