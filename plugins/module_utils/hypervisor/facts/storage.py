# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage pools with their capacity, and as wanted their volumes."""

from __future__ import annotations

import typing as t

from ..document import parse
from ..errors import Gone, Refused
from .node import Node
from .values import attr, known, size, text

# virStoragePoolState, virStorageVolType
STATES = ("inactive", "building", "running", "degraded", "inaccessible")
INACTIVE = 0


def pools(source: Node) -> list[dict[str, t.Any]]:
    return [found for _pool, found in _pools(source)]


def _pools(source: Node) -> list[tuple[t.Any, dict[str, t.Any]]]:
    return source.keep("pools", lambda: sorted(_read(source), key=lambda found: found[1]["name"]))


def _read(source: Node) -> t.Iterator[tuple[t.Any, dict[str, t.Any]]]:
    for pool in source.ask("listAllStoragePools", 0):
        try:
            yield pool, _pool(source, pool)
        except Gone:
            continue


def _pool(source: Node, pool: t.Any) -> dict[str, t.Any]:
    root = parse(source.ask_of(pool, "XMLDesc", 0))
    state, capacity, allocation, available = source.ask_of(pool, "info")
    active = state != INACTIVE
    return {
        "name": text(root, "name"),
        "uuid": text(root, "uuid"),
        "type": root.get("type"),
        "state": STATES[state] if state < len(STATES) else str(state),
        "autostart": bool(source.ask_of(pool, "autostart")),
        "persistent": bool(source.ask_of(pool, "isPersistent")),
        **known(path=text(root, "target/path")),
        "capacity_bytes": capacity if active else None,
        "allocation_bytes": allocation if active else None,
        "available_bytes": available if active else None,
        "volumes": source.ask_of(pool, "numOfVolumes") if active else None,
    }


def volumes(source: Node) -> dict[str, t.Any]:
    """Name of a pool -> its volumes; of a pool that cannot be listed, why."""
    found: dict[str, t.Any] = {}
    for pool, about in _pools(source):
        if about["state"] != STATES[INACTIVE]:
            try:
                found[about["name"]] = _volumes(source, pool)
            except Gone:
                continue
            except Refused as error:
                found[about["name"]] = {"supported": False, "reason": str(error)}
    return found


def _volumes(source: Node, pool: t.Any) -> list[dict[str, t.Any]]:
    found = []
    for volume in source.ask_of(pool, "listAllVolumes", 0):
        try:
            root = parse(source.ask_of(volume, "XMLDesc", 0))
        except Gone:
            continue
        found.append(
            {
                "name": text(root, "name"),
                "type": root.get("type"),
                **known(
                    path=text(root, "target/path"),
                    format=attr(root, "target/format", "type"),
                    backing=text(root, "backingStore/path"),
                    physical_bytes=size(root, "physical", "bytes"),
                ),
                "capacity_bytes": size(root, "capacity", "bytes"),
                "allocation_bytes": size(root, "allocation", "bytes"),
            }
        )
    return sorted(found, key=lambda one: one["name"] or "")
