# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows from a wanted picture for what the task does not speak of.

A bridge that gets other ports takes their address and MTU; a VLAN's MTU is at most that of the link below it, and it
is down while that is; routes that can lead nowhere any more are gone. What the kernel would do in any case is part of
what is wanted, so that it is foreseen, and no difference afterwards.
"""

from __future__ import annotations

import typing as t

from ..netlink.attribute import ip_bytes
from .capture import FOLLOWING
from .model import below, follows_up
from .picture import Object
from .same import BY_DEFAULT
from .wanting import Wanting

OF_GROUPS = ("bridge", "bond")


def apply(wanting: Wanting) -> None:
    before, links = wanting.before.links, wanting.table("links")
    if links is not before:
        _masters(wanting)
        _what_stands_on_others(wanting)
        _new_ports(wanting)
    if wanting.table("routes") and (links is not before or wanting.table("addresses") is not wanting.before.addresses):
        _routes(wanting)


def _free(wanting: Wanting, index: int, *fields: str) -> None:
    """Fields that the task does not say are as the kernel makes them."""
    one = wanting.table("links")[index]
    free = set(one.get("free", ()))
    more = {field for field in fields if not wanting.says("links", index, field)}
    if more - free:
        wanting.put("links", index, {**one, "free": sorted(free | more)})


def _masters(wanting: Wanting) -> None:
    """Masters whose ports change, and the ports of bonds."""
    before, links = wanting.before.links, wanting.table("links")
    for index, one in list(links.items()):
        was = before.get(index)
        if was is one:
            continue
        old, new = (was or {}).get("master", 0), one["master"]
        other_mtu = bool(new) and one.get("mtu") != (was or {}).get("mtu")
        for master in {old, new} - {0} if old != new or other_mtu else ():
            kind = links.get(master, {}).get("kind")
            if kind in OF_GROUPS:
                _free(wanting, master, "address", *(["mtu"] if kind == "bridge" else []))
        if old != new:
            _without(wanting, old, index)
            _change_port(wanting, index, links.get(new, {}).get("kind"))
    for index, one in before.items():  # of ports that go
        if one["master"] and index not in links and links.get(one["master"], {}).get("kind") in OF_GROUPS:
            _free(wanting, one["master"], "address", "mtu")
            _without(wanting, one["master"], index)


def _without(wanting: Wanting, master: int, port: int) -> None:
    """A bond whose primary port leaves has none."""
    one = wanting.table("links").get(master, {})
    is_primary = one.get("kind") == "bond" and (one.get("options") or {}).get("primary") == port
    if is_primary and not wanting.says("links", master, "options.primary"):
        wanting.put("links", master, {**one, "options": {**one["options"], "primary": 0}})


def _change_port(wanting: Wanting, index: int, kind: str | None) -> None:
    one = wanting.table("links")[index]
    was = wanting.before.links.get(index)
    if was is not None and one.get("port") == was.get("port") and "port" in one:
        wanting.put("links", index, {key: value for key, value in one.items() if key != "port"})
    if was is not None and wanting.before.links.get(was["master"], {}).get("kind") == "bond":
        _unfree(wanting, index, was)
    if kind == "bond":
        _free(wanting, index, "address", "mtu")
        if not wanting.says("links", index, "up"):  # a bond opens its ports
            wanting.put("links", index, {**wanting.table("links")[index], "up": True})


def _unfree(wanting: Wanting, index: int, was: Object) -> None:
    """A link that leaves a bond has its own address again, and the MTU that it had before it came."""
    one = wanting.table("links")[index]
    said = {name for name in ("address", "mtu") if wanting.says("links", index, name)}
    kept = {key: value for key, value in one.items() if key in said or key not in ("address", "mtu", "free")}
    if "address" not in said and was.get("permaddr"):
        kept["address"] = was["permaddr"]
    wanting.put("links", index, kept)


def _what_stands_on_others(wanting: Wanting) -> None:
    links = wanting.table("links")
    for index in sorted(links, key=lambda index: _depth(links, index)):
        one, parent = links[index], links.get(below(links[index]))
        if parent is None or one.get("kind") not in FOLLOWING:
            continue
        changes: Object = {}
        if one.get("mtu", 0) > parent.get("mtu", 1 << 31) and not wanting.says("links", index, "mtu"):
            changes["mtu"] = parent["mtu"]
        if one["up"] and not parent["up"] and follows_up(one) and not wanting.says("links", index, "up"):
            changes["up"] = False
        if changes:
            wanting.put("links", index, {**one, **changes})
            links = wanting.table("links")
        if _takes_address(wanting, index):
            _free(wanting, index, "address")


def _takes_address(wanting: Wanting, index: int) -> bool:
    """A VLAN that nobody gave an address takes that of the link below it as it goes up, whatever it had before."""
    was, one = wanting.before.links.get(index), wanting.table("links")[index]
    goes_up = one["up"] and was is not None and not was["up"]
    return goes_up and one.get("kind") == "vlan" and not wanting.says("links", index, "address")


def _depth(links: t.Mapping[int, Object], index: int) -> int:
    depth, seen = 0, {index}
    while below(links.get(index, {})) in links and below(links[index]) not in seen:
        index = below(links[index])
        seen.add(index)
        depth += 1
    return depth


def _new_ports(wanting: Wanting) -> None:
    """What a bridge keeps of a port goes with it, and a new one gets the bridge's VLAN of its own accord."""
    before, links = wanting.before.links, wanting.table("links")
    for index, one in links.items():
        was = before.get(index)
        if was is not None and was["master"] == one["master"]:
            continue
        for key in [key for key in wanting.table("fdb") if key[0] == index and key[5] == "master"]:
            if ("fdb", key) not in wanting.places:
                wanting.drop("fdb", key)
        if ("vlans", index) in wanting.places:
            continue
        bridge = links.get(one["master"], {}) if one["master"] else one
        unsaid = 1 if index in wanting.before.vlans else 0  # of a bridge still to be made, by a kernel that has VLANs
        pvid = (bridge.get("options") or {}).get("vlan_default_pvid", unsaid) if bridge.get("kind") == "bridge" else 0
        if pvid:
            vlan = {"vlan": pvid, "flags": list(BY_DEFAULT)}
            wanting.put("vlans", index, {"index": index, "vlans": [vlan]})
        else:
            wanting.drop("vlans", index)


