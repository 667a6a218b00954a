# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`DmStats`, `DmStatsRegion` and `DmStatsArea` of dmpy.

Beyond dmpy: histograms, percentiles, clearing, groups with their members, defaults that are defined, and a service
time that is right.
"""

from __future__ import annotations

import errno
import typing as t

from .dmsettings import SETTINGS
from .errors import DmError, DmValueError
from .stats import bounds as limits
from .stats import counters, groups, histogram
from .stats.answers import Area, Region
from .stats.counters import SECOND, Counters
from .stats.device import Device, every
from .stats.messages import Span

STATS_ALL_PROGRAMS = ""
STATS_REGIONS_ALL = (1 << 64) - 1

# Names of dmpy for the counters that the kernel has, and for what follows from them.
COUNTERS = {
    "READS_COUNT": "reads",
    "READS_MERGED_COUNT": "reads_merged",
    "READ_SECTORS_COUNT": "read_sectors",
    "READ_NSECS": "read_nsecs",
    "WRITES_COUNT": "writes",
    "WRITES_MERGED_COUNT": "writes_merged",
    "WRITE_SECTORS_COUNT": "write_sectors",
    "WRITE_NSECS": "write_nsecs",
    "IO_IN_PROGRESS_COUNT": "io_in_progress",
    "IO_NSECS": "io_nsecs",
    "WEIGHTED_IO_NSECS": "weighted_io_nsecs",
    "TOTAL_READ_NSECS": "total_read_nsecs",
    "TOTAL_WRITE_NSECS": "total_write_nsecs",
}
METRICS = (
    "RD_MERGES_PER_SEC",
    "WR_MERGES_PER_SEC",
    "READS_PER_SEC",
    "WRITES_PER_SEC",
    "READ_SECTORS_PER_SEC",
    "WRITE_SECTORS_PER_SEC",
    "AVERAGE_REQUEST_SIZE",
    "AVERAGE_QUEUE_SIZE",
    "AVERAGE_WAIT_TIME",
    "AVERAGE_RD_WAIT_TIME",
    "AVERAGE_WR_WAIT_TIME",
    "SERVICE_TIME",
    "THROUGHPUT",
    "UTILIZATION",
)


class DmStats(t.Sequence["DmStatsRegion"]):
    """The statistics of a device: its regions, as they were when `list` or `populate` was last called.

    Regions taken from it before that raise LookupError from then on. `program_id` is whose regions are meant and made;
    STATS_ALL_PROGRAMS means everybody's. Errors of the kernel raise DmError.
    """

    def __init__(
        self,
        program_id: str | None = STATS_ALL_PROGRAMS,
        name: str | None = None,
        devno: tuple[int, int] | None = None,
        uuid: str | None = None,
    ) -> None:
        if sum(one is not None for one in (name, devno, uuid)) > 1:
            raise TypeError("DmStats is bound by one of name, devno and uuid")
        self._program_id = program_id or ""
        self._bound = ""
        self._device: Device | None = None
        self._interval = SECOND
        self.sequence = 0
        self._forget()
        if name is not None:
            self.bind_name(name)
        elif uuid is not None:
            self.bind_uuid(uuid)
        elif devno is not None:
            self.bind_devno(*devno)

    def _forget(self) -> None:
        self.sequence += 1
        self._regions: dict[int, Region] = {}
        self._known: list[groups.Group] = []
        self._areas: dict[int, list[Area]] = {}

    # -- which device

    def bind_name(self, name: str) -> bool:
        """The device of that name, from now on."""
        return self._bind("name", name)

    def bind_uuid(self, uuid: str) -> bool:
        """The device with that UUID, from now on."""
        return self._bind("uuid", uuid)

    def bind_devno(self, major: int, minor: int) -> bool:
        """The device with that number, from now on."""
        return self._bind("devno", f"{int(major)}:{int(minor)}")

    def _bind(self, kind: str, written: str) -> bool:
        if not isinstance(written, str):
            raise TypeError(f"a {kind} is text, not {written!r}")
        if not written:
            raise ValueError(f"a device has no empty {kind}")
        self._bound, self._device = f"{kind} {written}", None
        self._fits = {
            "name": lambda one: written in (one.title, one.name),
            "uuid": lambda one: one.listed.uuid == written,
            "devno": lambda one: one.number == written,
        }[kind]
        self._forget()
        return True

    def _bound_device(self) -> Device:
        if not self._bound:
            raise DmValueError("the statistics are not bound to a device yet")
        if self._device is None:
            self._device = next(filter(self._fits, every(SETTINGS.control())), None)
        if self._device is None:
            raise DmError(errno.ENXIO, f"there is no device-mapper device of {self._bound}")
        return self._device

    # -- what is asked

    def set_program_id(self, program_id: str | None, allow_empty: bool = False) -> bool:
        """Whose regions are meant from now on."""
        if not program_id and not allow_empty:
            raise ValueError("an empty program id means all programs, which has to be allowed")
        self._program_id = program_id or ""
        return True

    def set_sampling_interval(self, seconds: float) -> bool:
        """What rates are reckoned with: the time since the counters were cleared, which only the caller knows."""
        if seconds <= 0:
            raise ValueError(f"{seconds} is not above 0 seconds")
        self._interval = int(seconds * SECOND)
        return True

    def get_sampling_interval(self) -> float:
        """Seconds between two samples."""
        return self._interval / SECOND

    def list(self, program_id: str | None = None) -> bool:
        """Looks for regions, without their counters; whether there are any."""
        self._forget()
        known = self._bound_device().regions()
        wanted = self._program_id if program_id is None else program_id
        self._regions = {one.id: one for one in known if not wanted or one.program_id == wanted}
        self._known = [group for group in groups.of_regions(known) if group.id in self._regions]
        return bool(self._regions)

    def populate(self, program_id: str | None = None, region_id: int = STATS_REGIONS_ALL) -> bool:
        """Reads the counters of all regions, which it looks for, or of one that was listed; none is an error."""
        if region_id == STATS_REGIONS_ALL:
            self.list(program_id)
            if not self._regions:
                raise DmError(errno.ENOENT, f"there are no statistics to read of {self._bound}")
            wanted = [*self._regions]
        elif region_id not in self._regions:
            self._forget()
            raise DmError(errno.ENOENT, f"region {region_id} of {self._bound} was not listed")
        else:
            wanted = [region_id]
        self.sequence += 1
        device = self._bound_device()
        self._areas.update({one: device.areas(self._regions[one]) for one in wanted})
        return True

    def create_region(
        self,
        start: int = 0,
        len: int | None = None,
        step: int | None = None,
        precise: bool | None = None,
        bounds: t.Union[str, t.Iterable[int], None] = None,
        program_id: str | None = None,
        user_data: str = "",
    ) -> int:
        """The new region's number. Sectors; without `len` up to the device's end, without `step` one area.

        A negative `step` is a number of areas. `bounds` of a histogram as `10ms,20ms` or numbers of nanoseconds;
        `precise` by itself where they need it.
        """
        device = self._bound_device()
        length = device.size() - start if len is None else len
        found = limits.parse(bounds) if isinstance(bounds, str) else limits.checked(bounds or ())
        area = length if step is None else step if step >= 0 else -(-length // -step)
        fine = limits.need_precise(found) if precise is None else bool(precise)
        program = self._program_id if program_id is None else program_id
        return device.create(Span(start, length, area, fine, found), program, user_data)

    def delete_region(self, region_id: int) -> bool:
        """Removes a region. Raises DmError."""
        self._bound_device().delete(region_id)
        return True

    def clear_region(self, region_id: int) -> bool:
        """Sets the counters of a region to zero. Raises DmError."""
        self._bound_device().clear(region_id)
        return True

    def create_group(self, members: t.Iterable[int], alias: str = "") -> int:
        """The group's number, which is that of its lowest region."""
        from .stats.spelling import quoted

        device, group = self._bound_device(), groups.Group(alias, tuple(sorted(set(members))))
        there = {region.id: region for region in device.regions()}
        missing = [member for member in group.members if member not in there]
        if missing or not group.members:
            raise DmError(errno.ENOENT, f"{device.title}: no group without regions, or of those not there: {missing}")
        device.set_aux(group.id, groups.encode(group, groups.user_data(there[group.id]), quoted()))
        return group.id

    def delete_group(self, group_id: int) -> bool:
        """The group's regions stay."""
        device = self._bound_device()
        region = next((one for one in device.regions() if one.id == group_id), None)
        if region is None or groups.decode(region.aux_data)[0] is None:
            raise DmError(errno.ENOENT, f"{device.title}: there is no group {group_id}")
        device.set_aux(group_id, groups.user_data(region))
        return True

    # -- what was found

    def nr_regions(self) -> int:
        """How many regions were listed."""
        return len(self._regions)

    def nr_groups(self) -> int:
        """How many groups were listed."""
        return len(self._known)

    def nr_areas(self) -> int:
        """How many areas all listed regions have."""
        return sum(region.span.areas for region in self._regions.values())

    def region_present(self, region_id: int) -> bool:
        """Whether there is a region of that number."""
        return region_id in self._regions

    def region_nr_areas(self, region_id: int) -> int:
        """How many areas a region has."""
        return self._regions[region_id].span.areas if region_id in self._regions else 0

    def group_present(self, group_id: int) -> bool:
        """Whether there is a group of that number."""
        return any(group.id == group_id for group in self._known)

    def group(self, group_id: int) -> groups.Group:
        """Alias and members. Raises LookupError."""
        for group in self._known:
            if group.id == group_id:
                return group
        raise LookupError(f"there is no group {group_id}")

    def __len__(self) -> int:
        return len(self._regions)

    def __getitem__(self, region_id: t.Any) -> DmStatsRegion:  # type: ignore[override]  # numbers are no places to slice
        """The region with that number; as a sequence, those that are there. Raises LookupError."""
        if region_id in self._regions:
            return DmStatsRegion(self, region_id)
        raise IndexError(f"region {region_id} was not listed")

    def __iter__(self) -> t.Iterator[DmStatsRegion]:
        return iter([DmStatsRegion(self, region_id) for region_id in self._regions])


