# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places (table and key) as a journal holds them: by table a column for each part of the keys.

    {"links": [[3, 4]], "routes": ["inet", "main", ["10.0.0.0/24", "10.0.1.0/24"], 0, 0, "", 0]}

Ten thousand routes differ in their destination alone: a part that all keys of a table have in common stands there once.
"""

from __future__ import annotations

import itertools
import typing as t

from .picture import Key, Place

Columns = t.Dict[str, t.List[t.Any]]


def to_columns(places: t.Iterable[Place]) -> Columns:
    tables: dict[str, list[Key]] = {}
    for table, key in places:
        tables.setdefault(table, []).append(key)
    return {
        table: [_shortened(part) for part in zip(*(keys if isinstance(keys[0], tuple) else zip(keys)))]
        for table, keys in tables.items()
    }


def _shortened(part: tuple[t.Any, ...]) -> t.Any:
    return part[0] if part.count(part[0]) == len(part) else part


def from_columns(columns: Columns) -> t.Iterator[Place]:
    """The places again, after JSON."""
    for table, parts in columns.items():
        alone = not any(isinstance(part, list) for part in parts)  # keys differ: only one has all parts in common
        rows = zip(*(part if isinstance(part, list) else itertools.repeat(part) for part in parts))
        yield from ((table, row if len(row) > 1 else row[0]) for row in itertools.islice(rows, 1 if alone else None))
