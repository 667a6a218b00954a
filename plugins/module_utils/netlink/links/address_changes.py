# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of the addresses of one link.

With an IPv4 address the kernel drops the secondary ones of its network, or makes one of them the primary (the sysctl
promote_secondaries decides): those that are to stay are put back in the same step.
"""

from __future__ import annotations

import typing as t

from ..attribute import ip_bytes
from ..message import Request
from ..rtnl import address
from . import waves
from .addresses import Address, Addresses, Fate
from .line import address as words
from .linkplan import LinkPlan
from .runner import Place


def plan_changes(mine: LinkPlan, present: Addresses, fate: Fate, cycled: bool) -> None:
    first = sorted((*fate.dropped, *fate.renewed), key=lambda key: not present[key].get("secondary"))
    for key in first:
        _drop(mine, present[key], _behind(present[key], fate))
    for key, one in fate.changed.items():
        _change(mine, present[key], one)
    for one in fate.kept.values():
        if cycled and one["family"] == "inet6":
            _put_back(mine, one)
    for key in reversed(first):
        if key in fate.renewed:
            _add(mine, fate.renewed[key], _behind(present[key], fate))
    for one in fate.added.values():
        _add(mine, one, [])


def _behind(first: Address, fate: Fate) -> list[Address]:
    """The secondary addresses that go with a primary one and are to stay, as they will be."""
    if first["family"] != "inet" or first.get("secondary"):
        return []
    staying = (*fate.kept.values(), *fate.changed.values())
    return [one for one in staying if one.get("secondary") and _network(one) == _network(first)]


def _network(one: Address) -> t.Any:
    raw = ip_bytes(one["local"])
    return one["prefixlen"], int.from_bytes(raw, "big") >> (len(raw) * 8 - one["prefixlen"])


def _without(index: int, one: Address, behind: t.Sequence[Address]) -> list[Request]:
    # A link that went down meanwhile may have lost it, or not (the sysctl keep_addr_on_down decides).
    sure = [address.new(index, one, replace=True)] if one["family"] == "inet6" else []
    return [*sure, address.delete(index, one), *(address.new(index, other, replace=True) for other in behind)]


def _before(index: int, one: Address, behind: t.Sequence[Address]) -> list[Request]:
    """Adds an address as the primary of those `behind` it, which step aside for it."""
    back = [address.new(index, other, replace=True) for other in behind]
    return [*(address.delete(index, other) for other in behind), address.new(index, one, replace=True), *back]


def _drop(mine: LinkPlan, one: Address, behind: list[Address]) -> None:
    do, undo = _steps(mine, _without, one, behind), _steps(mine, _before, one, behind)
    mine.changes.request(waves.DROP_ADDRESS, f"remove address {words(one)}", do, undo, depth=0)


def _add(mine: LinkPlan, one: Address, behind: list[Address]) -> None:
    do, undo = _steps(mine, _before, one, behind), _steps(mine, _without, one, behind)
    mine.changes.request(waves.ADD_ADDRESS, f"add address {words(one)}", do, undo, depth=0)


def _steps(
    mine: LinkPlan, make: t.Callable[..., list[Request]], one: Address, behind: list[Address]
) -> t.Callable[[Place], list[Request]]:
    return lambda place: make(place.index(mine.want.name), one, behind)


def _replace(mine: LinkPlan, one: Address) -> t.Callable[[Place], list[Request]]:
    return lambda place: [address.new(place.index(mine.want.name), one, replace=True)]


def _put_back(mine: LinkPlan, one: Address) -> None:
    do = _replace(mine, one)
    mine.changes.request(waves.ADD_ADDRESS, f"put back address {words(one)}", do, do, depth=0)


def _change(mine: LinkPlan, now: Address, then: Address) -> None:
    do, undo = _replace(mine, then), _replace(mine, now)
    mine.changes.request(waves.ADD_ADDRESS, f"change address {words(now)} -> {words(then)}", do, undo, depth=0)
