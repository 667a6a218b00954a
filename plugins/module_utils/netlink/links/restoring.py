# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back: making a removed link anew, and giving back what a link loses when it goes down or moves."""

from __future__ import annotations

import typing as t

from ..kinds import options as kinds
from ..kinds import registry
from ..kinds.kind import Kind
from ..message import Request
from ..rtnl import address, link
from .bridged import NOTHING, Bridged, observe
from .found import Link, kind_of, lasting, lost_with, peer_of
from .host import Host
from .runner import Place, Step

if t.TYPE_CHECKING:
    from ..netns import NetNS

RESTORED = ("mtu", "address", "txqlen", "group")


Build = t.Callable[[Place], t.List[Request]]


def way_back(host: Host, netns: NetNS, found: Link, apart: t.Container[int] = ()) -> t.Any:
    """An action that makes the link anew as it was, with its addresses, routes and ports; None where there is none.

    What the kernel removed along with it comes back too, but for those in `apart`, which have ways back of their own.
    """
    first = rebuilding(host, netns, found)
    if first is None:
        return None
    here = Step(netns, together([first, *_along(host, netns, found, apart)]))
    if kind_of(found) != "veth" or found.get("link_netnsid") is None:
        return here
    from .pairs import beyond

    there = beyond(host, found)
    return host.others.in_order(here, there) if there else here


def together(builds: t.Sequence[Build]) -> Build:
    return lambda place: [request for build in builds for request in build(place)]


def _along(host: Host, netns: NetNS, found: Link, apart: t.Container[int] = ()) -> list[Build]:
    """What makes anew the links that go with one; a peer comes with its pair."""
    lost = [one for one in lost_with(host, found, apart) if peer_of(host, one) is None]
    return [build for build in (rebuilding(host, netns, one) for one in lost) if build]


def settled(host: Host, netns: NetNS, found: Link) -> Build:
    """What gives a link that is there again, bare, all that it had and what stood on it."""
    settings = Settings(host, found, observe(host, found))
    return together([lambda place: settings.requests(found["ifindex"], place), *_along(host, netns, found)])


def rebuilding(host: Host, netns: NetNS, found: Link) -> Build | None:
    """The requests that make one link anew; None where none can."""
    bare, twin = _making(host, netns, found), peer_of(host, found)
    if bare is None:
        return None
    ends = [Settings(host, one, observe(host, one)) for one in (found, twin) if one]
    ports = [(port, _as_port_kept(host, port)) for port in host.ports_of(found["ifindex"])]

    def build(place: Place) -> list[Request]:
        requests = bare(place)
        for end in ends:
            requests += end.requests(end.found["ifindex"], place)
        return requests + _ports_back(found, ports, place)

    return build


def _making(host: Host, netns: NetNS, found: Link) -> Build | None:
    """What makes the bare link, under its own index; what is not asked for by requests alone is done at once."""
    kind = kind_of(found) or ""
    known = registry.find(kind)
    if known is None:
        return None
    if kind == "veth":
        from .pairs import making as making_pair

        return making_pair(host, found, known)
    if kind == "wireguard":
        from .wireguard import making

        return making(host.others.generic(netns), found, recreation(found, known))
    if not known.by_rtnetlink:
        return lambda place: [_recreate_tun(netns, found)]
    return lambda place: [recreation(found, known)]


def _as_port_kept(host: Host, port: Link) -> list[Request]:
    index = port["ifindex"]
    return Settings(host, port).network(index) + observe(host, port).requests(index)


LEAST_MTU = 68  # bytes


def _ports_back(found: Link, ports: t.Sequence[tuple[Link, list[Request]]], place: Place) -> list[Request]:
    """`ports`, each with its addresses, which a bond or VRF costs it, and with what a bridge forgets.

    Ports that went too are not there yet: when they are made anew, they find their master."""
    requests = [
        request for port, kept in ports if place.there(port["ifindex"]) for request in (*below_master(port), *kept)
    ]
    mtus = [port["mtu"] for port, _kept in ports] or [found["mtu"]]
    if kind_of(found) == "bridge" and found["mtu"] != min(mtus):  # set, not that of its ports
        another = found["mtu"] + (1 if found["mtu"] <= LEAST_MTU else -1)  # only a change counts as set
        requests += [link.change(found["ifindex"], found["ifname"], mtu=mtu) for mtu in (another, found["mtu"])]
    return requests


def below_master(found: Link) -> list[Request]:
    """Makes a link a port of its master again, with its options as a port."""
    index, name, kind = found["ifindex"], found["ifname"], (found.get("linkinfo") or {}).get("info_slave_kind")
    # A bond takes in links that are down, and opens them.
    down = [link.change(index, name, up=False)] if kind == "bond" else []
    return [*down, link.change(index, name, master=found.get("master") or 0), *as_port(found)]


