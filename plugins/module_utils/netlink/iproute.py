# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs of pyroute2's IPRoute, over this core.

    ip = iproute()
    dev = ip.link_lookup(ifname="tap0")[0]
    ip.link("set", dev, state="down")
    ip.link("set", dev, address="00:11:22:33:44:55", ifname="vpn")
    ip.addr("add", dev, address="10.0.0.1", mask=24)
    ip.link("set", dev, state="up")

What is asked for comes as this core's plain dictionaries (the keys of `ip -j`, links as numbers), not as pyroute2's
messages. Nothing else here imports this file.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import typing as t

from . import iproute_names as names
from .channel import NetlinkSocket
from .errors import NetlinkEncodeError, NetlinkError
from .events import wait_for
from .kinds import registry
from .message import Request
from .netns import NetNS, open_file
from .rtnl import address, bridge_vlan, fdb, link, neighbour, route, rule, tc
from .rtnl.numbers import AF_INET, AF_INET6, AF_UNSPEC
from .rtnl.selection import only

Found = t.List[t.Dict[str, t.Any]]
Index = t.Union[int, str]
Makers = t.Mapping[str, t.Callable[..., Request]]

COMMANDS = {"delete": "del", "remove": "del", "create": "add", "change": "set", "get": "dump"}
FAMILIES = {None: AF_UNSPEC, "inet": AF_INET, "inet6": AF_INET6}

ADDRESSES: Makers = {"add": address.new, "replace": functools.partial(address.new, replace=True), "del": address.delete}
ROUTES: Makers = {
    "add": route.new, "append": route.append, "replace": route.replace, "set": route.replace, "del": route.delete,
}  # fmt: skip
RULES: Makers = {"add": rule.new, "del": rule.delete}
NEIGHBOURS: Makers = {
    "add": neighbour.new, "replace": neighbour.replace, "set": neighbour.replace, "del": neighbour.delete,
}  # fmt: skip
ENTRIES: Makers = {
    "add": fdb.new, "append": fdb.append, "replace": fdb.replace, "set": fdb.replace, "del": fdb.delete,
}  # fmt: skip
VLANS: Makers = {"add": bridge_vlan.add, "del": bridge_vlan.delete}
QDISCS: Makers = {"add": tc.new, "replace": tc.replace, "set": tc.change, "del": tc.delete}
CLASSES: Makers = {"add-class": tc.new_class, "change-class": tc.change_class}


def _maker(command: str, makers: Makers) -> t.Callable[..., Request]:
    maker = makers.get(COMMANDS.get(command, command))
    if maker is None:
        raise NetlinkEncodeError("command", f"takes one of {', '.join(makers)}, not {command!r}")
    return maker


def _family(family: t.Any) -> int:
    return FAMILIES.get(family, family)


