# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses of one link: which to drop, which to add, which to change."""

from __future__ import annotations

import typing as t

from ..rtnl import address
from .found import lasting
from .line import in_line

if t.TYPE_CHECKING:
    from .linkplan import LinkPlan

Address = t.Mapping[str, t.Any]
Addresses = t.Dict[t.Tuple[t.Any, ...], Address]

FOREVER = address.FOREVER


def key_of(found: Address) -> tuple[t.Any, ...]:
    """Of an address whose texts are the kernel's: found there, or parsed (wanted.py)."""
    return found["local"], found["prefixlen"], found.get("address")


def differences(wanted: Address, present: Address) -> set[str]:
    """The wanted fields that an address of the same key does not have."""
    out = set()
    if "deprecated" in present:
        present = {**present, "preferred_life_time": address.preferred_left(present)}
    for field, value in wanted.items():
        now = present.get(field, False if value is False else None)
        if now != value and not (field.endswith("_life_time") and address.same_lifetime(value, now)):
            out.add(field)
    return out


def merged(present: Address, wanted: Address) -> t.Dict[str, t.Any]:
    """An address that is there with what is wanted of it; it cannot be preferred for longer than it is valid.

    Of IPv4, one that is valid for ever is preferred for ever, or not at all.
    """
    one = {**present, **wanted}
    valid = one.get("valid_life_time", FOREVER)
    preferred = wanted.get("preferred_life_time", address.preferred_left(present))
    endless = valid == FOREVER and one["family"] == "inet"
    if preferred is None or preferred > valid or (preferred and endless):
        preferred = valid
    if preferred:
        one.pop("deprecated", None)
    return {**one, "preferred_life_time": preferred}


class Fate(t.NamedTuple):
    """What happens to the addresses of a link, by their keys."""

    dropped: Addresses
    renewed: Addresses  # as they will be: removed and added in one step
    changed: Addresses  # as they will be
    kept: Addresses
    added: Addresses

    def is_change(self) -> bool:
        return bool(self.dropped or self.renewed or self.changed or self.added)

    def final(self) -> Addresses:
        return {**self.kept, **self.changed, **self.renewed, **self.added}


def decide(present: Addresses, wanted: Addresses, exact: bool) -> Fate:
    fate = Fate({}, {}, {}, {}, {key: one for key, one in wanted.items() if key not in present})
    for key, one in present.items():
        differing = differences(wanted[key], one) if key in wanted else None
        if differing is None:
            (fate.dropped if exact else fate.kept)[key] = one
        elif differing - address.IN_PLACE[one["family"]]:
            fate.renewed[key] = wanted[key]
        elif differing:
            fate.changed[key] = merged(one, wanted[key])
        else:
            fate.kept[key] = one
    return fate


def _by_key(some: t.Iterable[Address]) -> Addresses:
    return {key_of(one): one for one in some}


def _had(mine: LinkPlan, wanted: Addresses) -> Addresses:
    """Those that it has and that are somebody's."""
    there = () if mine.found is None else mine.host.addresses_of(mine.found["ifindex"])
    return {key: one for key, one in _by_key(there).items() if key in wanted or lasting(one)}


def _fate(mine: LinkPlan, had: Addresses, wanted: Addresses) -> Fate:
    want = mine.want
    return decide({} if mine.reset else had, wanted, want.addresses is not None and want.addresses_exact)


def final_addresses(mine: LinkPlan) -> Addresses:
    wanted = _by_key(mine.want.addresses or ())
    return _fate(mine, _had(mine, wanted), wanted).final()


def plan_addresses(mine: LinkPlan, cycled: bool) -> None:
    """`cycled`: the link goes down on the way, which costs it what IPv6 addresses it keeps."""
    if mine.want.addresses is None and not cycled:
        return
    wanted = _by_key(mine.want.addresses or ())
    had = _had(mine, wanted)
    if mine.want.addresses is None and not had:
        return
    present, fate = ({} if mine.reset else had), _fate(mine, had, wanted)
    mine.changes.show("addr", lambda: _shown(mine, had), lambda: _shown(mine, fate.final()))
    if fate.is_change() or cycled:
        mine.task.plan_address_changes(mine, present, fate, cycled)


def _shown(mine: LinkPlan, some: Addresses) -> list[str]:
    names = {mine.want.name, (mine.found or {}).get("ifname")}
    return in_line(some.values(), names)
