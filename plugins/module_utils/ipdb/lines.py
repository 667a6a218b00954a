# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The canonical lines of a transaction: what --diff shows, the documentation quotes and tests compare.

br0  bridge  up  mtu 9000  addr 10.0.0.1/24
default  via 10.0.0.254  dev br0
"""

from __future__ import annotations

import typing as t

from ..netlink.kinds import registry
from ..netlink.kinds.kind import link_options
from ..netlink.links.line import in_line
from ..netlink.links.line import line as link_line
from ..netlink.routes.line import line as route_line
from .picture import Key, Object, Picture

if t.TYPE_CHECKING:
    from .step import Lines

OF_LINKS = ("links", "addresses", "vlans")  # tables whose objects are in the line of their link


def index_of(table: str, key: Key) -> int:
    return key[0] if table == "addresses" else key


def name(picture: Picture, index: int) -> str:
    found = picture.links.get(index)
    return found["ifname"] if found else str(index or "none")


def what(lines: Lines, table: str, key: Key) -> str:
    if table in OF_LINKS:
        index = index_of(table, key)
        return name(lines.after if index in lines.after.links else lines.before, index)
    then = lines.after.table(table).get(key)
    if then:
        return LABELS[table](then, lines.after)
    return LABELS[table](lines.before.table(table).get(key) or {}, lines.before)


def told(lines: Lines, table: str, key: Key) -> tuple[str, str, str]:
    """An object's name and its lines before and after, of its link where it belongs to one; "" where it is not."""
    if table in OF_LINKS:
        index = index_of(table, key)
        if index not in lines.links:
            lines.links[index] = what(lines, table, key), _link(lines, index, False), _link(lines, index, True)
        return lines.links[index]
    if table == "routes" and key in lines.after.routes and key not in lines.before.routes:
        return _new_route(lines, lines.after.routes[key])
    was, then = lines.before.table(table).get(key), lines.after.table(table).get(key)
    label, line = LABELS[table], LINES[table]
    return (
        label(then or was or {}, lines.after if then else lines.before),
        line(was, lines.before) if was else "",
        line(then, lines.after) if then else "",
    )


# Links

SUMMARY = ("mtu", "address", "link", "master")
OTHERS = (("txqlen", "txqueuelen"), ("ifalias", "alias"), ("altnames", "altname"), ("group", "group"))


def _link(lines: Lines, index: int, after: bool) -> str:
    picture, other = (lines.after, lines.before) if after else (lines.before, lines.after)
    one = picture.links.get(index)
    if one is None:
        return ""
    against = other.links.get(index) or {}
    fields: dict[str, t.Any] = {"kind": one.get("kind"), "admin": "up" if one.get("up") else "down"}
    for field in SUMMARY:
        value = one.get(field)
        if field in ("link", "master"):
            value = name(picture, value) if value and "link_netnsid" not in one else None
        elif field == "address" and against.get(field, value) == value:
            value = None
        fields[field] = value
    for field, word in OTHERS:
        value = one.get(field) or None
        if value != (against.get(field) or None) and (against or field in ("ifalias", "altnames")):
            fields[word] = value
    fields.update(_options(one, against, picture, "options", registry.find(one.get("kind") or "")))
    master = picture.links.get(one.get("master") or 0, {})
    fields.update(_options(one, against, picture, "port", registry.port(master.get("kind") or "")))
    vlans = picture.vlans.get(index), other.vlans.get(index)
    if vlans[0] and vlans[0] != vlans[1]:
        fields["vlan"] = [vlan_words(vlan) for vlan in vlans[0]["vlans"]]
    fields["addr"] = in_line(lines.addresses(after, index), [one["ifname"]])
    return link_line(one["ifname"], None, fields)


def _options(one: Object, against: Object, picture: Picture, part: str, kind: t.Any) -> dict[str, t.Any]:
    """Options that differ; of a link that is only on one side those that are said of a new one."""
    mine, others = one.get(part) or {}, against.get(part) or {}
    known = set(others) if against else set(mine) if "address" not in one else set()
    differing = {key: value for key, value in mine.items() if key in known and others.get(key) != value}
    links = link_options(kind.table) if differing and kind else ()
    return {key: name(picture, value) if key in links else value for key, value in differing.items()}


def vlan_words(vlan: Object) -> str:
    span = f"{vlan['vlan']}-{vlan['vlanEnd']}" if "vlanEnd" in vlan else str(vlan["vlan"])
    return " ".join((span, *(flag.replace("Egress ", "").lower() for flag in vlan.get("flags", ()))))


# Others


def _route(one: Object, picture: Picture) -> str:
    return route_line(named(one, picture), None)


def _new_route(lines: Lines, one: Object) -> tuple[str, str, str]:
    """Its name and its line put the destination first, and mostly the rest is that of the route before."""
    dst = one["dst"]
    if dst == "default":
        return _route_label(one, lines.after), "", _route(one, lines.after)
    last, label, line = lines.route
    last["dst"] = dst
    if one != last:
        label, line = _route_label(one, lines.after).partition(dst)[2], _route(one, lines.after)[len(dst) :]
        lines.route = one.copy(), label, line
    return f"route {dst}{label}", "", dst + line


def named(route: Object, picture: Picture) -> Object:
    """A route with `dev`, names of links, beside the indexes."""
    out = {**route, "dev": name(picture, route["oif"])} if route.get("oif") else dict(route)
    if route.get("nexthops"):
        out["nexthops"] = [
            {**hop, "dev": name(picture, hop["oif"])} if hop.get("oif") else hop for hop in route["nexthops"]
        ]
    return out


def _route_label(one: Object, picture: Picture) -> str:
    table = one.get("table", "main")
    return f"route {one.get('dst', '')}" + (f" in table {table}" if table != "main" else "")


def _rule(one: Object, picture: Picture) -> str:
    words = ["rule", "inet6"] if one["family"] == "inet6" else ["rule"]
    for field, value in one.items():
        if field in ("family", "srclen", "dstlen") or (field, value) in (("protocol", "static"), ("src", "all")):
            continue
        bits = one.get(f"{field}len")
        words.append(f"{field} {value}/{bits}" if bits else field if value is True else f"{field} {value}")
    return "  ".join(words)


def _neighbour(one: Object, picture: Picture) -> str:
    flags = [flag for flag in ("proxy", "router", "managed") if one.get(flag)]
    states = [state.lower() for state in one.get("state", ()) if state != "PERMANENT"]
    words = [_neighbour_label(one, picture), f"lladdr {one['lladdr']}" if one.get("lladdr") else "", *states, *flags]
    return "  ".join(filter(None, words))


def _neighbour_label(one: Object, picture: Picture) -> str:
    return f"neighbour {one.get('dst')}  dev {name(picture, one.get('index', 0))}"


def _entry(one: Object, picture: Picture) -> str:
    fields = [f"{field} {one[field]}" for field in ("vlan", "dst", "port", "vni", "via") if one.get(field)]
    return "  ".join([_entry_label(one, picture), *fields, one.get("state", ""), *one.get("flags", ())])


def _entry_label(one: Object, picture: Picture) -> str:
    return f"fdb {one.get('mac')}  dev {name(picture, one.get('index', 0))}"


LINES: dict[str, t.Callable[[Object, Picture], str]] = {
    "routes": _route,
    "rules": _rule,
    "neighbours": _neighbour,
    "fdb": _entry,
}
LABELS: dict[str, t.Callable[[Object, Picture], str]] = {
    **LINES,
    "routes": _route_label,
    "neighbours": _neighbour_label,
}
