# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who stands on whom: depths for the order of changes, and loops that no order can serve."""

from __future__ import annotations

import typing as t

from .host import Hosts
from .wanted import Wanted, WrongLink

Located = t.Sequence[t.Tuple[Wanted, t.Optional[t.Dict[str, t.Any]], bool]]


Key = t.Tuple[t.Optional[str], str]


class Depths:
    """How many wanted links lie below each wanted link."""

    def __init__(self, located: Located) -> None:
        self._wanted = {(want.place, want.name): want for want, _, _ in located}
        self._depths: dict[Key, int] = {}

    def of(self, want: Wanted) -> int:
        key, above = (want.place, want.name), t.cast("dict[Key, Wanted]", {})
        while key not in self._depths and key in self._wanted:
            if key in above:
                chain = [name for _, name in above][[*above].index(key) :]
                raise WrongLink(want.at("link"), f"the links stand on each other: {' on '.join((*chain, key[1]))}")
            above[key] = self._wanted[key]
            key = (above[key].netns, _parent(above[key]))
        depth = self._depths.get(key, -1)
        for number, over in enumerate(reversed(above), 1):
            self._depths[over] = depth + number
        return self._depths[(want.place, want.name)]


def _parent(want: Wanted) -> str:
    """`link`, which some kinds have among their own options."""
    inside = want.options.get("link")
    return want.link or (inside if isinstance(inside, str) else "")


def refuse_master_loops(hosts: Hosts, located: Located) -> None:
    """Masters of masters must end somewhere, in what is wanted and in what stays as it is."""
    wanted = {(want.place, want.name): want for want, _, _ in located}
    for want, _, _ in located:
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
