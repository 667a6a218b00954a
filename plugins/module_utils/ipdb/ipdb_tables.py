# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes, rules, neighbours and forwarding entries of IPDB."""

from __future__ import annotations

import typing as t

from ..netlink.iproute_names import RULE, renamed, route
from .ipdb_transaction import SPECS
from .lines import name
from .picture import Object

if t.TYPE_CHECKING:
    from .ipdb import IPDB

NAMES: dict[str, t.Callable[[t.Mapping[str, t.Any]], Object]] = {
    "routes": route,
    "rules": lambda values: renamed(values, {**RULE, "not": "invert"}),
    "neighbours": lambda values: renamed(values, {}),
    "fdb": lambda values: renamed(values, {"lladdr": "mac", "vid": "vlan"}),
}
TEXTS = ("table",)  # numbers that the options take as text


class Collection:
    """One table: `add(**fields)`, `remove(**fields)`, `filter(**fields)`, and a mapping by destination."""

    def __init__(self, owner: IPDB, table: str) -> None:
        self._owner, self._table = owner, table

    def __iter__(self) -> t.Iterator[Object]:
        picture = self._owner.refresh()
        for one in picture.table(self._table).values():
            yield self._shown(one, picture)

    def __len__(self) -> int:
        return len(self._owner.refresh().table(self._table))

    def _shown(self, one: Object, picture: t.Any) -> Object:
        """With names of links as `dev`, beside the indexes."""
        index = one.get("oif") or one.get("index")
        return {**one, "dev": name(picture, index)} if index else dict(one)

    def filter(self, **fields: t.Any) -> list[Object]:
        return [one for one in self if all(one.get(field) == value for field, value in fields.items())]

    def __getitem__(self, dst: t.Any) -> Object:
        """The first of that destination (of a rule: of that priority)."""
        field = {"rules": "priority", "fdb": "mac"}.get(self._table, "dst")
        found = self.filter(**(dst if isinstance(dst, dict) else {field: dst}))
        if not found:
            raise KeyError(dst)
        return found[0]

    def __contains__(self, dst: object) -> bool:
        try:
            self[dst]
        except KeyError:
            return False
        return True

    def add(self, fields: t.Mapping[str, t.Any] | None = None, **more: t.Any) -> None:
        """Wants an object; one of the same key is replaced."""
        self._want("present", {**(fields or {}), **more})

    def remove(self, fields: t.Any = None, **more: t.Any) -> None:
        """Wants an object gone: a destination, or enough fields to tell it."""
        given = fields if isinstance(fields, dict) else {"dst": fields} if fields is not None else {}
        self._want("absent", {**given, **more})

    def _want(self, state: str, fields: t.Mapping[str, t.Any]) -> None:
        values = NAMES[self._table](fields)
        for index in ("oif", "index", "ifindex"):
            if self._table != "rules" and isinstance(values.get(index), int):
                values["dev"] = name(self._owner.refresh(), values.pop(index))
        if not isinstance(values.get("dev", ""), str):
            values["dev"] = values["dev"].ifname
        for text in TEXTS:
            if values.get(text) is not None:
                values[text] = str(values[text])
        values = {key: value for key, value in values.items() if key in SPECS[self._table] or key not in IGNORED}
        transaction = self._owner.current()
        with self._owner.direct(transaction):
            transaction.add(self._table, {**values, "state": state})


IGNORED = ("flags",)  # what an object that was read has, and no option