class IPRoute:
    """A rtnetlink socket with a verb for each kind of object: `verb(command, ...)`.

    Commands are "add", "set" (or "change"), "replace", "append", "del" (or "delete") and "dump", as far as the object
    has them. A link is given by index or by name. `netns`: a namespace's name, path or pid.
    Raises NetlinkError where the kernel refuses, NetlinkEncodeError or ValueError for what cannot be sent.
    """

    def __init__(self, netns: NetNS = None) -> None:
        self.netns = netns
        self.sock = NetlinkSocket(netns=netns)

    def __enter__(self) -> IPRoute:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        self.sock.close()

    def _do(self, request: Request) -> None:
        failure = self.sock.batch([request])[0]
        if failure:
            raise failure

    def _index(self, given: Index | None) -> int:
        if isinstance(given, str):
            return self.sock.ask(link.get(name=given), link.decode)[0]["ifindex"]
        if not given:
            raise NetlinkEncodeError("index", "a link is needed, by index or by name")
        return given

    # Links

    def get_links(self, *index: Index, **match: t.Any) -> Found:
        """All links, those named, or those that are as `match` says (`kind` and `master` asked of the kernel)."""
        if index:
            return [found for one in index for found in self.sock.ask(link.get(self._index(one)), link.decode)]
        kind, master = match.pop("kind", None), match.pop("master", None)
        return self.sock.dump(link.dump(kind, master), only(link.decode, **match))

    def link_lookup(self, **match: t.Any) -> list[int]:
        """The indexes of the links that are as `match` says: `ifname`, `address`, `operstate`, `kind`, `master`, ..."""
        name = match.pop("ifname", None)
        try:
            found = self.get_links(name) if name else self.get_links(**match)
        except NetlinkError as error:
            if error.errno != errno.ENODEV:
                raise
            return []
        return [one["ifindex"] for one in found if not name or match.items() <= one.items()]

    def link(self, command: str, index: Index | None = None, dev: Index | None = None, **options: t.Any) -> t.Any:
        """`state` ("up", "down"), `ifname`, `kind` with the kind's own options, and attributes of any link."""
        index = dev if index is None else index
        command = COMMANDS.get(command, command)
        if command == "dump":
            return self.get_links(*(() if index is None else (index,)), **options)
        if command == "del":
            return self._do(link.delete(self._index(index or options.get("ifname"))))
        if command not in ("add", "set"):
            raise NetlinkEncodeError("command", f"takes one of add, set, del, dump, not {command!r}")
        state = options.pop("state", None)
        if state not in (None, "up", "down"):
            raise NetlinkEncodeError("state", f"takes up or down, not {state!r}")
        with self._resolved(options):
            if command == "add":
                return self._add_link(index, state == "up", options)
            return self._set_link(self._index(index), None if state is None else state == "up", options)

    @contextlib.contextmanager
    def _resolved(self, options: dict[str, t.Any]) -> t.Iterator[None]:
        """Links that options name, as indexes; a namespace by name, as a descriptor for as long as the block takes."""
        for name in ("link", "master"):
            if isinstance(options.get(name), str):
                options[name] = self._index(options[name])
        descriptor = None
        if isinstance(options.get("net_ns_fd"), str):
            descriptor = options["net_ns_fd"] = open_file(options["net_ns_fd"])
        try:
            yield
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _add_link(self, index: Index | None, up: bool, options: dict[str, t.Any]) -> None:
        name, kind = options.pop("ifname", None), options.pop("kind", None)
        if not name or not kind:
            raise NetlinkEncodeError("kind" if name else "ifname", "is needed to add a link")
        if not registry.get(kind).by_rtnetlink:
            raise NetlinkEncodeError("kind", f"{kind} links are not made by rtnetlink but by /dev/net/tun")
        self._do(link.new(name, kind, up, int(index or 0), **names.link_attributes(kind, options)))

    def _set_link(self, index: int, up: bool | None, options: dict[str, t.Any]) -> None:
        kind = options.pop("kind", None)
        if kind is None and any(name not in link.TABLE for name in options):
            found = self.sock.ask(link.get(index), link.decode)[0]
            kind = found.get("linkinfo", {}).get("info_kind")
        self._do(link.change(index, up=up, **names.link_attributes(kind or "", options)))

    def link_up(self, *index: Index) -> None:
        for one in index:
            self.link("set", one, state="up")

    def link_down(self, *index: Index) -> None:
        for one in index:
            self.link("set", one, state="down")

    def link_rename(self, index: Index, name: str) -> None:
        self.link("set", index, ifname=name)

    def link_remove(self, *index: Index) -> None:
        for one in index:
            self.link("del", one)

    def brport(self, command: str, index: Index, **options: t.Any) -> t.Any:
        """Options of a link as port of a bridge: `cost`, `isolated`, `learning`, ..."""
        if COMMANDS.get(command, command) == "dump":
            return self.get_links(index)
        _maker(command, {"set": link.change})
        info = {"info_slave_kind": "bridge", "info_slave_data": options}
        return self._do(link.change(self._index(index), linkinfo=info))

    def get_vlans(self, **match: t.Any) -> Found:
        """The VLANs of bridges and their ports: `index`, `vlans`."""
        return self.sock.dump(bridge_vlan.dump(), only(bridge_vlan.decode, **match))

    def vlan_filter(self, command: str, index: Index, vlan_info: t.Any = None, vlan_flags: str = "master") -> None:
        """`vlan_info`: `{"vid": 10, "flags": ["pvid", "untagged"]}`, with `vid_end` for a range, or a list of such.

        `vlan_flags="self"` where the link is the bridge itself.
        """
        make = _maker(command, VLANS)
        self._do(make(self._index(index), names.vlans(vlan_info or []), vlan_flags == "self"))

    # Addresses

    def get_addr(self, index: Index | None = None, family: t.Any = None, **match: t.Any) -> Found:
        where = self._index(index) if index is not None else 0
        return self.sock.dump(address.dump(where, _family(family)), only(address.decode, **match))

    def addr(self, command: str, index: Index | None = None, **options: t.Any) -> t.Any:
        """`address` and `mask`; `local` beside `address` makes that the peer's; `scope`, `label`, lifetimes, ..."""
        if COMMANDS.get(command, command) == "dump":
            return self.get_addr(index, **options)
        return self._do(_maker(command, ADDRESSES)(self._index(index), names.address(options)))

    def flush_addr(self, index: Index, family: t.Any = None) -> None:
        """Removes the addresses of a link; one that went together with another is not missed."""
        where = self._index(index)
        removed = [address.delete(where, found) for found in self.get_addr(where, family)]
        for failure in self.sock.batch(removed):
            if failure and failure.errno != errno.EADDRNOTAVAIL:
                raise failure

    # Routes and rules

    def get_routes(self, table: t.Any = None, family: t.Any = None, **match: t.Any) -> Found:
        """The kernel's filters are `table`, `family`, `oif`, `protocol` and `type`; others are applied here."""
        match = names.route(match)
        asked = {name: match.pop(name, None) for name in ("oif", "protocol", "type")}
        request = route.dump(table, _family(family), asked["oif"] or 0, asked["protocol"], asked["type"])
        try:
            return self.sock.dump(request, only(route.decode, **match))
        except NetlinkError as error:
            if table is None or error.errno != errno.ENOENT:
                raise
            return []  # nobody has made the table yet

    def route(self, command: str, **options: t.Any) -> t.Any:
        """`dst` (or `prefix` and `mask`), `gateway`, `oif` (or `index`), `table`, `multipath`, `metrics`, ..."""
        if COMMANDS.get(command, command) == "dump":
            return self.get_routes(**options)
        return self._do(_maker(command, ROUTES)(names.route(options)))

    def get_rules(self, family: t.Any = None, **match: t.Any) -> Found:
        return self.sock.dump(rule.dump(_family(family)), only(rule.decode, **match))

    def rule(self, command: str, **options: t.Any) -> t.Any:
        """`src`, `dst`, `priority`, `table`, `fwmark`, `iif`, `oif`, `action`, ..."""
        if COMMANDS.get(command, command) == "dump":
            return self.get_rules(**options)
        return self._do(_maker(command, RULES)(names.renamed(options, names.RULE)))

    # Neighbours and forwarding entries

    def get_neighbours(self, index: Index | None = None, family: t.Any = None, **match: t.Any) -> Found:
        where = self._index(index) if index is not None else 0
        return self.sock.dump(neighbour.dump(_family(family), where), only(neighbour.decode, **match))

    get_neighbors = get_neighbours

    def neigh(self, command: str, ifindex: Index | None = None, **options: t.Any) -> t.Any:
        """`dst`, `lladdr`, `state`."""
        index = options.pop("index", ifindex)
        if COMMANDS.get(command, command) == "dump":
            return self.get_neighbours(index, **options)
        return self._do(_maker(command, NEIGHBOURS)(self._index(index), names.renamed(options, {})))

    def fdb(self, command: str, ifindex: Index | None = None, **options: t.Any) -> t.Any:
        """`lladdr` (or `mac`), `vlan`, `dst`, `vni`, `master`, `state`, `flags`."""
        index = options.pop("index", ifindex)
        values = names.renamed(options, names.FDB)
        if COMMANDS.get(command, command) == "dump":
            where = self._index(index) if index is not None else 0
            return self.sock.dump(fdb.dump(port=where), only(fdb.decode, **values))
        return self._do(_maker(command, ENTRIES)(self._index(index), values))

    # Traffic control

    def get_qdiscs(self, index: Index | None = None, **match: t.Any) -> Found:
        where = None if index is None else self._index(index)
        return self.sock.dump(tc.dump(), only(tc.decode, index=where, **match))

    def get_classes(self, index: Index, **match: t.Any) -> Found:
        return self.sock.dump(tc.dump_classes(self._index(index)), only(tc.decode, **match))

    def tc(
        self,
        command: str,
        kind: str | None = None,
        index: Index | None = None,
        handle: t.Any = None,
        parent: t.Any = None,
        **options: t.Any,
    ) -> t.Any:
        """Qdiscs, and with "add-class", "change-class" and "del-class" classes; `options` are those of the kind."""
        if COMMANDS.get(command, command) == "dump":
            return self.get_qdiscs(index)
        where = self._index(index)
        if command in ("del-class", "delete-class"):
            return self._do(tc.delete_class(where, handle))
        values = {"kind": kind, "handle": handle, "parent": parent, "options": names.renamed(options, names.QDISC)}
        return self._do(_maker(command, {**QDISCS, **CLASSES})(where, values))

    # Waiting

    def poll(
        self,
        method: t.Callable[..., Found],
        command: str = "dump",
        timeout: float = 10.0,
        present: bool = True,
        **match: t.Any,
    ) -> Found:
        """What `method(command, **match)` finds, as soon as that is something (or nothing, unless `present`).

        Raises NetlinkTimeout.
        """

        def look() -> tuple[Found] | None:
            found = method(command, **match)
            return (found,) if bool(found) == present else None

        topics = ("link", "address", "route", "rule", "neighbour")
        return wait_for(look, topics, timeout, f"{method.__name__} {match}", self.netns)[0]


iproute = IPRoute
