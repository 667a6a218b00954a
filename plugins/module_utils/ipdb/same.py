# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When two objects count as the same."""

from __future__ import annotations

import socket
import typing as t

from ..netlink.kinds import options as kinds
from ..netlink.kinds import registry
from ..netlink.rtnl.address import FOREVER, same_lifetime
from .picture import KEYS, Key, Object, Objects, Picture

FIELDS = ("mtu", "address", "txqlen", "group", "ifalias")  # of links, that RTM_SETLINK sets
NAMES = {"ifalias": "alias", "txqlen": "txqueuelen"}
EMPTY: t.Mapping[str, t.Any] = {}


def same_picture(one: Picture, other: Picture) -> bool:
    return all(_same_table(name, one.table(name), other.table(name)) for name in KEYS)


def _same_table(name: str, now: Objects, then: Objects) -> bool:
    if now is then:
        return True
    if now.keys() != then.keys():
        return False
    same = SAME.get(name)
    for key, wanted in then.items():
        found = now[key]
        if found is not wanted and found != wanted and (same is None or not same(found, wanted)):
            return False
    return name != "addresses" or not reordered(now, then)


def reordered(now: Objects, then: Objects) -> set[int]:
    """The links whose IPv4 addresses have another order within a network: the first is the primary one."""
    if list(now) == list(then):
        return set()
    mine, theirs = networks(now), networks(then)
    return {place[0] for place, keys in theirs.items() if [key for key in mine.get(place, ()) if key in keys] != keys}


def networks(some: t.Mapping[Key, Object]) -> dict[tuple[int, int, int], list[Key]]:
    """IPv4 addresses by link and network (its length and number), in the kernel's order."""
    found: dict[tuple[int, int, int], list[Key]] = {}
    for key, one in some.items():
        if one["family"] == "inet":
            length = one["prefixlen"]
            number = int.from_bytes(socket.inet_aton(one["local"]), "big") >> (32 - length)
            found.setdefault((key[0], length, number), []).append(key)
    return found


def same_link(now: Object, then: Object) -> bool:
    return not (
        now["ifname"] != then["ifname"]
        or now["up"] != then["up"]
        or now["master"] != then["master"]
        or now.get("kind") != then.get("kind")
        or ("link" in then and now["link"] != then["link"])
        or fields(now, then)
        or now.get("altnames", ()) != then.get("altnames", now.get("altnames", ()))
        or other_mode(now, then)
        or other_options(now, then)
        or other_port(now, then)
    )


def fields(now: Object, then: Object) -> dict[str, t.Any]:
    """The plain fields that `then` insists on and `now` does not have."""
    free = then.get("free", ())
    return {name: then[name] for name in FIELDS if name in then and name not in free and now.get(name) != then[name]}


def other_mode(now: Object, then: Object) -> str | None:
    mode = then.get("addr_gen_mode")
    return mode if mode in ("none", "random", "eui64") and now.get("addr_gen_mode", "eui64") != mode else None


def other_options(now: Object, then: Object) -> dict[str, t.Any]:
    """Options of the kind that differ."""
    wanted = then.get("options")
    if not wanted or wanted == now.get("options"):
        return {}
    found = kinds.differing(registry.get(then.get("kind") or ""), wanted, now.get("options") or EMPTY)
    return _insisted(found, "options", then)


ABSENT = {"backup_port": 0, "backup_nhid": 0}  # what a port has none of, untold


def other_port(now: Object, then: Object) -> dict[str, t.Any]:
    """Options as a port that differ; none where it has another master (then they are set after it came)."""
    wanted = then.get("port")
    if not wanted or wanted == now.get("port"):
        return {}
    present = now.get("port") or EMPTY
    found = {name: one for name, one in wanted.items() if present.get(name, ABSENT.get(name)) != one}
    return _insisted(found, "port", then)


def _insisted(found: dict[str, t.Any], part: str, then: Object) -> dict[str, t.Any]:
    free = then.get("free")
    return {name: one for name, one in found.items() if f"{part}.{name}" not in free} if free and found else found


# What an address has, whether said or not: without them it is one that has none.
HAD = ("metric", "noprefixroute", "valid_life_time", "preferred_life_time")
UNTOLD = {"metric": 0, "noprefixroute": False}


def address_differences(now: Object, then: Object) -> set[str]:
    """The fields that `then` says and `now` does not have; lifetimes run down, which is no difference."""
    if now is then or now == then:
        return set()
    found = {name for name, value in then.items() if name not in HAD and now.get(name, False) != value}
    for name in ("metric", "noprefixroute"):
        if bool(now.get(name)) != bool(then.get(name)) or (then.get(name) or 0) != (now.get(name) or 0):
            found.add(name)
    valid: tuple[int, int] = then.get("valid_life_time", FOREVER), now.get("valid_life_time", FOREVER)
    preferred = then.get("preferred_life_time", valid[0]), now.get("preferred_life_time", valid[1])
    if not same_lifetime(*valid):
        found.add("valid_life_time")
    if not same_lifetime(*preferred):
        found.add("preferred_life_time")
    return found


def same_address(now: Object, then: Object) -> bool:
    return not address_differences(now, then)


def same_vlans(now: Object, then: Object) -> bool:
    return now["vlans"] == then["vlans"] or spread(now) == spread(then)


BY_DEFAULT = ("Egress Untagged", "PVID")  # what the one VLAN is that a bridge gives to a new port


def spread(port: Object | None) -> dict[int, tuple[str, ...]]:
    """The VLANs of a port one by one, with their flags."""
    out: dict[int, tuple[str, ...]] = {}
    for vlan in port["vlans"] if port else ():
        for number in range(vlan["vlan"], vlan.get("vlanEnd", vlan["vlan"]) + 1):
            out[number] = tuple(sorted(vlan.get("flags", ())))
    return out


def same_route(now: Object, then: Object) -> bool:
    """Whether a route is as wanted, but for what only the kernel can know."""
    free = then.get("free")
    if not free:
        return now == then
    return all(now.get(name) == then.get(name) for name in {*now, *then} - {"free", *free})


SAME: dict[str, t.Callable[[Object, Object], bool]] = {
    "links": same_link,
    "addresses": same_address,
    "routes": same_route,
    "vlans": same_vlans,
}
