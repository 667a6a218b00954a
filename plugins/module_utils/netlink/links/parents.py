# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who stands on whom: depths for the order of changes, and loops that no order can serve."""

from __future__ import annotations

import typing as t

from .host import Hosts
from .wanted import Wanted, WrongLink

Located = t.Sequence[t.Tuple[Wanted, t.Optional[t.Dict[str, t.Any]], bool]]


class Depths:
    """How many wanted links lie below each wanted link."""

    def __init__(self, located: Located) -> None:
        self._wanted = {(want.place, want.name): want for want, _, _ in located}
        self._depths: dict[tuple[t.Optional[str], str], int] = {}

    def of(self, want: Wanted) -> int:
        return self._depth(want, ())

    def _depth(self, want: Wanted, above: tuple[str, ...]) -> int:
        key = (want.place, want.name)
        if key not in self._depths:
            if want.name in above:
                chain = " on ".join((*above[above.index(want.name) :], want.name))
                raise WrongLink(want.at("link"), f"the links stand on each other: {chain}")
            below = self._wanted.get((want.netns, want.link or ""))
            self._depths[key] = 1 + self._depth(below, (*above, want.name)) if below else 0
        return self._depths[key]


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