def as_port(found: Link) -> list[Request]:
    """The options that it has as a port of its master."""
    index, name, info = found["ifindex"], found["ifname"], found.get("linkinfo") or {}
    kind = info.get("info_slave_kind") or ""
    known = registry.port(kind)
    unsent = known.read_only | {"state"} if known else ()
    data = {
        key: value
        for key, value in (info.get("info_slave_data") or {}).items()
        if key in (known.table if known else ()) and key not in unsent and (value or kind != "bond")
    }
    # A bond refuses what its mode does not know, of whatever value.
    return [link.change(index, name, linkinfo={"info_slave_kind": kind, "info_slave_data": data})] if data else []


def _recreate_tun(netns: NetNS, found: Link) -> Request:
    from ..kinds import tuntap

    data, index = found["linkinfo"]["info_data"], found["ifindex"]
    writable = ("type", "user", "group", "multi_queue", "vnet_hdr", "pi")
    options = {key: data[key] for key in writable if key in data}
    tuntap.create(found["ifname"], **options, netns=netns, index=index)
    return link.change(index, found["ifname"], **restored(found))


ARPHRD_ETHER = 1


def restored(found: Link) -> dict[str, t.Any]:
    """Tunnels have IP addresses for link-layer addresses, which their options bring."""
    return {key: found.get(key) for key in RESTORED if key != "address" or found["type"] == ARPHRD_ETHER}


def recreation(found: Link, known: Kind, peer: Link | None = None) -> Request:
    """The request that creates a link as it was, under the same index."""
    data = (found.get("linkinfo") or {}).get("info_data") or {}
    options = {"peer": peer} if peer else kinds.creating(known, data)
    values = restored(found)
    if not peer and found.get("link_netnsid") is not None:
        values["link_netnsid"] = found["link_netnsid"]  # of what it stands on
    if known.parent != "no" and not known.parent_option:
        values["link"] = found.get("link")
    info = {"info_data": options} if options else {}
    return link.new(found["ifname"], known.name, index=found["ifindex"], linkinfo=info, **values)


def after_a_fall(host: Host, found: Link) -> list[Request]:
    """What a link that goes down loses, and the VLANs on it, which the kernel takes down and up together with it."""
    requests = Settings(host, found).network(found["ifindex"])
    for vlan in lost_with(host, found):
        if kind_of(vlan) == "vlan":
            index = vlan["ifindex"]
            requests.append(link.change(index, vlan["ifname"], up=bool(vlan["flags"] & link.IFF_UP)))
            requests += Settings(host, vlan).network(index)
    return requests


class Settings:
    """What a link loses when it goes, goes down or moves: kept, so that it can be given back."""

    def __init__(self, host: Host, found: Link, bridged: Bridged = NOTHING) -> None:
        self.found, self.bridged = found, bridged
        index = found["ifindex"]
        self.addresses = [one for one in host.addresses_of(index) if lasting(one)]
        self.routes = host.routes_of(index) if found["flags"] & link.IFF_UP else []

    def requests(self, index: int, place: Place) -> list[Request]:
        """Everything of a link that was made anew, but what its creation gave it."""
        found, name = self.found, self.found["ifname"]
        requests = []
        if found.get("ifalias"):
            requests.append(link.change(index, name, ifalias=found["ifalias"]))
        if found.get("altnames"):
            requests.append(link.add_altnames(index, found["altnames"], name))
        spec = found.get("af_spec") or {}
        if spec.get("inet6", {}).get("addr_gen_mode") in ("none", "random"):
            requests.append(link.change(index, name, af_spec=spec))
        if self.bridged.own:
            requests += self.bridged.requests(index)
        return requests + self.left_behind(index, place)

    def left_behind(self, index: int, place: Place) -> list[Request]:
        """Master, admin state, addresses and routes: what a link loses by moving to another namespace."""
        found, master = self.found, self.found.get("master")
        requests = []
        if master and place.there(master):
            requests += [*below_master({**found, "ifindex": index}), *self.bridged.requests(index)]
        if found["flags"] & link.IFF_UP:
            requests.append(link.change(index, found["ifname"], up=True))
        return requests + self.network(index)

    def network(self, index: int) -> list[Request]:
        """Addresses and routes alone; those that are still there are left as they are."""
        from ..rtnl import route

        return [address.new(index, one, replace=True) for one in self.addresses] + [
            route.replace({**one, "oif": index} if "oif" in one else one) for one in self.routes
        ]
