# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task wants of routes."""

from __future__ import annotations

import typing as t

from ..netlink.attribute import ip_bytes
from ..netlink.routes.planner import differing, kept
from ..netlink.routes.wanted import Wanted, WrongRoute, parse_all
from ..netlink.rtnl import route
from .capture import configured_route
from .lines import name
from .picture import Object, route_key
from .wanting import Wanting

Way = t.Tuple[int, int, int, int]  # bits of the family, length, number of the network, link


def apply(wanting: Wanting, items: t.Sequence[t.Mapping[str, t.Any]]) -> None:
    ways: list[Way] | None = None
    for want in parse_all(items, True):
        key = route_key(want.fields)
        now = wanting.table("routes").get(key)
        if want.state == "absent":
            wanting.say("routes", key, want.where)
            if now and not differing({**want.fields, "metric": now.get("metric")}, _named(wanting, now, want)):
                wanting.drop("routes", key)
            continue
        wanting.say("routes", key, want.where, want.fields)
        fields = _resolved(wanting, want)
        if now and not differing(want.fields, _named(wanting, now, want)):
            continue
        if ways is None:
            ways = _ways(wanting)
        wanting.put("routes", key, _whole({**(kept(now) if now else {}), **fields}, ways))


def _named(wanting: Wanting, now: Object, want: Wanted) -> Object:
    """The route that is there with names of links, as far as the task names some."""
    picture = wanting.before
    out = dict(now)
    if "dev" in want.fields and now.get("oif"):
        out["dev"] = name(picture, now["oif"])
    if "nexthops" in want.fields and now.get("nexthops"):
        out["nexthops"] = [{**hop, "dev": name(picture, hop.get("oif", 0))} for hop in now["nexthops"]]
    return out


def _resolved(wanting: Wanting, want: Wanted) -> Object:
    """The fields with indexes for names of links. Raises WrongRoute."""
    out = {field: value for field, value in want.fields.items() if field not in ("dev", "nexthops")}
    if want.fields.get("dev"):
        out["oif"] = _index(wanting, want, want.fields["dev"])
    if want.fields.get("nexthops"):
        out["nexthops"] = [
            {**{field: value for field, value in hop.items() if field != "dev"}, **_oif(wanting, want, hop)}
            for hop in want.fields["nexthops"]
        ]
    return out


def _oif(wanting: Wanting, want: Wanted, hop: Object) -> Object:
    return {"oif": _index(wanting, want, hop["dev"])} if hop.get("dev") else {}


def _index(wanting: Wanting, want: Wanted, dev: str) -> int:
    index = wanting.index(dev)
    if index is None:
        raise WrongRoute(f"{want.where}: there is no link {dev} for the route to {want.fields['dst']}")
    return index


def _ways(wanting: Wanting) -> list[Way]:
    """The networks that links are in, the narrowest first."""
    ways = []
    links = wanting.table("links")
    for one in wanting.table("addresses").values():
        if one["index"] not in links:
            continue
        raw = ip_bytes(one.get("address") or one["local"])
        bits = len(raw) * 8
        number = int.from_bytes(raw, "big") >> (bits - one["prefixlen"])
        ways.append((bits, one["prefixlen"], number, one["index"]))
    return sorted(ways, key=lambda way: -way[1])


def _whole(fields: Object, ways: t.Sequence[Way]) -> Object:
    """The route as the kernel will show it; `free` says what only it can know."""
    hops = fields.get("nexthops") or [fields]
    for hop in hops:
        gateway = hop.get("gateway")
        if gateway and "oif" not in hop:
            found = _link_to(gateway, ways)
            if found is not None:
                hop["oif"] = found
    body = route.new(fields).body
    shown = configured_route(t.cast(Object, route.decode(body, 0, len(body))))
    if fields.get("nhid"):
        shown["free"] = ["oif", "gateway", "via", "nexthops", "scope", "encap"]
    elif any("oif" not in hop for hop in hops) and shown.get("type", "unicast") == "unicast":
        shown["free"] = ["oif", "nexthops"]
    elif shown["family"] == "inet6" and shown.get("type") in ("blackhole", "unreachable", "prohibit", "throw"):
        shown["free"] = ["oif"]  # that of lo
    return shown


def _link_to(gateway: str, ways: t.Sequence[Way]) -> int | None:
    """The link in whose network a gateway lies; None where there is none, or more than one as narrow."""
    raw = ip_bytes(gateway)
    bits, number = len(raw) * 8, int.from_bytes(raw, "big")
    fits = [way for way in ways if way[0] == bits and number >> (bits - way[1]) == way[2]]
    best = {way[3] for way in fits if way[1] == fits[0][1]}
    return best.pop() if len(best) == 1 else None
