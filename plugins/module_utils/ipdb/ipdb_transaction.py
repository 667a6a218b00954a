# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A transaction of IPDB: what it wants, as the parameters of `ipdb_txn`."""

from __future__ import annotations

import typing as t
import uuid

from ..netlink.links.spec import LINK
from ..netlink.routes.spec import ROUTE
from .spec import BRIDGE_VLANS, FDB, NEIGHBOUR, RULE

if t.TYPE_CHECKING:
    from .ipdb import IPDB
    from .ipdb_interface import Interface

Item = t.Dict[str, t.Any]

SPECS: dict[str, dict[str, t.Any]] = {
    "interfaces": LINK,
    "routes": ROUTE,
    "rules": RULE,
    "neighbours": NEIGHBOUR,
    "fdb": FDB,
    "bridge_vlans": BRIDGE_VLANS,
}


class Transaction:
    """Begun, not committed yet. `items`: what is wanted, by the name of the module's list.

    `of`: the interface that it belongs to, which gives the items of links when they are asked for; None for the host.
    """

    def __init__(self, owner: IPDB, of: Interface | None = None) -> None:
        self._owner = owner
        self.uid = uuid.uuid4()
        self.items: dict[str, list[Item]] = {}
        self.of = of
        self.fields: Item = {}  # of the interface, by the names that it has here
        self.added: dict[str, dict[t.Any, t.Any]] = {"ipaddr": {}, "ports": {}, "vlans": {}}
        self.removed: dict[str, dict[t.Any, t.Any]] = {"ipaddr": {}, "ports": {}, "vlans": {}}
        self.gone = False
        self.at_once = False  # each change is committed as it comes

    def add(self, table: str, item: Item) -> None:
        self.items.setdefault(table, []).append(item)

    def wanted(self) -> dict[str, list[Item]]:
        own = self.of.wanted(self) if self.of is not None else {}
        return {name: [*own.get(name, ()), *self.items.get(name, ())] for name in SPECS}

    def review(self) -> dict[str, t.Any]:
        return self.of.review(self.uid) if self.of is not None else dict(self.items)

    def commit(self) -> None:
        """Raises TransactionFailed; the transaction stays open then."""
        self._owner.commit(self.uid)

    def drop(self) -> None:
        self._owner.drop(self.uid)


def merged(transactions: t.Iterable[Transaction]) -> dict[str, t.Any]:
    """The parameters of one transaction that wants what all of them want. Two may speak of one link."""
    params: dict[str, t.Any] = {}
    links: dict[t.Any, Item] = {}
    for transaction in transactions:
        for name, items in transaction.wanted().items():
            if name != "interfaces":
                params.setdefault(name, []).extend(filled(item, SPECS[name]) for item in items)
                continue
            for item in items:
                key = item["select"]["ifindex"] if item.get("select") else item["name"]
                links[key] = {**links.get(key, {}), **item}
    if links:
        params["interfaces"] = [filled(item, LINK) for item in links.values()]
    return {name: items for name, items in params.items() if items}


def filled(given: t.Mapping[str, t.Any], options: t.Mapping[str, t.Any]) -> Item:
    """As Ansible would hand it over: every option is there, defaults are in. Raises ValueError for an unknown one."""
    unknown = [name for name in given if name not in options]
    if unknown:
        raise ValueError(f"{unknown[0]}: unknown; known are {', '.join(sorted(options))}")
    out = {}
    for name, about in options.items():
        value = given.get(name, about.get("default"))
        inner = about.get("options")
        if inner and value is not None:
            value = [filled(one, inner) for one in value] if about["type"] == "list" else filled(value, inner)
        out[name] = value
    return out
