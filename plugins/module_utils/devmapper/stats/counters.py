# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The thirteen counters of an area, and what follows from them and the time between two readings.

The kernel counts times in milliseconds, or nanoseconds where timestamps are precise; here they are always nanoseconds.
"""

from __future__ import annotations

import operator
import typing as t

SECOND = 10**9  # nanoseconds


class Counters(t.NamedTuple):
    reads: int = 0
    reads_merged: int = 0
    read_sectors: int = 0
    read_nsecs: int = 0
    writes: int = 0
    writes_merged: int = 0
    write_sectors: int = 0
    write_nsecs: int = 0
    io_in_progress: int = 0  # now, the only one that does not only grow
    io_nsecs: int = 0
    weighted_io_nsecs: int = 0
    total_read_nsecs: int = 0
    total_write_nsecs: int = 0


TIMES = tuple(place for place, name in enumerate(Counters._fields) if name.endswith("_nsecs"))
NOW = Counters._fields.index("io_in_progress")


def named(c: Counters) -> dict[str, int]:
    """As a dictionary: of thousands, written out is twice as fast as from the names."""
    (
        reads, reads_merged, read_sectors, read_nsecs, writes, writes_merged, write_sectors, write_nsecs,
        io_in_progress, io_nsecs, weighted_io_nsecs, total_read_nsecs, total_write_nsecs,
    ) = c  # fmt: skip
    return {
        "reads": reads,
        "reads_merged": reads_merged,
        "read_sectors": read_sectors,
        "read_nsecs": read_nsecs,
        "writes": writes,
        "writes_merged": writes_merged,
        "write_sectors": write_sectors,
        "write_nsecs": write_nsecs,
        "io_in_progress": io_in_progress,
        "io_nsecs": io_nsecs,
        "weighted_io_nsecs": weighted_io_nsecs,
        "total_read_nsecs": total_read_nsecs,
        "total_write_nsecs": total_write_nsecs,
    }


def total(items: t.Sequence[Counters]) -> Counters:
    return Counters(*map(sum, zip(*items))) if items else Counters()


def since(before: Counters, after: Counters) -> Counters:
    """What was counted between two readings. Where somebody cleared the counters meanwhile, what was counted since."""
    grown = list(map(operator.sub, after, before))
    grown[NOW] = after.io_in_progress
    return after if min(grown[:NOW] + grown[NOW + 1 :]) < 0 else Counters(*grown)


def averages(c: Counters) -> dict[str, float]:
    """What needs no interval. Times in nanoseconds, sizes in sectors, of one request."""
    reads, _merged, read_sectors, read_nsecs, writes, _merged_too, write_sectors, write_nsecs = c[:8]
    requests = reads + writes or 1
    return {
        "average_request_size": (read_sectors + write_sectors) / requests,
        "average_wait_time": (read_nsecs + write_nsecs) / requests,
        "average_rd_wait_time": read_nsecs / (reads or 1),
        "average_wr_wait_time": write_nsecs / (writes or 1),
    }


def metrics(c: Counters, interval: int | None = None) -> dict[str, float]:
    """All that follows from what was counted in `interval` nanoseconds; without one, only averages of a request.

    `utilization` is in percent, `service_time` in nanoseconds a request. dmstats' SvcTm is a millionth of it, and so
    mostly 0.00.
    """
    found = averages(c)
    if interval:
        second, busy, requests = SECOND / interval, min(c.io_nsecs, interval), c.reads + c.writes
        found.update(
            rd_merges_per_sec=c.reads_merged * second,
            wr_merges_per_sec=c.writes_merged * second,
            reads_per_sec=c.reads * second,
            writes_per_sec=c.writes * second,
            read_sectors_per_sec=c.read_sectors * second,
            write_sectors_per_sec=c.write_sectors * second,
            average_queue_size=c.weighted_io_nsecs / interval,
            service_time=busy / requests if requests else 0.0,
            throughput=requests * second,
            utilization=100.0 * busy / interval,
        )
    return found
