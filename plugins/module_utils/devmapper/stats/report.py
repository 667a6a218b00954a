# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `dm_stats_info` tells: counters of one moment or of an interval, and what follows from them.

Reading clears nothing, so that any number of readers do not disturb each other.
"""

from __future__ import annotations

import functools
import gc
import operator
import time
import typing as t

from ..control import ControlDevice
from ..errors import DmError, DmRefused, DmValueError
from . import counters, device, groups, prometheus
from .answers import Area, Region
from .counters import Counters, metrics, named
from .device import Device
from .histogram import PERCENTS, Histogram, merged, shown, shown_percentiles
from .show import Row, region_row

FAILURES = (DmError,)


class Reading(t.NamedTuple):
    """A region's areas; `at` in nanoseconds of a clock that nobody sets."""

    region: Region
    areas: t.List[Area]
    at: int


class Sample(t.NamedTuple):
    device: Device
    known: t.List[Region]  # of all programs: a group may have such members
    readings: t.Dict[int, Reading]


class Counted(t.NamedTuple):
    """Of one area, or the sum of many. `interval` in nanoseconds, None where it is not known."""

    counters: Counters
    histogram: Histogram | None
    interval: int | None


def run(params: t.Mapping[str, t.Any], check: bool = False) -> dict[str, t.Any]:
    """`devices` with regions and groups; `changed` tells of the file that is to be written. Raises FAILURES."""
    interval, percents = params["interval"], tuple(params["percentiles"] or PERCENTS)
    if interval is not None and interval <= 0:
        raise DmValueError(f"interval: {interval:g} is not above 0 seconds")
    gc.disable()  # many objects, none of them garbage, and the process is short
    with ControlDevice() as channel:
        chosen = _chosen(channel, params["devices"])
        first = take(chosen, params["program_id"] or "")
        last = first
        if interval is not None:
            time.sleep(interval)
            last = again(first)
    changed = prometheus.write(params["textfile"], last, check) if params["textfile"] else False
    before = {sample.device.name: sample.readings for sample in first} if interval is not None else {}
    rows = [device_row(one, before.get(one.device.name), params["areas"], percents) for one in last]
    return {"changed": changed, "devices": rows}


def _chosen(channel: ControlDevice, written: t.Sequence[str]) -> list[Device]:
    devices = device.every(channel)
    return [device.must_find(devices, one) for one in written] if written else devices


def take(devices: t.Iterable[Device], program_id: str = "") -> list[Sample]:
    """The counters of all regions, or of those of a program, now. Raises DmError."""
    found = []
    for one in devices:
        known = one.regions()
        ours = [region for region in known if not program_id or region.program_id == program_id]
        found.append(Sample(one, known, _readings(one, ours)))
    return found


def again(samples: t.Iterable[Sample]) -> list[Sample]:
    """The same regions, now; those that are gone are left out. Raises DmError."""
    return [
        sample._replace(readings=_readings(sample.device, [reading.region for reading in sample.readings.values()]))
        for sample in samples
    ]


def _readings(one: Device, regions: t.Iterable[Region]) -> dict[int, Reading]:
    found = {}
    for region in regions:
        try:
            found[region.id] = Reading(region, one.areas(region), time.monotonic_ns())
        except DmRefused:
            if region.id in [there.id for there in one.regions()]:
                raise
    return found


def device_row(sample: Sample, before: t.Mapping[int, Reading] | None, areas: bool, percents: t.Sequence[float]) -> Row:
    known = groups.of_regions(sample.known)
    group_of = {member: group.id for member, group in groups.by_member(known).items()}
    totals, rows = {}, []
    for number, reading in sample.readings.items():
        span = reading.region.span
        counted, interval = (reading.areas, None) if before is None else since(before.get(number), reading)
        totals[number] = summed(counted, span.bounds, interval)
        row = region_row(sample.device, reading.region, group_of.get(number))
        row.update(counted_row(totals[number], percents))
        if areas:
            row["areas"] = list(area_rows(counted, span.bounds, interval, percents))
        rows.append(row)
    return {
        "device": sample.device.title,
        "number": sample.device.number,
        "regions": rows,
        "groups": [
            group_row(sample.device, group, [totals[one] for one in group.members], percents)
            for group in known
            if all(one in totals for one in group.members)
        ],
    }