class DmStatsRegion(t.Sequence["DmStatsArea"]):
    """A region of a DmStats: a sequence of its areas once they were read. Sectors."""

    def __init__(self, stats: DmStats, region_id: int) -> None:
        self._stats, self._sequence, self.region_id = stats, stats.sequence, region_id

    def _found(self) -> Region:
        if self._sequence != self._stats.sequence or self.region_id not in self._stats._regions:
            raise LookupError(f"the statistics were read anew since region {self.region_id} was taken from them")
        return self._stats._regions[self.region_id]

    @property
    def present(self) -> bool:
        return self._stats.region_present(self.region_id)

    def nr_areas(self) -> int:
        """How many areas the region has."""
        return self._found().span.areas

    @property
    def precise_timestamps(self) -> bool:
        return self._found().span.precise

    @property
    def start(self) -> int:
        return self._found().span.start

    @property
    def len(self) -> int:
        return self._found().span.length

    @property
    def area_len(self) -> int:
        return self._found().span.step

    @property
    def program_id(self) -> str:
        return self._found().program_id

    @property
    def aux_data(self) -> str:
        """The user's own; a group in it is DmStats' to tell."""
        return groups.user_data(self._found())

    @property
    def bounds(self) -> tuple[int, ...]:
        """Of the histogram, in nanoseconds."""
        return self._found().span.bounds

    def histogram(self) -> histogram.Histogram:
        """Of all areas together. Raises DmValueError where there is none."""
        return histogram.merged(area.histogram() for area in self)

    def delete(self) -> bool:
        """Removes the region. Raises DmError."""
        self._found()
        return self._stats.delete_region(self.region_id)

    def _areas(self) -> list[Area]:
        self._found()
        return self._stats._areas.get(self.region_id, [])

    def __len__(self) -> int:
        return len(self._areas())

    def __getitem__(self, area_id: t.Any) -> DmStatsArea:  # type: ignore[override]  # nor has it slices
        return DmStatsArea(self, area_id, self._areas()[area_id], self._stats._interval)


class DmStatsArea:
    """An area as it was read: counters and metrics are attributes with the names of COUNTERS and METRICS.

    Times in nanoseconds, sizes in sectors, UTILIZATION in percent.
    """

    def __init__(self, region: DmStatsRegion, area_id: int, area: Area, interval: int) -> None:
        self.region, self.area_id = region, area_id
        self._area, self._interval = area, interval

    @property
    def counters(self) -> Counters:
        return self._area.counters

    @property
    def start(self) -> int:
        return self._area.start

    @property
    def offset(self) -> int:
        """From the region's start."""
        return self._area.start - self.region.start

    @property
    def len(self) -> int:
        return self._area.length

    def histogram(self) -> histogram.Histogram:
        """Raises DmValueError where the region has no bounds."""
        return histogram.histogram(self.region.bounds, self._area.histogram)

    def __getattr__(self, name: str) -> t.Union[int, float]:
        if name in COUNTERS:
            return t.cast(int, getattr(self._area.counters, COUNTERS[name]))
        if name in METRICS:
            return counters.metrics(self._area.counters, self._interval)[name.lower()]
        raise AttributeError(f"an area has no {name}")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *COUNTERS, *METRICS]
