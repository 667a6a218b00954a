# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's memory: of all of it and of each cell what is free, pages of each size, and kernel samepage merging."""

from __future__ import annotations

import typing as t

from ..errors import Refused
from .node import Node
from .values import integer, kib, whole

ALL = -1  # VIR_NODE_MEMORY_STATS_ALL_CELLS
MOST_CELLS = 4096  # numbers of cells are asked for from 0 on, all at once; Linux has at most 1024
KINDS = ("total", "free", "buffers", "cached")
SETTABLE = ("shm_pages_to_scan", "shm_sleep_millisecs", "shm_merge_across_nodes")


def cells(source: Node) -> list[int]:
    """The numbers of the host's cells; there may be gaps."""
    found = (whole(one.get("id")) for one in source.capabilities.iterfind("host/topology/cells/cell"))
    return sorted(number for number in found if number is not None and 0 <= number < MOST_CELLS)


def memory(source: Node) -> dict[str, t.Any]:
    found: dict[str, t.Any] = _whole(source)
    free = _free(source)
    pages = free_pages(source)
    if free or pages:
        found["cells"] = [
            {
                "id": number,
                **({"free_kib": free[number] >> 10} if number in free else {}),
                **({"pages": pages[number]} if number in pages else {}),
            }
            for number in cells(source)
        ]
    return found


def _whole(source: Node) -> dict[str, t.Any]:
    try:
        said = source.ask("getMemoryStats", ALL)
    except Refused as error:
        try:
            return {"free_kib": source.ask("getFreeMemory") >> 10, "reason": str(error)}
        except Refused:
            raise error from None
    return {f"{kind}_kib": said[kind] for kind in KINDS if kind in said}


def _free(source: Node) -> dict[int, int]:
    """Bytes free in each cell; empty where the driver does not say."""
    numbers = cells(source)
    if not numbers:
        return {}
    try:
        said = source.ask("getCellsFreeMemory", 0, numbers[-1] + 1)
    except Refused:
        return {}
    return {number: said[number] for number in numbers if number < len(said) and said[number] is not None}


def free_pages(source: Node) -> dict[int, list[dict[str, int]]]:
    """Pages of each size in each cell, all and the free ones; empty where the driver does not say."""
    counts = totals(source)
    numbers = cells(source)
    sizes = sorted({size for one in counts.values() for size in one})
    if not numbers or not sizes:
        return {}
    try:
        said = source.ask("getFreePages", sizes, numbers[0], numbers[-1] - numbers[0] + 1, 0)
    except Refused:
        return {}
    return {
        number: [
            {"size_kib": size, "total": total, "free": said[number][size]}
            for size, total in sorted(counts.get(number, {}).items())
            if size in said[number]
        ]
        for number in numbers
        if number in said
    }


def totals(source: Node) -> dict[int, dict[int, int]]:
    """Cell -> size in KiB -> how many pages there are."""
    found: dict[int, dict[int, int]] = {}
    for cell in source.capabilities.iterfind("host/topology/cells/cell"):
        number = whole(cell.get("id"))
        if number is not None:
            sizes = ((kib(one, attribute="size"), integer(one)) for one in cell.iterfind("pages"))
            found[number] = {size: total or 0 for size, total in sizes if size}
    return found


def ksm(source: Node) -> dict[str, t.Any]:
    """Kernel samepage merging: its three settings, and what it has merged."""
    return dict(source.ask("getMemoryParameters", 0))
