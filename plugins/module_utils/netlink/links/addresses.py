# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses of one link: which to drop, which to add, which to change.

With an IPv4 address the kernel drops the secondary ones of its network, or makes one of them the primary (the sysctl
promote_secondaries decides): those that are to stay are put back in the same step.
"""

from __future__ import annotations

import typing as t

from ..attribute import ip_bytes
from ..message import Request
from ..rtnl import address
from . import waves
from .found import lasting
from .line import address as words
from .line import in_line
from .runner import Place

if t.TYPE_CHECKING:
    from .linkplan import LinkPlan

Address = t.Mapping[str, t.Any]
Addresses = t.Dict[t.Tuple[t.Any, ...], Address]

# What an address that is there can change; anything else takes another one in its place.
IN_PLACE = {
    "inet": frozenset(("valid_life_time", "preferred_life_time", "metric")),
    "inet6": frozenset(("valid_life_time", "preferred_life_time", "metric", "noprefixroute")),
}
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


class Fate(t.NamedTuple):
    """What happens to the addresses of a link, by their keys."""

    dropped: Addresses
    renewed: Addresses  # as they will be: removed and added in one step
    changed: Addresses  # as they will be
    kept: Addresses
    added: Addresses

    def final(self) -> Addresses:
        return {**self.kept, **self.changed, **self.renewed, **self.added}


def decide(present: Addresses, wanted: Addresses, exact: bool) -> Fate:
    fate = Fate({}, {}, {}, {}, {key: one for key, one in wanted.items() if key not in present})
    for key, one in present.items():
        differing = differences(wanted[key], one) if key in wanted else None
        if differing is None:
            (fate.dropped if exact else fate.kept)[key] = one
        elif differing - IN_PLACE[one["family"]]:
            fate.renewed[key] = wanted[key]
        elif differing:
            fate.changed[key] = {**one, **wanted[key]}
        else:
            fate.kept[key] = one
    return fate


def _had(mine: LinkPlan) -> Addresses:
    """Those that it has and that are somebody's."""
    wanted = {key_of(one) for one in mine.want.addresses or ()}
    there = [] if mine.found is None else mine.host.addresses_of(mine.found["ifindex"])
    return {key_of(one): one for one in there if lasting(one) or key_of(one) in wanted}


def _fate(mine: LinkPlan, had: Addresses) -> Fate:
    want = mine.want
    wanted = {key_of(one): one for one in want.addresses or ()}
    return decide({} if mine.reset else had, wanted, want.addresses is not None and want.addresses_exact)


def final_addresses(mine: LinkPlan) -> Addresses:
    return _fate(mine, _had(mine)).final()


def plan_addresses(mine: LinkPlan, cycled: bool) -> None:
    """`cycled`: the link goes down on the way, which costs it what IPv6 addresses it keeps."""
    had = _had(mine)
    if mine.want.addresses is None and not (cycled and had):
        return
    present, fate = ({} if mine.reset else had), _fate(mine, had)
    mine.changes.show("addr", _shown(mine, had), _shown(mine, fate.final()))
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


def _shown(mine: LinkPlan, some: Addresses) -> list[str]:
    names = {mine.want.name, (mine.found or {}).get("ifname")}
    return in_line(some.values(), names)


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
