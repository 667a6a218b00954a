# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of routes and rules."""

from __future__ import annotations

import errno
import typing as t

from ..netlink.rtnl import route, rule
from . import waves
from .draft import Draft, Setting
from .picture import Key, Object
from .same import same_route

ABSENT = frozenset((errno.ESRCH, errno.ENOENT, errno.ENODEV))
THERE = frozenset((errno.EEXIST,))
VIA, DIRECT = (waves.ROUTE_VIA,), (waves.ROUTE_DIRECT,)
BY_GATEWAY = frozenset(("gateway", "via", "nexthops", "nhid"))


def plan(draft: Draft) -> None:
    _plan_routes(draft)
    _plan_rules(draft)


def _plan_routes(draft: Draft) -> None:
    now, then = draft.model.routes, draft.after.routes
    unsure = {key for table, key in draft.model.unsure if table == "routes"}
    wanted = {key: one for key, one in then.items() if key not in now or not _is_there(now[key], one)}
    if unsure:
        wanted = {key: one for key, one in wanted.items() if key not in unsure or _goes_ways(draft, one)}
    unwanted = [key for key in now if key not in then]
    regrouped = {key[:-1] for key in (*wanted, *unwanted) if key[-1]} if unwanted or wanted else set()
    if regrouped:  # several routes of one key: which is the first counts, so they are set anew together
        _regroup(draft, regrouped)
        wanted = {key: one for key, one in then.items() if key in wanted or key[:-1] in regrouped}
        unwanted = [key for key in unwanted if key[:-1] not in regrouped]
    draft.add_all("routes", [_setting(key, one, now.get(key)) for key, one in wanted.items()])
    for key in unwanted:
        _remove(draft, key, now[key], waves.DROP_VIA if _has_gateway(now[key]) else waves.DROP_DIRECT)
    for key in unsure:
        if key not in then and _all_there(draft, draft.before.routes[key]):
            one = draft.before.routes[key]
            _remove(draft, key, one, waves.DROP_VIA if _has_gateway(one) else waves.DROP_DIRECT)


def _is_there(now: Object, then: Object) -> bool:
    return now is then or now == then or same_route(now, then)


def _goes_ways(draft: Draft, one: Object) -> bool:
    """Whether all the links of a route are up: the kernel keeps ways over others, but takes none."""
    hops = [hop["oif"] for hop in (one, *one.get("nexthops", ())) if hop.get("oif")]
    return all(draft.model.links.get(index, {}).get("up") for index in hops)


def _all_there(draft: Draft, one: Object) -> bool:
    hops = [hop["oif"] for hop in (one, *one.get("nexthops", ())) if hop.get("oif")]
    return any(index in draft.model.links for index in hops) or not hops


def _regroup(draft: Draft, groups: t.AbstractSet[t.Any]) -> None:
    for key in [key for key in draft.model.routes if key[:-1] in groups]:
        _remove(draft, key, draft.model.routes.pop(key), waves.ROUTE_DIRECT - 1)


def _has_gateway(one: Object) -> bool:
    return not BY_GATEWAY.isdisjoint(one)


def _setting(key: Key, one: Object, now: Object | None) -> Setting:
    wave: tuple[int, ...] = DIRECT if BY_GATEWAY.isdisjoint(one) else VIA
    if "free" in one:
        one = {name: value for name, value in one.items() if name != "free"}
    if not key[-1]:
        return wave, key, "replace" if now else "add", (route.Deferred(route.replace, one),)
    return (*wave, key[-1]), key, "replace" if now else "add", (route.append(one),)


def _remove(draft: Draft, key: Key, one: Object, wave: int) -> None:
    draft.add((wave,), "routes", key, "remove", [route.Deferred(route.delete, one)], tolerates=ABSENT)


def _plan_rules(draft: Draft) -> None:
    now, then = draft.model.rules, draft.after.rules
    for key, one in then.items():
        if key not in now:
            draft.add((waves.ADD_RULE,), "rules", key, "add", [rule.new(one)], tolerates=THERE)
    for key, one in now.items():
        if key not in then:
            draft.add((waves.DROP_RULE,), "rules", key, "remove", [rule.delete(one)], tolerates=ABSENT)