def area_rows(
    areas: t.Iterable[Area], bounds: t.Tuple[int, ...], interval: int | None, percents: t.Sequence[float]
) -> t.Iterator[Row]:
    """As counted_row, for thousands: areas that have counted the same share what follows from it."""

    @functools.lru_cache(maxsize=None)
    def percentiles(bins: t.Tuple[int, ...]) -> Row:
        return shown_percentiles(Histogram(bounds, bins), percents)

    @functools.lru_cache(maxsize=None)
    def row(counted: Counters, bins: t.Tuple[int, ...]) -> Row:
        if not any(counted):
            return {}
        row: Row = {"interval_nsecs": interval, "counters": named(counted), "metrics": metrics(counted, interval)}
        if bins:
            row["histogram"] = {"bounds": bounds, "counts": bins}
            row["percentiles"] = percentiles(bins)
        return row

    for place, (start, length, counted, bins) in enumerate(areas):
        found = row(counted, bins)
        if found:
            yield {"area_id": place, "start": start, "length": length, **found}


def since(before: Reading | None, after: Reading) -> tuple[list[Area], int | None]:
    """What was counted meanwhile, and in how many nanoseconds. All of it, if it is not known for how long."""
    if before is None or len(before.areas) != len(after.areas):
        return after.areas, None

    @functools.lru_cache(maxsize=None)
    def grown(old: Counters, new: Counters, bins: t.Tuple[int, ...], more: t.Tuple[int, ...]) -> tuple[t.Any, ...]:
        return counters.since(old, new), _bins_since(bins, more)

    return [
        Area(new.start, new.length, *grown(old.counters, new.counters, old.histogram, new.histogram))
        for old, new in zip(before.areas, after.areas)
    ], max(1, after.at - before.at)


def _bins_since(before: t.Tuple[int, ...], after: t.Tuple[int, ...]) -> t.Tuple[int, ...]:
    grown = tuple(map(operator.sub, after, before))
    return after if min(grown, default=0) < 0 else grown


def summed(areas: t.Sequence[Area], bounds: t.Tuple[int, ...], interval: int | None) -> Counted:
    """Of a region."""
    bins = tuple(map(sum, zip(*[area.histogram for area in areas])))
    return Counted(counters.total([area.counters for area in areas]), _histogram(bounds, bins), interval)


def _histogram(bounds: t.Tuple[int, ...], counts: t.Tuple[int, ...]) -> Histogram | None:
    return Histogram(bounds, counts) if bounds and counts else None


def total(every: t.Sequence[Counted]) -> Counted:
    """Of a group. Without a histogram where a region has none, or they have no bound in common."""
    intervals = [one.interval for one in every if one.interval]
    return Counted(
        counters.total([one.counters for one in every]),
        _merged([one.histogram for one in every]),
        sum(intervals) // len(intervals) if len(intervals) == len(every) and every else None,
    )


def _merged(histograms: t.Sequence[Histogram | None]) -> Histogram | None:
    every = [one for one in histograms if one is not None]
    if not every or len(every) < len(histograms):
        return None
    try:
        return merged(every)
    except DmValueError:
        return None


def counted_row(one: Counted, percents: t.Sequence[float]) -> Row:
    row: Row = {
        "interval_nsecs": one.interval,
        "counters": named(one.counters),
        "metrics": metrics(one.counters, one.interval),
    }
    if one.histogram is not None:
        row["histogram"] = shown(one.histogram)
        row["percentiles"] = shown_percentiles(one.histogram, percents)
    return row


def group_row(one: Device, group: groups.Group, members: t.Sequence[Counted], percents: t.Sequence[float]) -> Row:
    return {
        "device": one.title,
        "group_id": group.id,
        "alias": group.alias,
        "regions": list(group.members),
        **counted_row(total(members), percents),
    }
