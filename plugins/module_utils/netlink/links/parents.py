# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who stands on whom: depths for the order of changes, and loops that no order can serve."""

from __future__ import annotations

import typing as t

from .found import STANDING, below, kind_of
from .host import Hosts
from .wanted import Wanted, WrongLink

Located = t.Sequence[t.Tuple[Wanted, t.Optional[t.Dict[str, t.Any]], bool]]


Key = t.Tuple[t.Optional[str], str]


class Depths:
    """How many wanted links lie below each: as they are to stand or, where nothing is said, as they stand."""

    def __init__(self, located: Located) -> None:
        self._below: dict[Key, Key | None] = {}
        self._wanted: dict[Key, Wanted] = {}
        self._depths: dict[Key, int] = {}
        there = {
            (want.place if moved else want.netns, found["ifindex"]): want for want, found, moved in located if found
        }
        for want, found, moved in located:
            key = (want.place, want.name)
            self._wanted[key] = want
            parent = _parent(want)
            if parent:
                self._below[key] = (want.netns, parent)
            elif found and kind_of(found) in STANDING and found.get("link_netnsid") is None:
                other = there.get((want.place if moved else want.netns, below(found) or 0))
                self._below[key] = (other.place, other.name) if other else None

    def of(self, want: Wanted) -> int:
        key, above = t.cast("Key | None", (want.place, want.name)), t.cast("dict[Key, None]", {})
        while key in self._wanted and key not in self._depths:
            if key in above:
                chain = [name for _unused, name in above][[*above].index(key) :]
                raise WrongLink(want.at("link"), f"the links stand on each other: {' on '.join((*chain, key[1]))}")
            above[key] = None
            key = self._below.get(key)
        depth = self._depths.get(key, -1) if key else -1
        for number, over in enumerate(reversed([*above]), 1):
            self._depths[over] = depth + number
        return self._depths[(want.place, want.name)]


def _parent(want: Wanted) -> str:
    """`link`, which some kinds have among their own options."""
    inside = want.options.get("link")
    return want.link or (inside if isinstance(inside, str) else "")


def refuse_master_loops(hosts: Hosts, located: Located) -> None:
    """Masters of masters must end somewhere, in what is wanted and in what stays as it is."""
    wanted = {(want.place, want.name): want for want, *_unused in located}
    for want, *_unused in located:
        seen = [want.name]
        master = want.master
        while master:
            if master in seen:
                raise WrongLink(want.at("master"), f"a loop of masters: {' below '.join((*seen, master))}")
            seen.append(master)
            above = wanted.get((want.place, master))
            if above is not None and above.master is not None:
                master = above.master
            else:
                host = hosts[want.place]
                found = host.find(master)
                master = host.name_of(found.get("master")) if found else ""
