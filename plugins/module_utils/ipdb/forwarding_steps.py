# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of VLANs of bridges and ports, of forwarding entries and of neighbours."""

from __future__ import annotations

import errno
import typing as t

from ..netlink.rtnl import bridge_vlan, fdb, neighbour
from . import waves
from .draft import Draft
from .lines import vlan_words
from .picture import Object
from .same import BY_DEFAULT, same_vlans, spread

ABSENT = frozenset((errno.ENOENT, errno.ENODEV, errno.ESRCH))


def plan(draft: Draft) -> None:
    _plan_vlans(draft)
    _plan_entries(draft)
    _plan_neighbours(draft)


# VLANs


def _plan_vlans(draft: Draft) -> None:
    model = draft.model
    for index, then in draft.after.vlans.items():
        now = model.vlans.get(index)
        if index in model.links and now is not then and (now is None or not same_vlans(now, then)):
            _set_vlans(draft, index, now, then)
    for index, now in list(model.vlans.items()):
        if index not in draft.after.vlans and index in model.links and index in draft.after.links:
            _set_vlans(draft, index, now, {"index": index, "vlans": []})


def _set_vlans(draft: Draft, index: int, now: Object | None, then: Object) -> None:
    """What a new port or bridge has of the VLANs nobody knows: the kernel gives it one of its own accord."""
    own = draft.model.links[index].get("kind") == "bridge" and not draft.model.links[index]["master"]
    present, wanted = spread(now) if now else {}, spread(then)
    default = draft.model.links.get(draft.model.links[index]["master"] or index, {}).get("options", {})
    pvid = default.get("vlan_default_pvid", 1)
    if now is None and _joins(draft, index):
        present = {pvid: BY_DEFAULT} if pvid else {}
    gone = [number for number in present if number not in wanted]
    more = [number for number in wanted if present.get(number) != wanted[number]]
    for numbers, flags, make, how in ((gone, {}, bridge_vlan.delete, "remove"), (more, wanted, bridge_vlan.add, "add")):
        spans = ranges(numbers, flags)
        if spans:
            words = f"{how} vlan {', '.join(map(vlan_words, spans))}"
            wave = (waves.VLANS, 0 if how == "remove" else 1)
            draft.add(wave, "vlans", index, words, [make(index, spans, own)], tolerates=ABSENT)


def _joins(draft: Draft, index: int) -> bool:
    """Whether it is a new port, or a new bridge, at the end of the steps."""
    before = draft.before.links.get(index)
    return before is None or before["master"] != draft.after.links[index]["master"]


def ranges(numbers: t.Iterable[int], flags: t.Mapping[int, tuple[str, ...]]) -> list[Object]:
    """VLANs one after the other with the same flags as ranges; a PVID is none of any."""
    out: list[Object] = []
    for number in sorted(numbers):
        marks = list(flags.get(number, ()))
        last = out[-1] if out else {}
        if (
            last.get("vlanEnd", last.get("vlan")) == number - 1
            and last.get("flags", []) == marks
            and "PVID" not in marks
        ):
            last["vlanEnd"] = number
        else:
            out.append({"vlan": number, **({"flags": marks} if marks else {})})
    return out


# Forwarding entries and neighbours


def _plan_entries(draft: Draft) -> None:
    now, then = draft.model.fdb, draft.after.fdb
    for key, one in now.items():
        if key not in then and key[0] in draft.model.links and key[0] in draft.after.links:
            draft.add((waves.ENTRIES,), "fdb", key, "remove", [fdb.delete(key[0], one)], tolerates=ABSENT)
    for key, one in then.items():
        found = now.get(key)
        if found != one and key[0] in draft.model.links:
            # To all addresses, or to a group, a tunnel has many ways.
            many = "dst" in one and int(one["mac"][:2], 16) & 1 or one["mac"] == "00:00:00:00:00:00"
            make = fdb.append if many else fdb.replace
            draft.add((waves.ENTRIES + 1,), "fdb", key, "change" if found else "add", [make(key[0], one)])


def _plan_neighbours(draft: Draft) -> None:
    now, then = draft.model.neighbours, draft.after.neighbours
    for key, one in now.items():
        if key not in then and key[0] in draft.model.links and key[0] in draft.after.links:
            request = neighbour.delete(key[0], one)
            draft.add((waves.ENTRIES,), "neighbours", key, "remove", [request], tolerates=ABSENT)
    for key, one in then.items():
        found = now.get(key)
        if found != one and key[0] in draft.model.links:
            how = "change" if found else "add"
            draft.add((waves.ENTRIES + 1,), "neighbours", key, how, [neighbour.replace(key[0], one)])
