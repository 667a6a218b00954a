# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a picture from the kernel: one dump each kind of object, and nothing kept that the kernel made by itself.

What that is, is known here and in `capture_tables`: link-local and autoconfigured addresses, and fields of links that
follow other links.
"""

from __future__ import annotations

import os
import typing as t

from ..netlink.channel import NetlinkSocket
from ..netlink.kinds import registry
from ..netlink.links.found import kernel_since
from ..netlink.rtnl import address, link
from ..netlink.rtnl.numbers import AF_BRIDGE
from .collecting import uncollected
from .picture import Object, Objects, Picture, keyed


class Look(t.NamedTuple):
    """Links and addresses alone; and all links as they were dumped, by which the rest is read."""

    picture: Picture
    dumped: t.Sequence[Object]


@uncollected
def capture(channel: NetlinkSocket) -> Picture:
    """The network of the channel's namespace as it is now.

    Raises NetlinkError, NetlinkTimeout, DumpInterrupted.
    """
    return completed(channel, look(channel))


@uncollected
def look(channel: NetlinkSocket) -> Look:
    """Raises NetlinkError, NetlinkTimeout, DumpInterrupted."""
    dumped = channel.dump(link.dump(), link.decode)
    kernel = os.uname().release
    links = _links(dumped)
    addresses = _addresses(channel.dump(address.dump(), address.decode), links, kernel)
    return Look(Picture(links, addresses, {}, {}, {}, {}, {}, kernel), dumped)


@uncollected
def completed(channel: NetlinkSocket, seen: Look) -> Picture:
    """With the other tables. Raises NetlinkError, NetlinkTimeout, DumpInterrupted."""
    from .capture_tables import tables

    found: dict[str, t.Any] = tables(channel, seen.dumped)
    return seen.picture._replace(**found)


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
    one["preferred_life_time"] = address.preferred_left(one)
    for state in STATES:
        one.pop(state, None)
    if one["valid_life_time"] == address.FOREVER:
        del one["valid_life_time"]
        if one["preferred_life_time"] == address.FOREVER:
            del one["preferred_life_time"]
    return one
