# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Transactions of pyroute2's NDB: many objects in one, which is what it can undo."""

from __future__ import annotations

import typing as t

from names import GATEWAY, bridge_address, bridge_name, destination
from pyroute2 import NDB

Work = t.Callable[[], t.Any]


def _commit(objects: t.Callable[[NDB], t.Iterable[t.Any]]) -> int:
    """How many objects were made."""
    with NDB() as ndb, ndb.begin() as transaction:
        made = list(objects(ndb))
        for one in made:
            transaction.push(one)
    return len(made)


def make_bridges(count: int) -> Work:
    def bridges(ndb: NDB) -> t.Iterator[t.Any]:
        for number in range(count):
            link = ndb.interfaces.create(ifname=bridge_name(number), kind="bridge", state="up")
            yield link.add_ip(bridge_address(number))

    return lambda: _commit(bridges)


def make_routes(count: int) -> Work:
    def routes(ndb: NDB) -> t.Iterator[t.Any]:
        return (ndb.routes.create(dst=destination(number), gateway=GATEWAY) for number in range(count))

    return lambda: _commit(routes)
