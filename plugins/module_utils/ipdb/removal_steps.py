# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removing links: those in the way first, the others last; many together in one message by a group of their own."""

from __future__ import annotations

import errno
import typing as t

from ..netlink.message import Request
from ..netlink.rtnl import link
from ..netlink.rtnl.numbers import RTM_DELLINK
from . import bridge_address, waves
from .draft import Draft
from .model import below

GONE = frozenset((errno.ENODEV,))
MANY = 8  # from so many on
GROUP = 0x666C7400  # a number that nobody uses for a group of links; the next free one, if somebody does


def plan_removals(draft: Draft, fresh: t.Sequence[int], anew: t.Mapping[int, t.Sequence[str]]) -> None:
    """Links that are made anew, and unwanted ones that are in the way of new ones."""
    after = draft.after.links
    new = [after[index] for index in (*fresh, *anew)]
    kinds = {one.get("kind") for one in new}
    names = {name for one in new for name in (one["ifname"], *one.get("altnames", ()))}
    for index in draft.changed & draft.before.links.keys():
        one, was = after[index], draft.before.links[index]
        names.update({one["ifname"], *one.get("altnames", ())} - {was["ifname"], *was.get("altnames", ())})
    early = [
        index
        for index, one in draft.before.links.items()
        if index not in after
        and (
            one.get("kind") in kinds
            or names & {one["ifname"], *one.get("altnames", ())}
            or _regrouped(draft, below(one))  # a link has macvlans on it, or a master
            or one["master"] in draft.changed  # a bond changes its mode without ports alone
        )
    ]
    _remove(draft, [*anew, *early], waves.REMOVE_FIRST, anew)


def _regrouped(draft: Draft, index: int) -> bool:
    """Whether a link gets another master."""
    then = draft.after.links.get(index)
    return then is not None and then["master"] not in (0, draft.before.links[index]["master"])


def remove_last(draft: Draft) -> None:
    gone = [index for index in draft.before.links if index not in draft.after.links]
    _remove(draft, gone, waves.REMOVE_LAST, {})


def _remove(draft: Draft, indexes: t.Sequence[int], wave: int, anew: t.Mapping[int, t.Sequence[str]]) -> None:
    """One request takes a link with all that stands on it."""
    there = [index for index in indexes if index in draft.model.links]
    chosen = set(there)
    roots = [index for index in there if not _goes_with(draft, index, chosen)]
    group = _free_group(draft) if len(roots) >= MANY else 0
    removed = []
    for index in roots:
        if index not in draft.model.links:
            continue  # the other end of a pair
        removed.append(index)
        _remove_one(draft, index, wave, anew.get(index, ()), group)
    if group and removed:
        last = max(number for number, step in enumerate(draft.steps) if step.wave == (wave, 0))
        step = draft.steps[last]
        draft.steps[last] = step._replace(actions=(*step.actions, _of_group(group)))


def _goes_with(draft: Draft, index: int, chosen: t.AbstractSet[int]) -> bool:
    """Whether a link stands on one that goes too."""
    links = draft.model.links
    seen = {index}
    while index in links:
        index = below(links[index])
        if index in chosen:
            return True
        if index in seen:
            break
        seen.add(index)
    return False


def _remove_one(draft: Draft, index: int, wave: int, reasons: t.Sequence[str], group: int) -> None:
    name = draft.name(index)
    one = draft.model.links[index]
    along = draft.model.vanish(index)
    how = f"remove to make it anew ({'; '.join(reasons)})" if reasons else "remove"
    interrupts = f"{name} is removed and made anew" if reasons else ""
    interrupts = interrupts or bridge_address.left(draft, one["master"], one.get("address"))
    request = link.change(index, name, group=group) if group else link.delete(index, name)
    draft.add((wave, 0), "links", index, how, [request], interrupts, tolerates=GONE)
    for other in sorted(along):
        again = other in draft.after.links
        words = f"goes with {name}" + (", to be made anew" if again else "")
        label = f"{draft.name(other)} is removed and made anew" if again else ""
        draft.add((wave, 0), "links", other, words, (), label)


def _free_group(draft: Draft) -> int:
    used = {one["group"] for one in draft.before.links.values()}
    return next(number for number in range(GROUP, GROUP + len(used) + 1) if number not in used)


def _of_group(group: int) -> Request:
    body = link.IFINFO.pack(0, 0, 0, 0, 0) + link.TABLE.encode({"group": group})
    return Request(f"RTM_DELLINK group {group}", RTM_DELLINK, 0, body, link.TABLE, link.IFINFO.size)
