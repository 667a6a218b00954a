# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The CPUs: which are there and online, what they did since the host began, and what they do now."""

from __future__ import annotations

import time
import typing as t

from ..errors import Refused
from .node import Node
from .values import ranges, whole

ALL = -1  # VIR_NODE_CPU_STATS_ALL_CPUS
BUSY = ("user", "kernel")
COUNTED = (*BUSY, "idle", "iowait")  # as virsh counts them; waiting for storage is not use


class Sample(t.NamedTuple):
    at: float  # seconds, monotonic
    ns: dict[int, dict[str, int]]  # CPU (ALL: all of them) -> kind of time -> ns


def cpu_map(source: Node) -> tuple[int, list[bool], int]:
    """How many CPUs are there, which of them are online, how many those are."""
    present, online, count = source.once("getCPUMap", 0)
    return present, list(online), count


def sample(source: Node, cpus: t.Iterable[int] = (ALL,)) -> Sample:
    return Sample(time.monotonic(), {one: source.ask("getCPUStats", one, 0) for one in cpus})


def percentages(before: t.Mapping[str, int], after: t.Mapping[str, int]) -> dict[str, float] | None:
    """Shares of the time between two samples, to a tenth of a percent; None when no time has passed."""
    spent = {kind: after[kind] - before[kind] for kind in COUNTED if kind in after and kind in before}
    total = sum(spent.values())
    if total <= 0:
        return None
    shares = {kind: round(100 * value / total, 1) for kind, value in spent.items()}
    usage = round(100 * sum(spent.get(kind, 0) for kind in BUSY) / total, 1)
    return {**shares, "usage": usage}


def after(source: Node, first: Sample) -> Sample:
    """The sample that is due `options.percent` seconds after the first."""
    time.sleep(max(0.0, first.at + source.options.percent - time.monotonic()))
    return sample(source, first.ns)


def cpu(source: Node) -> dict[str, t.Any]:
    present, online, count = cpu_map(source)
    found: dict[str, t.Any] = {
        "present": present,
        "online": count,
        "online_cpus": ranges(number for number, good in enumerate(online) if good),
    }
    try:
        first, last = _samples(source, (ALL,))
    except Refused as error:
        found["statistics"] = {"supported": False, "reason": str(error)}
        return found
    found["statistics"] = _ns(last.ns[ALL])
    if source.options.percent:
        found["percent"] = percentages(first.ns[ALL], last.ns[ALL])
        found["percent_seconds"] = round(last.at - first.at, 3)
    return found


def cpus(source: Node) -> list[dict[str, t.Any]]:
    """Each CPU that is online by itself, with its place in the host."""
    _present, online, _count = cpu_map(source)
    numbers = [number for number, good in enumerate(online) if good]
    places = _places(source)
    try:
        first, last = _samples(source, numbers)
    except Refused:
        return [{"id": number, **places.get(number, {})} for number in numbers]
    return [
        {
            "id": number,
            **places.get(number, {}),
            **_ns(last.ns[number]),
            **({"percent": percentages(first.ns[number], last.ns[number])} if source.options.percent else {}),
        }
        for number in numbers
    ]


def _ns(said: t.Mapping[str, int]) -> dict[str, int]:
    return {f"{kind}_ns": value for kind, value in said.items()}


def _samples(source: Node, numbers: t.Iterable[int]) -> tuple[Sample, Sample]:
    first = sample(source, numbers)
    return first, after(source, first) if source.options.percent else first


def _places(source: Node) -> dict[int, dict[str, t.Any]]:
    found = {}
    for cell in source.capabilities.iterfind("host/topology/cells/cell"):
        for one in cell.iterfind("cpus/cpu"):
            number = whole(one.get("id"))
            if number is not None:
                place = {"cell": whole(cell.get("id"))}
                for name in ("socket", "die", "cluster", "core"):
                    if one.get(f"{name}_id") is not None:
                        place[name] = whole(one.get(f"{name}_id"))
                found[number] = {**place, "siblings": one.get("siblings")}
    return found
