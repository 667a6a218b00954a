# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collects the changes of one link, and its line before and after."""

from __future__ import annotations

import typing as t

from ...plan import Change
from ..message import Request
from ..rtnl import link
from .line import line
from .runner import Place, Step
from .wanted import Wanted

Build = t.Callable[[Place], t.Sequence[Request]]


class Changes:
    """`before` and `after` are the fields of the canonical line; None for "there is no such link"."""

    def __init__(self, want: Wanted, depth: int) -> None:
        self.want = want
        self.depth = depth
        self.before: dict[str, t.Any] | None = {}
        self.after: dict[str, t.Any] = {}
        self.old_name = want.name
        self.old_place = want.place
        self._changes: list[tuple[t.Any, ...]] = []  # how, do, undo, wave, partly

    def show(self, field: str, before: t.Any, after: t.Any) -> None:
        """Puts a field into both lines. A callable makes its value when there are changes, and lines to show."""
        if self.before is not None:
            self.before[field] = before
        self.after[field] = after

    def add(
        self, number: int, how: str, do: t.Any, undo: t.Any, depth: float | None = None, partly: bool = False
    ) -> None:
        wave = (number, self.depth if depth is None else depth)
        self._changes.append((how, do, undo, wave, partly))

    def request(self, number: int, how: str, do: Build, undo: Build, **more: t.Any) -> None:
        """A change by rtnetlink, in the namespace in which the link ends."""
        self.add(number, how, Step(self.want.place, do), Step(self.want.place, undo), **more)

    def attributes(
        self, number: int, how: str, now: t.Mapping[str, t.Any], then: t.Mapping[str, t.Any], **more: t.Any
    ) -> None:
        """A change of plain attributes of the link (`up` is one of them)."""
        self.request(number, how, self._set(then), self._set(now), **more)

    def _set(self, values: t.Mapping[str, t.Any]) -> Build:
        name = self.want.name
        return lambda place: [link.change(place.index(name), name, **values)]

    def finished(self, lines: bool) -> list[Change]:
        """The changes, with the link's lines if those are to be shown."""
        if not self._changes:
            return []
        before, after = self._lines() if lines else ("", "")
        label, where = self.want.label, self.want.where
        return [
            Change(label, how, before, after, do, undo, wave, where, partly)
            for how, do, undo, wave, partly in self._changes
        ]

    def _lines(self) -> tuple[str, str]:
        before = "" if self.before is None else line(self.old_name, self.old_place, _made(self.before))
        return before, line(self.want.name, self.want.place, _made(self.after))


def _made(fields: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {field: value() if callable(value) else value for field, value in fields.items()}
