# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One change of one object in a plan between two pictures."""

from __future__ import annotations

import functools
import typing as t

from ..netlink.message import Request
from .picture import Key, Object, Picture, Place

if t.TYPE_CHECKING:
    from ..netlink.channel import NetlinkSocket
    from ..netlink.rtnl.route import Deferred

# What carries a step out: a request, or a call for what no rtnetlink request can do (tun links).
Action = t.Union[Request, "Deferred", t.Callable[["NetlinkSocket"], None]]


class Lines:
    """The canonical lines of both pictures of a plan, made when one is asked for."""

    def __init__(self, before: Picture, after: Picture) -> None:
        self.before, self.after = before, after
        self.links: dict[int, tuple[str, str, str]] = {}  # what is told of links, which are many steps' own
        self.route: tuple[Object, str, str] = ({}, "", "")  # the last new one, and its words but for the destination
        self._words: t.Any = None
        self._addresses: dict[bool, dict[int, list[Object]]] = {}

    def addresses(self, after: bool, index: int) -> list[Object]:
        """The addresses of a link, before or after."""
        if after not in self._addresses:
            found = self._addresses.setdefault(after, {})
            for one in (self.after if after else self.before).addresses.values():
                found.setdefault(one["index"], []).append(one)
        return self._addresses[after].get(index, [])

    def told(self, table: str, key: Key) -> tuple[str, str, str]:
        """The object's name, and its lines before and after all steps; "" where it is not there."""
        return self._loaded().told(self, table, key)

    def teller(self) -> t.Callable[[str, Key], tuple[str, str, str]]:
        """`told`, to be called very often."""
        return functools.partial(self._loaded().told, self)

    def what(self, table: str, key: Key) -> str:
        return self._loaded().what(self, table, key)

    def _loaded(self) -> t.Any:
        """Loaded when a line is asked for: a plan that is only carried out needs none."""
        if self._words is None:
            from . import lines

            self._words = lines
        return self._words


class Step(t.NamedTuple):
    """`how` is done to the object `key` of `table`; steps of one wave do not depend on each other.

    `interrupts`: a sentence where traffic is interrupted, else "". `effects`: what the kernel takes along, by table and
    key; what of it is wanted comes back in later steps. `reached`: links that the kernel changes along with it.
    `tolerates`: errnos that mean it is as wanted already. `where`: the place in the user's input that asks for it.
    """

    wave: tuple[float, ...]
    table: str
    key: Key
    how: str
    actions: tuple[Action, ...]
    lines: Lines
    interrupts: str = ""
    effects: tuple[Place, ...] = ()
    reached: tuple[Place, ...] = ()
    tolerates: frozenset[int] = frozenset()
    where: str = ""

    @property
    def what(self) -> str:
        """The object's name: that of the link for addresses and VLANs too, which are in the link's line."""
        return self.lines.what(self.table, self.key)

    @property
    def before(self) -> str:
        """The object's canonical line before all steps; "" where it is not there."""
        return self.told[1]

    @property
    def after(self) -> str:
        return self.told[2]

    @property
    def told(self) -> tuple[str, str, str]:
        """`what`, `before` and `after`."""
        return self.lines.told(self.table, self.key)

    def side_effects(self) -> list[str]:
        """A sentence for each object that the kernel takes along."""
        found = [self.lines.told(*place) for place in self.effects]
        return [before or what for what, before, _unused in found]


Wave = t.Tuple[Step, ...]
Waves = t.Tuple[Wave, ...]


def touched(waves: Waves) -> list[Place]:
    """Every object that the steps change or cost, each once."""
    seen: dict[Place, None] = {}
    for wave in waves:
        for step in wave:
            seen[step.table, step.key] = None
            if step.effects or step.reached:
                seen.update(dict.fromkeys((*step.effects, *step.reached)))
    return list(seen)
