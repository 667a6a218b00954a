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


def total(items: t.Sequence[Counters]) -> Counters:
    return Counters(*map(sum, zip(*items))) if items else Counters()


def since(before: Counters, after: Counters) -> Counters:
    """What was counted between two readings. Where somebody cleared the counters meanwhile, what was counted since."""
    grown = list(map(operator.sub, after, before))
    grown[NOW] = after.io_in_progress
    return after if min(grown[:NOW] + grown[NOW + 1 :]) < 0 else Counters(*grown)


def _ratio(what: float, by: float) -> float:
    return what / by if by else 0.0


def averages(c: Counters) -> dict[str, float]:
    """What needs no interval. Times in nanoseconds, sizes in sectors, of one request."""
    requests = c.reads + c.writes
    return {
        "average_request_size": _ratio(c.read_sectors + c.write_sectors, requests),
        "average_wait_time": _ratio(c.read_nsecs + c.write_nsecs, requests),
        "average_rd_wait_time": _ratio(c.read_nsecs, c.reads),
        "average_wr_wait_time": _ratio(c.write_nsecs, c.writes),
    }


def rates(c: Counters, interval: int) -> dict[str, float]:
    """What was counted in an interval of nanoseconds, a second of it.

    `utilization` is in percent, `service_time` in nanoseconds a request. dmstats' SvcTm is a millionth of it, and so
    mostly 0.00.
    """
    second = SECOND / interval
    busy = min(c.io_nsecs, interval)
    requests = c.reads + c.writes
    return {
        "rd_merges_per_sec": c.reads_merged * second,
        "wr_merges_per_sec": c.writes_merged * second,
        "reads_per_sec": c.reads * second,
        "writes_per_sec": c.writes * second,
        "read_sectors_per_sec": c.read_sectors * second,
        "write_sectors_per_sec": c.write_sectors * second,
        "average_queue_size": c.weighted_io_nsecs / interval,
        "service_time": _ratio(busy, requests),
        "throughput": requests * second,
        "utilization": 100.0 * busy / interval,
    }


def metrics(c: Counters, interval: int | None = None) -> dict[str, float]:
    """All that follows from what was counted in `interval` nanoseconds; without one, only averages of a request."""
    return {**averages(c), **(rates(c, interval) if interval else {})}