# Routes


def _routes(wanting: Wanting) -> None:
    """Routes that the task does not speak of, and that cannot be (any more)."""
    links = wanting.table("links")
    addresses = wanting.table("addresses")
    moved = _with_other_addresses(wanting)
    fallen = {index for index, one in wanting.before.links.items() if index not in links or not links[index]["up"]}
    if not moved and not fallen:
        return
    local = {one["local"] for one in addresses.values()}
    networks = _networks(addresses)
    for key, route in list(wanting.table("routes").items()):
        if ("routes", key) not in wanting.places and _is_lost(route, fallen, moved, local, networks, wanting):
            wanting.drop("routes", key)


def _with_other_addresses(wanting: Wanting) -> set[int]:
    now, then = wanting.before.addresses, wanting.table("addresses")
    return {key[0] for key in now if key not in then}


def _networks(addresses: t.Mapping[t.Any, Object]) -> dict[int, list[tuple[int, int, int]]]:
    """By link: bits, length and number of each network that the link is in."""
    found: dict[int, list[tuple[int, int, int]]] = {}
    for one in addresses.values():
        raw = ip_bytes(one.get("address") or one["local"])
        bits = len(raw) * 8
        number = int.from_bytes(raw, "big") >> (bits - one["prefixlen"])
        found.setdefault(one["index"], []).append((bits, one["prefixlen"], number))
    return found


def _is_lost(
    route: Object,
    fallen: t.AbstractSet[int],
    moved: t.AbstractSet[int],
    local: t.AbstractSet[str],
    networks: t.Mapping[int, list[tuple[int, int, int]]],
    wanting: Wanting,
) -> bool:
    hops = [hop for hop in (route, *route.get("nexthops", ())) if hop.get("oif")]
    if hops and all(hop["oif"] in fallen for hop in hops):
        return True
    if route.get("prefsrc") and route["prefsrc"] not in local and moved:
        return True
    return any(hop["oif"] in moved and not _reachable(hop, route, networks, wanting) for hop in hops)


def _reachable(
    hop: Object, route: Object, networks: t.Mapping[int, list[tuple[int, int, int]]], wanting: Wanting
) -> bool:
    """Whether the gateway lies in a network of the link, or a route without one leads there."""
    gateway = hop.get("gateway") or (hop.get("via") or {}).get("host")
    if not gateway or "onlink" in (hop.get("flags") or ()) or gateway.startswith("fe80:"):
        return True
    raw = ip_bytes(gateway)
    bits, number = len(raw) * 8, int.from_bytes(raw, "big")
    for width, length, network in networks.get(hop["oif"], ()):
        if width == bits and number >> (bits - length) == network:
            return True
    for other in wanting.table("routes").values():
        if other.get("oif") == hop["oif"] and "gateway" not in other and _covers(other["dst"], bits, number):
            return True
    return False


def _covers(dst: str, bits: int, number: int) -> bool:
    if dst == "default":
        return False
    text, slash, length = dst.partition("/")
    raw = ip_bytes(text)
    size = int(length) if slash else bits
    return len(raw) * 8 == bits and int.from_bytes(raw, "big") >> (bits - size) == number >> (bits - size)
