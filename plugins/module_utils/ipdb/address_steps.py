# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of addresses.

With an IPv4 address the kernel drops the secondary ones of its network, or makes one of them the primary (the sysctl
promote_secondaries decides); with the last IPv4 address of a link it drops all IPv4 routes through it and
neighbours on it, and with an address the routes that name it as their source.
"""

from __future__ import annotations

import errno
import typing as t

from ..netlink.links.line import address as words
from ..netlink.rtnl import address
from . import waves
from .draft import Draft
from .picture import Key, Object
from .same import address_differences, networks, reordered

ABSENT = frozenset((errno.EADDRNOTAVAIL, errno.ENODEV))
By = t.Dict[int, t.Dict[Key, Object]]


def plan(draft: Draft) -> None:
    """All steps of addresses."""
    model, wanted = draft.model, draft.after.addresses
    links = {key[0] for key, one in wanted.items() if model.addresses.get(key) is not one}
    links.update(key[0] for key in model.addresses if key not in wanted)
    links.update(key[0] for table, key in model.unsure if table == "addresses" and key not in wanted)
    links |= reordered({key: one for key, one in model.addresses.items() if key in wanted}, wanted)
    if not links:
        return
    now, then = _by_link(model.addresses, links), _by_link(wanted, links)
    for table, key in sorted(model.unsure, key=str):
        if table == "addresses" and key[0] in model.links and key not in wanted:
            _drop(draft, key, draft.before.addresses[key], unsure=True)
    for index in sorted(links):
        if index in model.links and index in draft.after.links:
            _plan_link(draft, now.get(index, {}), then.get(index, {}))


def _by_link(addresses: t.Mapping[Key, Object], links: t.AbstractSet[int]) -> By:
    found: By = {}
    for key, one in addresses.items():
        if key[0] in links:
            found.setdefault(key[0], {})[key] = one
    return found


def _plan_link(draft: Draft, now: dict[Key, Object], then: dict[Key, Object]) -> None:
    fates = {key: _fate(now[key], then.get(key)) for key in now}
    displaced = _displaced(now, then, fates)  # those that go, or may go, and come for the sake of others
    for key, one in now.items():
        if fates[key] == "drop" or displaced.get(key):
            for other in displaced:
                draft.model.reach("addresses", other)
            _drop(draft, key, one)
    for key, one in then.items():
        fate = fates.get(key, "add")
        if key not in now:
            _put(draft, key, f"add address {words(one)}", one)
        elif fate != "keep":
            _put(draft, key, f"change address {words(now[key])} -> {words(one)}", one)
        elif key in displaced:
            _put(draft, key, f"put back address {words(one)}", one)


def _fate(now: Object, then: Object | None) -> str:
    if then is None:
        return "drop"
    differing = address_differences(now, then)
    if not differing:
        return "keep"
    return "drop" if differing - address.IN_PLACE[now["family"]] else "change"


def _displaced(
    now: t.Mapping[Key, Object], then: t.Mapping[Key, Object], fates: t.Mapping[Key, str]
) -> dict[Key, bool]:
    """What has to be put back: secondary addresses whose primary one goes (False).

    Where another order is wanted than the one that is left, all that stay of the network have to go first (True).
    """
    found: dict[Key, bool] = {}
    wanted = networks(then)
    for network, group in networks(now).items():
        staying = [key for key in group if fates[key] != "drop"]
        if staying != wanted.get(network, [])[: len(staying)]:
            found.update(dict.fromkeys(staying, True))
        elif fates[group[0]] == "drop":
            found.update(dict.fromkeys(staying, False))
    return found


def _drop(draft: Draft, key: Key, one: Object, unsure: bool = False) -> None:
    model, index = draft.model, key[0]
    if unsure:
        model.unsure.discard(("addresses", key))
    else:
        del model.addresses[key]
        _lose_with(draft, index, one)
    # One of IPv4 may have gone with its primary address.
    request = address.delete(index, one)
    how = f"remove address {words(one)}"
    draft.add((waves.DROP_ADDRESS,), "addresses", key, how, [request], tolerates=ABSENT)


def _lose_with(draft: Draft, index: int, one: Object) -> None:
    model = draft.model
    left = [model.addresses[key]["family"] for key in model.keys("addresses", index)]
    if one["family"] == "inet" and "inet" not in left:
        model.lose_routes(index, "inet")
        model.lose_neighbours(index, "inet")
    for key, route in _sourced(draft).get(one["local"], ()):
        if key in model.routes and route.get("prefsrc") == one["local"]:
            model.lose("routes", key, unsure=True)


def _sourced(draft: Draft) -> dict[str, list[tuple[Key, Object]]]:
    """The routes that name a source address, by it."""
    if draft.sourced is None:
        draft.sourced = {}
        for key, route in draft.before.routes.items():
            if route.get("prefsrc"):
                draft.sourced.setdefault(route["prefsrc"], []).append((key, route))
    return draft.sourced


def _put(draft: Draft, key: Key, how: str, one: Object) -> None:
    request = address.new(key[0], one, replace=True)
    draft.add((waves.ADD_ADDRESS,), "addresses", key, how, [request])
