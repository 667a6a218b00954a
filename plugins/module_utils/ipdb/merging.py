# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures made of others: the objects of one in the place of those of another."""

from __future__ import annotations

import typing as t

from .picture import KEYS, Object, Picture, Place, keyed


def replaced(now: Picture, before: Picture, places: t.Iterable[Place]) -> Picture:
    """`now` with the objects at `places` as they are, or are not, in `before`."""
    tables: dict[str, t.Any] = {name: dict(now.table(name)) for name in KEYS}
    for table, key in places:
        one = before.table(table).get(key)
        if one is None:
            tables[table].pop(key, None)
        else:
            tables[table][key] = one
    order = dict.fromkeys((*before.addresses, *tables["addresses"]))  # the first of a network is its primary one
    tables["addresses"] = {key: tables["addresses"][key] for key in order if key in tables["addresses"]}
    return without_strays(now._replace(**tables, places={}))


def without_strays(picture: Picture) -> Picture:
    """Without what belongs to links that are not in the picture (any more)."""
    links = picture.links

    def there(one: t.Mapping[str, t.Any]) -> bool:
        return one["index"] in links

    return picture._replace(
        addresses={key: one for key, one in picture.addresses.items() if there(one)},
        neighbours={key: one for key, one in picture.neighbours.items() if there(one)},
        fdb={key: one for key, one in picture.fdb.items() if there(one)},
        vlans={key: one for key, one in picture.vlans.items() if there(one)},
        routes={key: one for key, one in picture.routes.items() if _leads_through(one) <= links.keys()},
    )


def _leads_through(route: t.Mapping[str, t.Any]) -> set[int]:
    """The links that a route names."""
    return {hop["oif"] for hop in (route, *route.get("nexthops", ())) if hop.get("oif")}


def aligned(was: Picture, now: Picture) -> Picture:
    """`was` with the indexes of `now` for links that were removed and made anew meanwhile, under the same name."""
    by_name = {one["ifname"]: index for index, one in now.links.items()}
    moved = {
        index: by_name[one["ifname"]]
        for index, one in was.links.items()
        if index not in now.links and by_name.get(one["ifname"], index) not in (index, *was.links)
    }
    if not moved:
        return was
    tables: dict[str, t.Any] = {
        name: keyed(name, [_moved(one, moved) for one in was.table(name).values()]) for name in KEYS
    }
    return was._replace(**tables)


POINTING = ("ifindex", "index", "link", "master", "oif")


def _moved(one: Object, moved: t.Mapping[int, int]) -> Object:
    out = {key: moved.get(value, value) if key in POINTING else value for key, value in one.items()}
    if "nexthops" in one:
        out["nexthops"] = [_moved(hop, moved) for hop in one["nexthops"]]
    return out


STAYING_FREE = ("options.active_slave",)


def restoring(target: Picture, places: t.Iterable[Place]) -> Picture:
    """`target`, where touched links insist on what was free before: a transaction may have pinned another value."""
    links = dict(target.links)
    for table, key in places:
        one = links.get(key) if table == "links" else None
        if one is None or not one.get("free"):
            continue
        of_bond = links.get(one["master"], {}).get("kind") == "bond"
        kept = [field for field in one["free"] if field in STAYING_FREE or (of_bond and field in ("address", "mtu"))]
        links[key] = {**one, "free": kept}
    return target._replace(links=links)
