# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removing links: what goes with them, and the way back."""

from __future__ import annotations

import typing as t

from ...plan import Change
from ..kinds import registry
from ..message import Request
from ..rtnl import address, link
from . import waves
from .host import Host, Hosts
from .line import address as address_words
from .line import line
from .runner import Place, Step
from .wanted import Wanted

Link = t.Dict[str, t.Any]

# Kinds whose links the kernel removes together with the link they stand on.
STANDING = ("vlan", "macvlan", "macvtap", "ipvlan", "ipvtap", "vxlan")
RESTORED = ("mtu", "address", "txqlen", "group")


def kind_of(found: Link) -> str | None:
    return (found.get("linkinfo") or {}).get("info_kind")


def nothing() -> None:
    """The kernel does it by itself."""


class Removal:
    """The links that go, in an order in which they can: what stands on top first."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts
        self._found: dict[tuple[t.Any, int], tuple[str, Link, bool, int]] = {}

    def add(self, want: Wanted, found: Link) -> None:
        self._add(want.place, found, True, 0)

    def _add(self, netns: str | None, found: Link, asked: bool, depth: int) -> None:
        key = (netns, found["ifindex"])
        if key in self._found:
            _, _, before, deep = self._found[key]
            asked, depth = asked or before, max(depth, deep)
        self._found[key] = (found["ifname"], found, asked, depth)
        host = self._hosts[netns]
        for above in standing_on(host, found):
            if depth < 16:  # stacks are shallow; a loop of peers (veth) ends here too
                self._add(netns, above, False, depth + 1)

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


def peer_of(host: Host, found: Link) -> Link | None:
    """The other end of a veth pair, where it lies in the same namespace."""
    if kind_of(found) not in ("veth", "netkit", "vxcan") or found.get("link_netnsid") is not None:
        return None
    return host.by_index(found["link"]) if found.get("link") else None


def standing_on(host: Host, found: Link) -> list[Link]:
    """The links that the kernel removes when `found` goes."""
    above = [
        one for one in host.above(found["ifindex"]) if kind_of(one) in STANDING and one.get("link_netnsid") is None
    ]
    twin = peer_of(host, found)
    return above + ([twin] if twin else [])


def summary(host: Host, found: Link) -> dict[str, t.Any]:
    """What the line of a link that goes says: enough to know what is lost."""
    return {
        "kind": kind_of(found),
        "admin": "up" if found["flags"] & link.IFF_UP else "down",
        "mtu": found.get("mtu"),
        "link": host.name_of(found.get("link")) or None if found.get("link_netnsid") is None else None,
        "master": host.name_of(found.get("master")) or None,
        "addr": [address_words(one) for one in host.addresses_of(found["ifindex"]) if lasting(one)],
    }


def lasting(found: t.Mapping[str, t.Any]) -> bool:
    """Whether an address is somebody's, not one that the kernel makes by itself (link-local, autoconfigured, lo's)."""
    if found.get("protocol") in ("kernel_lo", "kernel_ra", "kernel_ll") or found.get("temporary"):
        return False
    if found["family"] != "inet6":
        return True
    return not (found["local"].startswith("fe80:") and found["scope"] == "link") and not (
        found.get("dynamic") and found.get("protocol") is None
    )


def way_back(host: Host, netns: str | None, found: Link) -> t.Any:
    """An action that makes the link anew as it was, with its addresses, routes and ports; None where there is none."""
    kind = kind_of(found)
    known = registry.find(kind or "")
    twin = peer_of(host, found)
    if known is None or (kind == "veth" and twin is None) or kind == "wireguard":
        return None
    ports = [(port["ifindex"], port["ifname"]) for port in host.ports_of(found["ifindex"])]
    settings = Settings(host, found)
    peer_settings = Settings(host, twin) if twin else None

    def build(place: Place) -> list[Request]:
        index = found["ifindex"]
        if known.by_rtnetlink:
            requests = [recreation(host, found, known)]
        else:
            requests, index = [], _recreate_tun(place, netns, found)
        requests += settings.requests(index)
        requests += peer_settings.requests(twin["ifindex"]) if peer_settings else []
        return requests + [link.change(port, name, master=index) for port, name in ports]

    return Step(netns, build)


def _recreate_tun(place: Place, netns: str | None, found: Link) -> int:
    from ..kinds import tuntap

    data = found["linkinfo"]["info_data"]
    writable = ("type", "user", "group", "multi_queue", "vnet_hdr", "pi")
    tuntap.create(found["ifname"], **{key: data[key] for key in writable if key in data}, netns=netns)
    return place.index(found["ifname"])


def recreation(host: Host, found: Link, known: registry.Kind) -> Request:
    """The request that creates a link as it was, under the same index."""
    data = (found.get("linkinfo") or {}).get("info_data") or {}
    unsent = known.read_only | known.write_only
    options = {key: value for key, value in data.items() if key in known.table and key not in unsent}
    twin = peer_of(host, found)
    if twin:
        options = {"peer": {"ifname": twin["ifname"], "address": twin.get("address"), "ifindex": twin["ifindex"]}}
    values = {key: found.get(key) for key in RESTORED}
    if known.parent != "no" and not known.parent_option:
        values["link"] = found.get("link")
    info = {"info_data": options} if options else {}
    return link.new(found["ifname"], known.name, index=found["ifindex"], linkinfo=info, **values)


class Settings:
    """What a link loses when it goes, goes down or moves: kept, so that it can be given back."""

    def __init__(self, host: Host, found: Link) -> None:
        self.found = found
        index = found["ifindex"]
        self.addresses = [one for one in host.addresses_of(index) if lasting(one)]
        self.routes = host.routes_of(index) if found["flags"] & link.IFF_UP else []

    def requests(self, index: int) -> list[Request]:
        """Alias, names, master, admin state, addresses and routes of a link that is there again."""
        found, name = self.found, self.found["ifname"]
        requests = []
        if found.get("ifalias"):
            requests.append(link.change(index, name, ifalias=found["ifalias"]))
        if found.get("altnames"):
            requests.append(link.add_altnames(index, found["altnames"], name))
        if found.get("master"):
            requests.append(link.change(index, name, master=found["master"]))
        if found["flags"] & link.IFF_UP:
            requests.append(link.change(index, name, up=True))
        return requests + self.network(index)

    def network(self, index: int) -> list[Request]:
        """Addresses and routes alone; those that are still there are left as they are."""
        from ..rtnl import route

        return [address.new(index, one, replace=True) for one in self.addresses] + [
            route.replace({**one, "oif": index} if "oif" in one else one) for one in self.routes
        ]
