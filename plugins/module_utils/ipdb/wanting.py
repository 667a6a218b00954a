# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A wanted picture while it is made of the one that is there."""

from __future__ import annotations

import typing as t

from .merging import without_strays
from .picture import KEYS, Key, Object, Objects, Picture, Place

# New links get indexes of their own choice, so that all of them can be made and filled without asking in between. The
# kernel takes the next free number for the links that others make meanwhile: so many of those do no harm.
APART = 1024


class Wanting:
    """`tables` as they are wanted; `places` has the objects that the task speaks of, `said` the fields that it says."""

    def __init__(self, before: Picture) -> None:
        self.before = before
        self._tables: dict[str, Objects] = {}
        self.places: dict[Place, str] = {}
        self.said: dict[Place, t.AbstractSet[str]] = {}
        self._names: dict[str, int] | None = None
        self._next = max(before.links, default=0) + APART

    def table(self, name: str) -> Objects:
        """A table, to be looked at."""
        return self._tables.get(name) or (self._tables[name] if name in self._tables else self.before.table(name))

    def own(self, name: str) -> Objects:
        """A table, to be changed: objects are replaced, not changed themselves."""
        if name not in self._tables:
            self._tables[name] = dict(self.before.table(name))
        return self._tables[name]

    def put(self, table: str, key: Key, one: Object) -> None:
        """Sets an object, unless it is the same already."""
        if self.table(table).get(key) != one:
            self.own(table)[key] = one

    def drop(self, table: str, key: Key) -> None:
        if key in self.table(table):
            del self.own(table)[key]

    def say(self, table: str, key: Key, where: str, fields: t.Collection[str] = ()) -> None:
        self.places[table, key] = where
        if fields:
            self.said[table, key] = frozenset(fields)

    def says(self, table: str, key: Key, field: str) -> bool:
        return field in self.said.get((table, key), ())

    # Links by name

    def index(self, name: str) -> int | None:
        """The index of a wanted link, by any of its names."""
        if self._names is None:
            self._names = {}
            for index, one in self.table("links").items():
                self._name(index, one)
        return self._names.get(name)

    def _name(self, index: int, one: Object) -> None:
        names = t.cast("dict[str, int]", self._names)
        for name in one.get("altnames", ()):
            names.setdefault(name, index)
        names[one["ifname"]] = index

    def forget_names(self) -> None:
        self._names = None

    def new_index(self) -> int:
        self._next += 1
        return self._next - 1

    def changed(self) -> bool:
        return any(self._tables[name] is not self.before.table(name) for name in self._tables)

    def picture(self) -> Picture:
        tables: dict[str, t.Any] = {name: self.table(name) for name in KEYS}
        whole = self.before._replace(**tables, places=self.places, said=self.said)
        return whole if whole.links is self.before.links else without_strays(whole)
