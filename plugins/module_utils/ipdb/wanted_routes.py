# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task wants of routes."""

from __future__ import annotations

import functools
import typing as t

from ..netlink.attribute import ip_bytes
from ..netlink.routes.planner import differing, kept
from ..netlink.routes.wanted import Wanted, WrongRoute, parse_all
from ..netlink.rtnl import route
from .capture_tables import configured_route
from .lines import name
from .picture import Key, Object, named_route_key
from .wanting import Wanting


def apply(wanting: Wanting, items: t.Sequence[t.Mapping[str, t.Any]]) -> None:
    ways = Ways(wanting)
    there = wanting.table("routes")
    new: dict[Key, Object] = {}
    alike: dict[int, Object] = {}  # new routes by the identity of what they have in common
    for want in parse_all(items, True):
        where, state, dst, rest = want
        key = named_route_key(rest.family, rest.table, dst, rest.metric)
        now = there.get(key)
        wanting.places["routes", key] = where
        if state == "absent":
            if now and not differing({**want.fields, "metric": now.get("metric")}, _named(wanting, now, want)):
                wanting.drop("routes", key)
        elif now is None:
            whole = alike.get(id(rest))
            if whole is None:
                whole = alike[id(rest)] = _whole(_resolved(wanting, want), ways)
            one = new[key] = whole.copy()
            one["dst"] = dst
        elif differing(want.fields, _named(wanting, now, want)) or _moves(want, now, ways):
            wanting.put("routes", key, _whole({**kept(now), **_resolved(wanting, want)}, ways))
    if new:
        wanting.own("routes").update(new)


def _moves(want: Wanted, now: Object, ways: Ways) -> bool:
    """Whether the gateway is to be found on another link than the route's, which the task does not name."""
    gateway = want.rest.fields.get("gateway")
    if not ways.change or not gateway or "dev" in want.rest.fields:
        return False
    return ways.link_to(gateway) not in (None, now.get("oif"))


def _named(wanting: Wanting, now: Object, want: Wanted) -> Object:
    """The route that is there with names of links, as far as the task names some."""
    picture = wanting.before
    out = dict(now)
    if "dev" in want.rest.fields and now.get("oif"):
        out["dev"] = name(picture, now["oif"])
    if "nexthops" in want.rest.fields and now.get("nexthops"):
        out["nexthops"] = [{**hop, "dev": name(picture, hop.get("oif", 0))} for hop in now["nexthops"]]
    return out


LINKED = frozenset(("dev", "nexthops"))  # fields with names of links


def _resolved(wanting: Wanting, want: Wanted) -> Object:
    """The fields with indexes for names of links. Raises WrongRoute."""
    fields = want.fields
    if LINKED.isdisjoint(fields):
        return fields
    out = {field: value for field, value in fields.items() if field not in LINKED}
    if fields.get("dev"):
        out["oif"] = _index(wanting, want, fields["dev"])
    if fields.get("nexthops"):
        out["nexthops"] = [
            {**{field: value for field, value in hop.items() if field != "dev"}, **_oif(wanting, want, hop)}
            for hop in fields["nexthops"]
        ]
    return out


def _oif(wanting: Wanting, want: Wanted, hop: Object) -> Object:
    return {"oif": _index(wanting, want, hop["dev"])} if hop.get("dev") else {}


def _index(wanting: Wanting, want: Wanted, dev: str) -> int:
    index = wanting.index(dev)
    if index is None:
        raise WrongRoute(f"{want.where}: there is no link {dev} for the route to {want.dst}")
    return index


class Ways:
    """The networks that wanted links are in; `change` if they are not what they were."""

    def __init__(self, wanting: Wanting) -> None:
        self.change = any(wanting.table(name) is not wanting.before.table(name) for name in ("links", "addresses"))
        self._wanting = wanting
        # By bits of the family and length, the longest first: links by the number of the network.
        self._networks: list[tuple[int, int, dict[int, set[int]]]] | None = None
        self._links: dict[str, int | None] = {}

    def link_to(self, gateway: str) -> int | None:
        """The link in whose network a gateway lies; None where there is none, or more than one as narrow."""
        if gateway not in self._links:
            self._links[gateway] = self._find(gateway)
        return self._links[gateway]

    def _find(self, gateway: str) -> int | None:
        if self._networks is None:
            self._networks = self._read()
        raw = ip_bytes(gateway)
        bits, number = len(raw) * 8, int.from_bytes(raw, "big")
        for width, length, links in self._networks:
            found = links.get(number >> (bits - length)) if width == bits else None
            if found:
                return next(iter(found)) if len(found) == 1 else None
        return None

    def _read(self) -> list[tuple[int, int, dict[int, set[int]]]]:
        found: dict[tuple[int, int], dict[int, set[int]]] = {}
        there = self._wanting.table("links")
        for one in self._wanting.table("addresses").values():
            if one["index"] not in there:
                continue
            raw = ip_bytes(one.get("address") or one["local"])
            bits, length = len(raw) * 8, one["prefixlen"]
            number = int.from_bytes(raw, "big") >> (bits - length)
            found.setdefault((bits, length), {}).setdefault(number, set()).add(one["index"])
        return [(*key, found[key]) for key in sorted(found, reverse=True)]


def _whole(fields: Object, ways: Ways) -> Object:
    """The route as the kernel will show it; `free` says what only it can know."""
    for hop in fields.get("nexthops") or (fields,):
        if hop.get("gateway") and "oif" not in hop:
            found = ways.link_to(hop["gateway"])
            if found is not None:
                hop["oif"] = found
    rest = dict(fields)
    del rest["dst"]
    return {**route.remembered(_shown, rest), "dst": fields["dst"]}


@functools.lru_cache(maxsize=1024)
def _shown(names: tuple[str, ...], values: tuple[t.Any, ...]) -> Object:
    """All but the destination, which repeats among many routes."""
    fields = dict(zip(names, values))
    body = route.new(fields).body
    shown = configured_route(t.cast(Object, route.decode(body, 0, len(body))))
    hops = fields.get("nexthops") or [fields]
    if fields.get("nhid"):
        shown["free"] = ["oif", "gateway", "via", "nexthops", "scope", "encap"]
    elif any("oif" not in hop for hop in hops) and shown.get("type", "unicast") == "unicast":
        shown["free"] = ["oif", "nexthops"]
    elif shown["family"] == "inet6" and shown.get("type") in ("blackhole", "unreachable", "prohibit", "throw"):
        shown["free"] = ["oif"]  # that of lo
    return shown
