# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From routes as they are and as they are wanted to changes in order."""

from __future__ import annotations

import errno
import typing as t

from ...plan import Change, Plan
from ..errors import NetlinkError
from ..links.host import Host, Hosts
from ..links.runner import Place, Runner, Step
from ..rtnl import route as rtnl
from ..rtnl.numbers import AF_INET, AF_INET6
from .line import line
from .wanted import Key, Route, Wanted, WrongRoute, key_of

NUMBERS = {"inet": AF_INET, "inet6": AF_INET6}

# What has a gateway needs the routes without one that lead to it: added later, removed earlier.
REMOVE_VIA, REMOVE_DIRECT, ADD_DIRECT, ADD_VIA = range(4)


class Picture(t.NamedTuple):
    """The routes of the tables and families that a task speaks of, by key, with names of links."""

    host: Host
    routes: t.Dict[Key, Route]


def observe(run: Runner, netns: str | None, wanted: t.Sequence[Wanted]) -> Picture:
    host = Hosts(run)[netns]
    routes: dict[Key, Route] = {}
    for family, table in {(want.rest.family, want.rest.table) for want in wanted}:
        for found in _read(run, netns, family, table):
            routes.setdefault(key_of(found), found)
    for want in wanted:
        if want.key in routes:
            _name_links(routes[want.key], host)
    return Picture(host, routes)


def _read(run: Runner, netns: str | None, family: str, table: t.Any) -> list[Route]:
    try:
        return run.socket(netns).dump(rtnl.dump(table=table, family=NUMBERS[family]), rtnl.decode)
    except NetlinkError as error:
        if error.errno != errno.ENOENT:  # ENOENT: a table that nobody has put a route into yet
            raise
        return []


def _name_links(route: Route, host: Host) -> None:
    for hop in (route, *route.get("nexthops", ())):
        if hop.get("oif"):
            hop["dev"] = host.name_of(hop["oif"])


def plan(picture: Picture, wanted: t.Sequence[Wanted], netns: str | None, run: Runner) -> Plan:
    """Raises WrongRoute for a link that is not there."""
    changes = []
    for want in wanted:
        found, fields = picture.routes.get(want.key), want.fields
        if want.state == "absent":
            if found and not differing({**fields, "metric": found.get("metric")}, found):
                changes.append(_removal(fields, found, netns))
        else:
            _check_links(want.where, fields, picture.host)
            if found is None or differing(fields, found):
                changes.append(_setting(fields, found, netns))
    return Plan(sorted(changes, key=lambda change: change.wave), run)


def _check_links(where: str, fields: Route, host: Host) -> None:
    for hop in (fields, *fields.get("nexthops", ())):
        if hop.get("dev") and host.find(hop["dev"]) is None:
            at = f"{where}: " if where else ""
            raise WrongRoute(f"{at}there is no link {hop['dev']} for the route to {fields['dst']}")


def differing(fields: Route, found: Route) -> bool:
    """Whether a mentioned field is not as wanted."""
    for name, value in fields.items():
        if name in ("family", "dst", "table", "metric"):
            continue
        if name == "nexthops":
            if not _same_hops(value, found.get("nexthops", ())):
                return True
        elif name == "flags":
            if ("onlink" in value) != ("onlink" in found.get("flags", ())):
                return True
        elif name == "metrics":
            if any((found.get("metrics") or {}).get(key) != one for key, one in value.items()):
                return True
        elif found.get(name) != value:
            return True
    # A route that goes one way is not the same as one that goes several.
    return ("gateway" in fields or "dev" in fields) and bool(found.get("nexthops"))


def _same_hops(wanted: t.Sequence[Route], found: t.Sequence[Route]) -> bool:
    """Whether each wanted hop is there, in what it mentions, and no other."""
    left = list(found)
    for hop in wanted:
        match = next((one for one in left if all(one.get(key) == value for key, value in hop.items())), None)
        if match is None:
            return False
        left.remove(match)
    return not left


def _wire(fields: Route, place: Place) -> Route:
    """`fields` with indexes for names of links, as rtnl.route takes them."""
    out = {name: value for name, value in fields.items() if name not in ("dev", "nexthops", "oif")}
    if fields.get("dev"):
        out["oif"] = place.index(fields["dev"])
    if fields.get("nexthops"):
        out["nexthops"] = [_wire(hop, place) for hop in fields["nexthops"]]
    return out


def _step(netns: str | None, make: t.Callable[[Route], t.Any], fields: Route) -> Step:
    return Step(netns, lambda place: [make(_wire(fields, place))])


def _has_gateway(fields: Route) -> bool:
    return bool(fields.get("gateway") or fields.get("via") or fields.get("nexthops") or fields.get("nhid"))


def _label(fields: Route) -> str:
    table = fields.get("table", "main")
    return f"route {fields['dst']}" + (f" in table {table}" if table != "main" else "")


def _setting(fields: Route, found: Route | None, netns: str | None) -> Change:
    after = {**(kept(found) if found else {}), **fields}
    undo = _step(netns, rtnl.replace, found) if found else _step(netns, rtnl.delete, fields)
    before = line(_beside(fields, found), netns) if found else ""
    words = f"{'replace' if found else 'add'} {line(after, None)}"
    wave = ADD_VIA if _has_gateway(fields) else ADD_DIRECT
    return Change(_label(fields), words, before, line(after, netns), _step(netns, rtnl.replace, after), undo, wave)


def _beside(fields: Route, found: Route) -> Route:
    """The route that is there, without the link that the kernel found for its gateway where the task names none."""
    hidden = "dev" not in fields and _has_gateway(found)
    return {name: value for name, value in found.items() if not (hidden and name == "dev")}


WAY = ("gateway", "via", "dev", "oif", "nexthops", "nhid", "encap", "type", "flags", "scope")


def kept(found: Route) -> Route:
    """What a replaced route keeps where nothing else is wanted: all but the way that it goes."""
    return {name: value for name, value in found.items() if name not in WAY}


def _removal(fields: Route, found: Route, netns: str | None) -> Change:
    wave = REMOVE_VIA if _has_gateway(found) else REMOVE_DIRECT
    do, undo = _step(netns, rtnl.delete, found), _step(netns, rtnl.replace, found)
    return Change(_label(fields), f"remove {line(found, None)}", line(found, netns), "", do, undo, wave)
