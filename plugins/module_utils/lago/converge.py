# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What turns the things that a lab has into those that it is to have: pure, a Plan's changes in their order."""

from __future__ import annotations

import typing as t

from ..plan import Change
from .lab import Lab
from .standing import Key
from .wanted import Detail, Things, line

MAKE, CHANGE, REMOVE = "make", "change", "remove"

# The waves: what is new on the disk first, what is lost last, so that a failure in between can be taken back.
WAVES = {
    (MAKE, "template"): 0,
    (MAKE, "disk"): 1,
    (CHANGE, "disk"): 1,
    (MAKE, "seed"): 1,
    (CHANGE, "seed"): 1,
    (REMOVE, "domain"): 2,
    (REMOVE, "network"): 3,
    # 4 and 5: disks that are made anew
    (MAKE, "network"): 6,
    (CHANGE, "network"): 6,
    (MAKE, "domain"): 7,
    (CHANGE, "domain"): 7,
    (REMOVE, "seed"): 8,
    (REMOVE, "disk"): 8,
    (REMOVE, "template"): 9,
}
ANEW = {(REMOVE, "disk"): 4, (MAKE, "disk"): 5}
NO_WAY_BACK = ("disk",)  # what was in it is gone

AGAIN = {"network": "started again", "domain": "started again", "disk": "made again", "template": "made again"}
WORDS = {
    (MAKE, "network"): "start",
    (REMOVE, "network"): "stop",
    (MAKE, "domain"): "start",
    (REMOVE, "domain"): "stop",
}

ON_THE_FLY = {"network": ("hosts", "names"), "domain": ("nics", "disks")}  # parts that a running one can change


class Action(t.NamedTuple):
    """`lab` is the one that the thing is of: the wanted one, or to take it back, the one before."""

    verb: str
    kind: str
    name: str
    detail: Detail
    lab: Lab | None


def changes(have: Things, want: Things, before: Lab | None, after: Lab | None) -> list[Change]:
    """From `have`, which is of the lab `before`, to `want`. What has `redo` was not changed to its end."""
    anew = _anew(have, want)
    found = []
    for key in [*have, *(key for key in want if key not in have)]:
        found += _of_thing(key, have.get(key), want.get(key), key in anew, before, after)
    return sorted(found, key=lambda change: change.wave)


def _anew(have: Things, want: Things) -> set[Key]:
    """What has to be removed and made again, with what hangs on it."""
    both = [key for key in have if key in want]
    found = {key for key in both if not _in_place(key[0], have[key].get("is", {}), want[key].get("is", {}))}
    lost = {key for key in want if key not in have}  # also those that should be there and are not
    for key in both:
        if key[0] == "domain":
            stands = {*_under(key[1], have[key]), *_under(key[1], want[key])}
            if stands & found or lost.intersection(_under(key[1], have[key])):
                found.add(key)
    return found


def _under(vm: str, detail: Detail) -> list[Key]:
    """What a domain stands on."""
    nets = [("network", nic["net"]) for nic in detail["is"]["nics"].values()]
    return [*nets, *(("disk", f"{vm}/{name}") for name in detail["is"]["disks"])]


def _in_place(kind: str, have: Detail, want: Detail) -> bool:
    """Whether it is the same, or can become the same without being made anew."""
    differ = [part for part in {*have, *want} if have.get(part) != want.get(part)]
    if kind == "seed":
        return True
    if kind == "disk":
        return not differ or (differ == ["size"] and want.get("size", 0) > have.get("size", 0))
    if kind == "domain" and "disks" in differ and not _pluggable(have["disks"], want["disks"]):
        return False
    return all(part in ON_THE_FLY.get(kind, ()) for part in differ)


def _pluggable(have: Detail, want: Detail) -> bool:
    """Whether all disks that come or go can do that while the VM runs: no CDs, no IDE or SATA, no first one of SCSI."""
    moved = [(name, side[name]) for side, other in ((have, want), (want, have)) for name in side]
    moved = [(name, disk) for name, disk in moved if have.get(name) != want.get(name)]
    scsi = any(disk["dev"].startswith("sd") for disk in have.values())
    return all(
        not disk["cdrom"] and (disk["dev"].startswith("vd") or (scsi and disk["dev"].startswith("sd")))
        for _unused, disk in moved
    )


def _of_thing(
    key: Key, have: Detail | None, want: Detail | None, anew: bool, before: Lab | None, after: Lab | None
) -> list[Change]:
    was, becomes = (line(key, one) if one is not None else "" for one in (have, want))
    if was == becomes:  # what differs is not in its line, and is to be seen in the diff all the same
        becomes += f"  {AGAIN[key[0]] if anew else 'changed'}"
    if have is None or want is None or anew:
        parts = []
        if have is not None:
            parts.append((REMOVE, have, before))
        if want is not None:
            parts.append((MAKE, want, after))
        return [_change(verb, key, detail, lab, (was, becomes), anew) for verb, detail, lab in parts]
    if have.get("is") == want.get("is") and "redo" not in have:
        return []
    undo = None if key[0] in NO_WAY_BACK else Action(CHANGE, *key, have, before)
    how = _difference(have["is"], want["is"])
    do = Action(CHANGE, *key, want, after)
    return [Change(" ".join(key), how, was, becomes, do, undo, WAVES[CHANGE, key[0]], partly=undo is not None)]


def _change(verb: str, key: Key, detail: Detail, lab: Lab | None, lines: t.Sequence[str], anew: bool) -> Change:
    kind = key[0]
    back = {MAKE: REMOVE, REMOVE: MAKE}[verb]
    lost = verb == REMOVE and kind in NO_WAY_BACK
    wave = ANEW.get((verb, kind)) if anew else None
    return Change(
        what=" ".join(key),
        how=WORDS.get((verb, kind), verb) + (" again" if anew and verb == MAKE else ""),
        before=lines[0],
        after=lines[1],
        do=Action(verb, *key, detail, lab),
        undo=None if lost else Action(back, *key, detail, lab),
        wave=WAVES[verb, kind] if wave is None else wave,
        partly=verb == MAKE,
    )


def _difference(have: Detail, want: Detail) -> str:
    """`change nics 1, disks data`."""
    words = []
    for part in sorted(want):
        if have.get(part) == want[part]:
            continue
        if isinstance(want[part], dict):
            one, other = have.get(part, {}), want[part]
            moved = [name for name in {**one, **other} if one.get(name) != other.get(name)]
            words.append(f"{part} {' '.join(moved)}")
        else:
            words.append(part)
    return "change " + ", ".join(words)
