# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a transaction works out grows with the number of objects, not faster."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb import spec
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.difference import difference
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.ipdb_transaction import filled
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.picture import KEYS, Picture, keyed
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.review import diff, review, told_of
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.step import touched
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.wanted import desired

from tests.unit.work import counted

FEW, MANY = 80, 320

Items = t.List[t.Dict[str, t.Any]]


def bridges(count: int) -> Items:
    return [{"name": f"br{n}", "kind": "bridge", "state": "up", "addresses": [subnet(n)]} for n in range(count)]


def subnet(number: int) -> str:
    return f"10.{number >> 8}.{number & 255}.1/24"


def vlans(count: int) -> Items:
    ids = [{"name": f"v{n}", "kind": "vlan", "link": "base", "options": {"id": n + 1}} for n in range(count)]
    return [{"name": "base", "kind": "dummy"}, *({**one, "addresses": [subnet(n)]} for n, one in enumerate(ids))]


def pairs(count: int) -> Items:
    return [{"name": f"a{n}", "kind": "veth", "options": {"peer": {"ifname": f"b{n}"}}} for n in range(count)]


def ports(count: int) -> Items:
    return [
        {"name": "br", "kind": "bridge"},
        *({"name": f"p{n}", "kind": "dummy", "master": "br"} for n in range(count)),
    ]


MADE = {"bridges": bridges, "vlans": vlans, "pairs": pairs, "ports": ports}
CHANGED: dict[str, t.Callable[[Items], dict[str, t.Any]]] = {
    "again": lambda items: {"interfaces": items},
    "other MTUs": lambda items: {"interfaces": [{**one, "mtu": 1400} for one in items]},
    "absent": lambda items: {"interfaces": [{"name": one["name"], "state": "absent"} for one in items]},
    "exact": lambda items: {"interfaces": [], "scope": "exact"},
}


def planned(before: Picture, **wanted: t.Any) -> Picture:
    after = desired(before, {**filled(wanted, spec.TRANSACTION), "netns": None})
    waves = difference(before, after)
    told = told_of(waves)
    review(told)
    diff(told)
    touched(waves)
    return after


def bare() -> Picture:
    return Picture(**{name: keyed(name, ()) for name in KEYS}, kernel="6.8.0")


def there(items: Items) -> Picture:
    made = planned(bare(), interfaces=items)
    links = {index: {"group": 0, "mtu": 1500, **one} for index, one in made.links.items()}
    return made._replace(links=links, places={})


def steps_of(before: Picture, **wanted: t.Any) -> int:
    steps, _unused = counted(lambda: planned(before, **wanted))
    return steps


def check(few: int, many: int) -> None:
    assert many < few * (MANY / FEW) * 1.1


@pytest.mark.parametrize("kind", MADE)
def test_making_links(kind: str) -> None:
    planned(bare(), interfaces=MADE[kind](2))  # what is loaded or remembered once
    check(*(steps_of(bare(), interfaces=MADE[kind](count)) for count in (FEW, MANY)))


@pytest.mark.parametrize("how", CHANGED)
@pytest.mark.parametrize("kind", MADE)
def test_changing_links(kind: str, how: str) -> None:
    steps = []
    for count in (2, FEW, MANY):
        items = MADE[kind](count)
        steps.append(steps_of(there(items), **CHANGED[how](items)))
    check(*steps[1:])


def test_routes() -> None:
    (link,) = planned(bare(), interfaces=bridges(1)).links.values()
    before = there(bridges(1))

    def routes(count: int) -> Items:
        ways = [{"gateway": "10.0.0.2"}, {"dev": link["ifname"]}]
        return [{"dst": f"172.{n >> 8}.{n & 255}.0/24", **ways[n % 2]} for n in range(count)]

    planned(before, routes=routes(2))
    check(*(steps_of(before, routes=routes(count)) for count in (FEW, MANY)))
