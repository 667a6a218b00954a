# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a picture from the kernel: one dump each kind of object, and nothing kept that the kernel made by itself.

What that is, is known here and nowhere else: link-local and autoconfigured addresses, routes of the protocols `kernel`
and `ra`, rules of the protocol `kernel`, resolved neighbours, learnt forwarding entries and those of a link's own
addresses, and fields of links that follow other links.
"""

from __future__ import annotations

import os
import typing as t

from ..netlink.channel import NetlinkSocket
from ..netlink.kinds import registry
from ..netlink.links.found import kernel_since
from ..netlink.rtnl import address, bridge_vlan, fdb, link, neighbour, route, rule
from ..netlink.rtnl.numbers import AF_BRIDGE, IPV6_METRIC
from .collecting import uncollected
from .picture import Object, Objects, Picture, keyed

Decode = t.Callable[[bytes, int, int], t.Optional[Object]]


@uncollected
def capture(channel: NetlinkSocket) -> Picture:
    """The network of the channel's namespace as it is now.

    Raises NetlinkError, NetlinkTimeout, DumpInterrupted.
    """
    found = channel.dump(link.dump(), link.decode)
    bare = _bare(channel, found)
    links = bare.links
    routes = keyed("routes", channel.dump(route.dump(), _route))
    rules = keyed("rules", channel.dump(rule.dump(), _rule))
    neighbours = channel.dump(neighbour.dump(), _neighbour) + channel.dump(neighbour.dump(proxy=True), _proxy)
    kinds = {one.get("kind") for one in links.values()}
    entries = channel.dump(fdb.dump(), _entry_filter(found)) if kinds & {"bridge", "vxlan"} else []
    vlans = channel.dump(bridge_vlan.dump(), bridge_vlan.decode) if "bridge" in kinds else []
    for one in vlans:
        one.pop("master", None)
    return bare._replace(
        routes=routes,
        rules=rules,
        neighbours=keyed("neighbours", neighbours),
        fdb=keyed("fdb", entries),
        vlans=keyed("vlans", vlans),
    )


def capture_addresses(channel: NetlinkSocket) -> Picture:
    """The same of links and addresses alone. Raises NetlinkError, NetlinkTimeout, DumpInterrupted."""
    return _bare(channel, channel.dump(link.dump(), link.decode))


def _bare(channel: NetlinkSocket, found: t.Sequence[Object]) -> Picture:
    """`found`: the links as they were dumped."""
    kernel = os.uname().release
    links = _links(found)
    addresses = _addresses(channel.dump(address.dump(), address.decode), links, kernel)
    return Picture(links, addresses, {}, {}, {}, {}, {}, kernel)


# Links

ARPHRD_ETHER, ARPHRD_LOOPBACK = 1, 772
NO_ADDRESS = "00:00:00:00:00:00"  # that of a bridge whose last port went
PLAIN = ("ifindex", "ifname", "mtu", "txqlen", "ifalias", "group", "link_netnsid", "permaddr")


def _links(found: t.Sequence[Object]) -> Objects:
    links = {one["ifindex"]: _link(one) for one in found if one["family"] != AF_BRIDGE}
    ports: dict[int, list[Object]] = {}
    for one in links.values():
        if one["master"]:
            ports.setdefault(one["master"], []).append(one)
    for one in links.values():
        free = _following(one, links, ports.get(one["ifindex"], ()))
        if free:
            one["free"] = free
    return links


def _link(found: Object) -> Object:
    """What is configured of a link. `link` and `master` are indexes, 0 for none."""
    info = found.get("linkinfo") or {}
    one = {key: found[key] for key in PLAIN if key in found}
    one.setdefault("group", 0)
    one.setdefault("ifalias", "")
    one["up"] = bool(found["flags"] & link.IFF_UP)
    one["master"] = found.get("master") or 0
    one["altnames"] = sorted(found.get("altnames", ()))
    if found["type"] == ARPHRD_ETHER and found.get("address", NO_ADDRESS) != NO_ADDRESS:
        one["address"] = found["address"]
    if found["type"] == ARPHRD_LOOPBACK:
        one["loopback"] = True
    mode = ((found.get("af_spec") or {}).get("inet6") or {}).get("addr_gen_mode")
    if mode:
        one["addr_gen_mode"] = mode
    _add_kind(one, found, info)
    if info.get("info_slave_kind"):
        _add_port(one, info["info_slave_kind"], info.get("info_slave_data") or {})
    return one


def _add_kind(one: Object, found: Object, info: Object) -> None:
    """`kind` and `options`, and the link that it stands on, wherever the kind keeps that."""
    one["link"] = found.get("link") or 0
    kind = info.get("info_kind")
    if kind is None:
        return
    one["kind"] = kind
    known = registry.find(kind)
    options = dict(info.get("info_data") or {})
    for name in (*known.read_only, *known.write_only) if known else ():
        options.pop(name, None)
    if known and known.parent_option:
        one["link"] = options.pop(known.parent_option, 0) or one["link"]
    for name, none in UNTOLD.get(kind, ()):
        options.setdefault(name, none)
    one["options"] = options


# What the kernel says only where there is some, and what none of it is.
UNTOLD: dict[str, tuple[tuple[str, t.Any], ...]] = {
    "bond": (("primary", 0), ("active_slave", 0), ("arp_ip_target", []), ("ns_ip6_target", [])),
    "bridge port": (("backup_port", 0), ("backup_nhid", 0)),
}

# Of ports: what the kernel elects or counts.
NO_PORT_OPTIONS = frozenset(("state",))


def _add_port(one: Object, kind: str, data: Object) -> None:
    known = registry.port(kind)
    unset = known.read_only | NO_PORT_OPTIONS if known else NO_PORT_OPTIONS
    options = {name: value for name, value in data.items() if name not in unset}
    for name, none in UNTOLD.get(f"{kind} port", ()):
        options.setdefault(name, none)
    if options:
        one["port"] = options
    if kind == "bond":
        one["free"] = ["address", "mtu"]  # the bond's
        one["permaddr"] = data.get("perm_hwaddr", one.get("permaddr"))


FOLLOWING = ("vlan", "macvlan", "macvtap", "ipvlan", "ipvtap", "macsec")
SHARING = ("vlan", "ipvlan", "ipvtap", "macsec")  # the address of the link that they stand on


def _following(one: Object, links: Objects, ports: t.Sequence[Object]) -> list[str]:
    """The fields that are as those of another link, and follow it."""
    kind, free = one.get("kind"), list(one.get("free", ()))
    if "cost" in one.get("port", ()):
        free.append("port.cost")  # that of its speed
    if kind in SHARING and one.get("address") == links.get(one["link"], {}).get("address"):
        free.append("address")
    elif kind == "bridge" and ports:
        if one.get("address") in [port.get("address") for port in ports]:
            free.append("address")
        if one["mtu"] == min(port["mtu"] for port in ports):
            free.append("mtu")
    elif kind == "bond":
        free.append("options.active_slave")
        if one.get("address") in [port.get("permaddr") for port in ports]:
            free.append("address")
    return free


# Addresses

KERNELS = ("kernel_lo", "kernel_ra", "kernel_ll")
STATES = ("secondary", "tentative", "dadfailed", "deprecated", "optimistic", "dynamic")


def _addresses(found: t.Sequence[Object], links: Objects, kernel: str) -> Objects:
    told = kernel_since(5, 18, kernel)  # of every address whether the kernel made it
    names = {index: one["ifname"] for index, one in links.items()}
    return keyed("addresses", [_configured(one, names) for one in found if _is_somebodys(one, told)])


def _is_somebodys(one: Object, told: bool) -> bool:
    if one.get("protocol") in KERNELS or "temporary" in one:
        return False
    if one["scope"] == "host" and one["local"] in ("127.0.0.1", "::1"):
        return False
    return told or one["family"] != "inet6" or not (one["local"].startswith("fe80:") or one.get("dynamic"))


def _configured(one: Object, names: t.Mapping[int, str]) -> Object:
    if one.get("label") == names.get(one["index"]):
        del one["label"]
    if one.get("deprecated"):
        one["preferred_life_time"] = 0  # of one of IPv4 that is valid for ever the kernel says for ever
    for state in STATES:
        one.pop(state, None)
    if one["valid_life_time"] == address.FOREVER:
        del one["valid_life_time"]
        if one["preferred_life_time"] == address.FOREVER:
            del one["preferred_life_time"]
    return one


# Routes and rules


def _route(data: bytes, start: int, end: int) -> Object | None:
    # struct rtmsg: the protocol is its sixth byte (2: kernel, 9: ra, 1: redirect); 0x200 of its flags: a cached route
    if end - start >= 12 and (data[start + 5] in (1, 2, 9) or data[start + 9] & 2):
        return None
    return _decode_route(data, start, end)


def configured_route(found: Object) -> Object:
    """A decoded route without what only the kernel says of it; changed in place."""
    if found["flags"]:
        found["flags"] = [flag for flag in found["flags"] if flag in route.SETTABLE]
    if not found["flags"]:
        del found["flags"]
    if "nexthops" in found:
        found["nexthops"] = [_hop(hop) for hop in found["nexthops"]]
    if found.get("pref") == "medium":
        del found["pref"]
    if found["family"] == "inet6" and found.get("metric") == IPV6_METRIC:
        del found["metric"]
    return found


_decode_route = route.decoder(lambda found: None if "expires" in found else configured_route(found))


def _hop(hop: Object) -> Object:
    flags = [flag for flag in hop["flags"] if flag in route.SETTABLE]
    return {**{key: value for key, value in hop.items() if key != "flags"}, **({"flags": flags} if flags else {})}


RULE_STATES = ("unresolved", "iif_detached", "oif_detached")


def _rule(data: bytes, start: int, end: int) -> Object | None:
    found = rule.decode(data, start, end)
    if found is None or found.get("protocol") == "kernel":
        return None
    for state in RULE_STATES:
        found.pop(state, None)
    return found


# Neighbours and forwarding entries


def _neighbour(data: bytes, start: int, end: int) -> Object | None:
    # struct ndmsg: the state is at 8; flags at 10
    if end - start >= 12 and not (data[start + 8] & neighbour.PERMANENT or data[start + 10] & 0x10):
        return None
    return _set_neighbour(neighbour.decode(data, start, end))


def _proxy(data: bytes, start: int, end: int) -> Object | None:
    return _set_neighbour(neighbour.decode(data, start, end))


def _set_neighbour(found: Object | None) -> Object | None:
    if found is None:
        return None
    if found.get("proxy"):
        found.pop("state", None)
    return {key: value for key, value in found.items() if key not in neighbour.READ_ONLY}


def _entry_filter(links: t.Sequence[Object]) -> Decode:
    """Leaves out what was learnt, and permanent entries of links' addresses: a bridge and a NIC keep those themselves.

    A static entry for the address of a link, the other end of a port in another namespace say, is somebody's.
    """
    macs = {one["address"] for one in links if "address" in one}
    macs.discard(NO_ADDRESS)  # which is lo's, and tunnels' for all others
    own = {bytes.fromhex(mac.replace(":", "")) for mac in macs}
    tunnels = {one["ifindex"] for one in links if (one.get("linkinfo") or {}).get("info_kind") == "vxlan"}

    def is_kernels(index: int, state: int, flags: int, mac: bytes) -> bool:
        if state & fdb.PERMANENT and mac in own:
            return True
        return bool(flags & fdb.SELF and mac and mac[0] & 1) and index not in tunnels  # what a NIC listens to

    def decode(data: bytes, start: int, end: int) -> Object | None:
        found = fdb.decode_set(data, start, end, is_kernels)
        if found is None:
            return None
        on_tunnel = found["index"] in tunnels
        if "master" not in found["flags"] and "self" not in found["flags"]:
            found["flags"].append("self" if on_tunnel else "master")
        return {key: value for key, value in found.items() if key not in ("master", "used", "updated", "protocol")}

    return decode
