# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a difference while they are found, beside the model that they change."""

from __future__ import annotations

import typing as t

from .failures import Impossible
from .model import Model
from .picture import Key, Object, Picture
from .step import Action, Lines, Step

Setting = t.Tuple[t.Tuple[float, ...], Key, str, t.Tuple[Action, ...]]  # wave, key, how, actions
NOTHING: frozenset[int] = frozenset()


class Draft:
    """`impossible`: what cannot be done becomes a step that does nothing."""

    def __init__(self, before: Picture, after: Picture, impossible: bool = False) -> None:
        self.before, self.after = before, after
        self.impossible = impossible
        self.model = Model(before)
        self.lines = Lines(before, after)
        self.steps: list[Step] = []
        self.sourced: dict[str, list[tuple[Key, Object]]] | None = None  # routes by their source address
        self.lowest: dict[int, str | None] = {}  # bridge_address.py
        self.changed: set[int] = set()  # wanted links that are to be made or changed

    def add(
        self,
        wave: tuple[float, ...],
        table: str,
        key: Key,
        how: str,
        actions: t.Sequence[Action],
        interrupts: str = "",
        tolerates: frozenset[int] = frozenset(),
    ) -> None:
        """A step, with what the model lost since the one before it."""
        mine = (table, key)
        lost, reached = self.model.taken(mine)
        where = self.after.places.get(mine, "")
        self.steps.append(
            Step(wave, table, key, how, tuple(actions), self.lines, interrupts, lost, reached, tolerates, where)
        )

    def add_all(self, table: str, settings: t.Sequence[Setting]) -> None:
        """Steps of which none but the first can cost anything: the model is not changed between them."""
        lost, reached = self.model.taken((table, settings[0][1])) if settings else ((), ())
        places, lines = self.after.places, self.lines
        new = tuple.__new__  # as Step(...) does, without a call between
        for wave, key, how, actions in settings:
            where = places.get((table, key), "")
            step = new(Step, (wave, table, key, how, actions, lines, "", lost, reached, NOTHING, where))
            self.steps.append(step)
            lost = reached = ()

    def cannot(self, wave: tuple[float, ...], index: int, reason: str) -> None:
        where = self.after.places.get(("links", index), "")
        if not self.impossible:
            raise Impossible(where, reason)
        self.add(wave, "links", index, reason, ())

    def busy(self) -> list[int]:
        """The wanted links that are there and may differ: those to be changed, and those that steps reached."""
        wanted, there = self.after.links, self.model.links
        return sorted(index for index in self.changed | self.model.dirty if index in wanted and index in there)

    def name(self, index: int) -> str:
        """The name that a link has by now."""
        for links in (self.model.links, self.after.links, self.before.links):
            if index in links:
                return links[index]["ifname"]
        return str(index or "none")
