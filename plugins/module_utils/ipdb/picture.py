# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's network at one moment: what somebody configured, without what the kernel makes of it by itself.

Objects are plain dictionaries in the spellings of the rtnetlink codecs, in dictionaries by their natural keys; links
are identified by index, which a rename does not change and a link that is made anew gets back:

    links       ifindex
    addresses   (ifindex, local, prefixlen, peer)
    routes      (family, table, dst, metric, tos, source, number among routes of the same key)
    rules       the rule as canonical JSON: a rule has nothing that can be changed
    neighbours  (ifindex, dst, proxy)
    fdb         (ifindex, mac, vlan, dst, vni, "self" or "master")
    vlans       ifindex of the bridge or port

A key that is missing from a link (its MAC address, say) and the fields that its `free` names are nobody's wish: they
are as the kernel makes them, whatever that is (a bridge takes the address of a port, a VLAN that of its parent).
Pictures are not changed: a changed one is another picture that shares what it has in common.
"""

from __future__ import annotations

import json
import typing as t

from ..netlink.rtnl.numbers import IPV6_METRIC

Object = t.Dict[str, t.Any]
Key = t.Any
Objects = t.Dict[Key, Object]
Place = t.Tuple[str, Key]  # table and key


def link_key(link: Object) -> Key:
    return link["ifindex"]


def address_key(address: Object) -> Key:
    return address["index"], address["local"], address["prefixlen"], address.get("address", "")


def route_key(route: Object) -> Key:
    get, family = route.get, route["family"]
    metric = get("metric")
    if metric is None:
        metric = IPV6_METRIC if family == "inet6" else 0
    return family, get("table", "main"), route["dst"], metric, get("tos", 0), get("from", ""), 0


def named_route_key(family: str, table: t.Any, dst: str, metric: int) -> Key:
    """That of a route as tasks name them: without a TOS or a source."""
    return family, table, dst, metric, 0, "", 0


def rule_key(rule: Object) -> Key:
    return json.dumps(rule, sort_keys=True)


def neighbour_key(neighbour: Object) -> Key:
    return neighbour["index"], neighbour["dst"], bool(neighbour.get("proxy"))


def fdb_key(entry: Object) -> Key:
    keeper = "self" if "self" in entry["flags"] else "master"
    return entry["index"], entry["mac"], entry.get("vlan", 0), entry.get("dst", ""), entry.get("vni", 0), keeper


def vlans_key(port: Object) -> Key:
    return port["index"]


KEYS: dict[str, t.Callable[[Object], Key]] = {
    "links": link_key,
    "addresses": address_key,
    "routes": route_key,
    "rules": rule_key,
    "neighbours": neighbour_key,
    "fdb": fdb_key,
    "vlans": vlans_key,
}


class Picture(t.NamedTuple):
    """`kernel`: the release of the running kernel, since what it can do differs.

    Of a wanted picture, by (table, key): `places`, where in the user's input an object is asked for, and `said`, the
    fields that it says of it.
    """

    links: Objects
    addresses: Objects
    routes: Objects
    rules: Objects
    neighbours: Objects
    fdb: Objects
    vlans: Objects
    kernel: str = ""
    places: t.Mapping[Place, str] = {}
    said: t.Mapping[Place, t.AbstractSet[str]] = {}

    def table(self, name: str) -> Objects:
        return getattr(self, name)

    def to_json(self) -> dict[str, t.Any]:
        """What `json.dumps` takes and `from_json` makes the same picture of; `places` and `said` are left out."""
        lists: dict[str, t.Any] = {name: list(self.table(name).values()) for name in KEYS}
        return {**lists, "kernel": self.kernel}

    @classmethod
    def from_json(cls, data: t.Any) -> Picture:
        """Raises ValueError for what `to_json` cannot have made."""
        try:
            tables: dict[str, t.Any] = {name: keyed(name, data[name]) for name in KEYS}
            return cls(**tables, kernel=str(data["kernel"]))
        except (TypeError, LookupError, AttributeError):
            raise ValueError("this is not a picture of a network") from None

    def index_of(self, name: str) -> int | None:
        """The index of the link of that name or alternative name."""
        for index, link in self.links.items():
            if link["ifname"] == name or name in link.get("altnames", ()):
                return index
        return None


def keyed(table: str, objects: t.Sequence[Object]) -> Objects:
    """Objects of one table by their keys; routes of the same key are numbered in their order."""
    key_of = KEYS[table]
    found: Objects = {key_of(one): one for one in objects}
    if table != "routes" or len(found) == len(objects):
        return found
    numbered: Objects = {}
    for one in objects:
        numbered[_numbered(key_of(one), numbered)] = one
    return numbered


def _numbered(key: Key, found: Objects) -> Key:
    while key in found:
        key = (*key[:-1], key[-1] + 1)
    return key


def from_lists(key: t.Any) -> Key:
    """A key that went through JSON, which knows no tuples."""
    return tuple(key) if isinstance(key, list) else key
