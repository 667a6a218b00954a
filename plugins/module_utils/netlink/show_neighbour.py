# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Neighbours, forwarding entries and VLANs of bridges as people read them: `ip -j neigh`, `bridge -j fdb|vlan`.

What only changes with time (ages, counts of references and probes) is left out: two readings of the same state are
the same.
"""

from __future__ import annotations

import typing as t

from .show import Names, Object

AGES = ("used", "confirmed", "updated", "refcnt", "probes")


def _name(entry: Object, names: Names, **keys: str) -> None:
    """Replaces indexes by names, under new keys: `index="dev"`."""
    for key, shown in keys.items():
        index = entry.pop(key, 0)
        if index:
            entry[shown] = names.name(index)


def _forget_ages(entry: Object) -> None:
    for key in AGES:
        entry.pop(key, None)


def neighbours(found: list[Object], names: Names) -> list[Object]:
    """Decoded neighbours, each changed in place into an item of `ip -j neigh`, with its `family` besides."""
    for entry in found:
        _name(entry, names, index="dev", master="master")
        _forget_ages(entry)
    return found


def fdb(found: list[Object], names: Names) -> list[Object]:
    """Decoded forwarding entries, each changed in place into an item of `bridge -j fdb`."""
    for entry in found:
        _name(entry, names, index="ifname", master="master", via="viaIf")
        _forget_ages(entry)
    return found


def vlans(found: list[Object], names: Names) -> list[Object]:
    """Decoded VLANs of ports, each changed in place into what `bridge -j -compressvlans vlan` prints, with `master`."""
    for port in found:
        _name(port, names, index="ifname", master="master")
    return found


def links_in(found: t.Iterable[Object]) -> set[int]:
    """The links that decoded entries speak of."""
    return {entry.get(key, 0) for entry in found for key in ("index", "master", "via")} - {0}
