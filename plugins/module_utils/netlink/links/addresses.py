# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses of one link: which to drop, which to add, which to change."""

from __future__ import annotations

import typing as t

from ..attribute import ip_bytes
from ..rtnl import address
from . import waves
from .found import lasting
from .line import address as words
from .runner import Place

if t.TYPE_CHECKING:
    from .single import LinkPlan

Address = t.Mapping[str, t.Any]
IN_PLACE = frozenset(("valid_life_time", "preferred_life_time", "metric", "noprefixroute"))
FOREVER = address.FOREVER


def key_of(found: Address) -> tuple[t.Any, ...]:
    return ip_bytes(found["local"]), found["prefixlen"], found.get("address")


def same_lifetime(wanted: int, present: int) -> bool:
    """A lifetime runs down: what is left of it is the same wish."""
    if FOREVER in (wanted, present):
        return wanted == present
    return 0 < present <= wanted


def differences(wanted: Address, present: Address) -> set[str]:
    """The wanted fields that an address of the same key does not have."""
    out = set()
    for field, value in wanted.items():
        now = present.get(field, False if value is False else None)
        same = same_lifetime(value, now) if field.endswith("_life_time") else now == value
        if not same:
            out.add(field)
    return out


def plan_addresses(mine: LinkPlan, cycled: bool) -> None:
    """`cycled`: the link goes down on the way, which costs it what IPv6 addresses it keeps."""
    want = mine.want
    had = [] if mine.found is None else [one for one in mine.host.addresses_of(mine.found["ifindex"]) if lasting(one)]
    if want.addresses is None and not (cycled and had):
        return
    present = {} if mine.reset else {key_of(one): one for one in had}
    wanted = {key_of(one): one for one in want.addresses or ()}
    extra = want.addresses is not None and want.addresses_exact
    drop = {key: one for key, one in present.items() if key not in wanted and extra}
    add: dict[tuple[t.Any, ...], Address] = {}
    change: dict[tuple[t.Any, ...], Address] = {}
    for key, one in wanted.items():
        differing = differences(one, present[key]) if key in present else None
        if differing is None:
            add[key] = one
        elif differing - IN_PLACE:
            drop[key], add[key] = present[key], one
        elif differing:
            change[key] = {**present[key], **one}
    lost = _lost(present, drop, cycled)
    keep = [one for key, one in present.items() if key not in drop and key not in change]
    mine.changes.show(
        "addr", [words(one) for one in had], [words(one) for one in (*keep, *change.values(), *add.values())]
    )
    for one in drop.values():
        _drop(mine, one)
    for key in lost:
        if key not in change:
            _put_back(mine, present[key])
    for one in add.values():
        _add(mine, one)
    for key, one in change.items():
        _replace(mine, present[key], one)


def _lost(present: dict[t.Any, Address], drop: dict[t.Any, Address], cycled: bool) -> list[t.Any]:
    """Addresses that nobody drops and that go all the same: secondaries of a dropped primary, IPv6 on a link that goes down."""
    networks = {_network(one) for one in drop.values() if not one.get("secondary") and one["family"] == "inet"}
    return [
        key
        for key, one in present.items()
        if key not in drop
        and ((cycled and one["family"] == "inet6") or (one.get("secondary") and _network(one) in networks))
    ]


def _network(one: Address) -> t.Any:
    raw = ip_bytes(one["local"])
    return one["prefixlen"], int.from_bytes(raw, "big") >> (len(raw) * 8 - one["prefixlen"])


def _request(
    mine: LinkPlan, make: t.Callable[..., t.Any], one: Address, **more: t.Any
) -> t.Callable[[Place], list[t.Any]]:
    return lambda place: [make(place.index(mine.want.name), one, **more)]


def _drop(mine: LinkPlan, one: Address) -> None:
    undo = _request(mine, address.new, one, replace=True)
    mine.changes.request(
        waves.DROP_ADDRESS, f"remove address {words(one)}", _request(mine, address.delete, one), undo, depth=0
    )


def _add(mine: LinkPlan, one: Address) -> None:
    do = _request(mine, address.new, one)
    mine.changes.request(
        waves.ADD_ADDRESS, f"add address {words(one)}", do, _request(mine, address.delete, one), depth=0
    )


def _put_back(mine: LinkPlan, one: Address) -> None:
    do = _request(mine, address.new, one, replace=True)
    mine.changes.request(waves.ADD_ADDRESS, f"put back address {words(one)}", do, do, depth=0)


def _replace(mine: LinkPlan, now: Address, then: Address) -> None:
    do, undo = (_request(mine, address.new, one, replace=True) for one in (then, now))
    mine.changes.request(waves.ADD_ADDRESS, f"change address {words(now)} -> {words(then)}", do, undo, depth=0)
