# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counters in Prometheus' text format, for the textfile collector of node_exporter.

Times are seconds and sizes bytes, as Prometheus wants them. All values only grow, but for the requests under way.
"""

from __future__ import annotations

import os
import tempfile
import typing as t

from ..constants import SECTOR
from ..errors import DmError
from . import counters, groups
from .counters import Counters

if t.TYPE_CHECKING:
    from .report import Reading, Sample

NANO = 1e-9
MODE = 0o644  # the collector is another user

# Name, what it is, what it tells, factor, counter.
METRICS = (
    ("reads_completed_total", "counter", "Reads that were completed.", 1, "reads"),
    ("reads_merged_total", "counter", "Reads that were joined with others.", 1, "reads_merged"),
    ("read_bytes_total", "counter", "Bytes read.", SECTOR, "read_sectors"),
    ("read_time_seconds_total", "counter", "Time that reads took, added up.", NANO, "read_nsecs"),
    ("writes_completed_total", "counter", "Writes that were completed.", 1, "writes"),
    ("writes_merged_total", "counter", "Writes that were joined with others.", 1, "writes_merged"),
    ("written_bytes_total", "counter", "Bytes written.", SECTOR, "write_sectors"),
    ("write_time_seconds_total", "counter", "Time that writes took, added up.", NANO, "write_nsecs"),
    ("io_now", "gauge", "Requests under way.", 1, "io_in_progress"),
    ("io_time_seconds_total", "counter", "Time with a request under way.", NANO, "io_nsecs"),
    ("io_time_weighted_seconds_total", "counter", "The same, times requests.", NANO, "weighted_io_nsecs"),
    ("read_busy_seconds_total", "counter", "Time with a read under way.", NANO, "total_read_nsecs"),
    ("write_busy_seconds_total", "counter", "Time with a write under way.", NANO, "total_write_nsecs"),
)
PREFIX = "fleet_dm_stats_"
HISTOGRAM = "request_duration_seconds"


def text(samples: t.Iterable[Sample]) -> str:
    """One series a region. Histograms have their requests in buckets by their upper bound."""
    rows = [
        (labels, counters.total([area.counters for area in reading.areas]), reading)
        for sample in samples
        for labels, reading in _labelled(sample)
    ]
    lines: list[str] = []
    for name, kind, about, factor, counter in METRICS:
        lines += _head(name, kind, about)
        place = Counters._fields.index(counter)
        lines += [f"{PREFIX}{name}{{{labels}}} {_number(one[place] * factor)}" for labels, one, _reading in rows]
    counted = [row for row in rows if row[2].region.span.bounds]
    if counted:
        lines += _head(HISTOGRAM, "histogram", "How long requests took.")
    for labels, one, reading in counted:
        lines += _buckets(labels, one, reading)
    return "".join(f"{line}\n" for line in lines)


def _head(name: str, kind: str, about: str) -> list[str]:
    return [f"# HELP {PREFIX}{name} {about}", f"# TYPE {PREFIX}{name} {kind}"]


def _buckets(labels: str, one: Counters, reading: Reading) -> list[str]:
    counts = [sum(column) for column in zip(*[area.histogram for area in reading.areas])]
    bounds = [_number(bound * NANO) for bound in reading.region.span.bounds] + ["+Inf"]
    lines, below = [], 0
    for bound, count in zip(bounds, counts):
        below += count
        lines.append(f'{PREFIX}{HISTOGRAM}_bucket{{{labels},le="{bound}"}} {below}')
    spent = _number((one.read_nsecs + one.write_nsecs) * NANO)
    return [*lines, f"{PREFIX}{HISTOGRAM}_sum{{{labels}}} {spent}", f"{PREFIX}{HISTOGRAM}_count{{{labels}}} {below}"]


def _labelled(sample: Sample) -> t.Iterator[tuple[str, Reading]]:
    group_of = groups.by_member(groups.of_regions(sample.known))
    for number, reading in sample.readings.items():
        group = group_of.get(number)
        words = {
            "device": sample.device.title,
            "program": reading.region.program_id,
            "region": str(number),
            "group": (group.alias or str(group.id)) if group else "",
        }
        yield ",".join(f'{name}="{_escaped(value)}"' for name, value in words.items()), reading


def _escaped(value: str) -> str:
    plain = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return plain.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def write(path: str, samples: t.Iterable[Sample], check: bool = False) -> bool:
    """Writes the text in one step; whether it is another than was there. Raises DmError."""
    data = text(samples).encode()
    try:
        if os.path.exists(path):
            with open(path, "rb") as file:
                if file.read() == data:
                    return False
        if not check:
            _replace(path, data)
    except OSError as error:
        raise DmError(error.errno or 5, f"write {path}: {error.strerror}") from None
    return True


def _replace(path: str, data: bytes) -> None:
    """The collector reads names that end with `.prom`, so it never sees half a file."""
    fd, temporary = tempfile.mkstemp(prefix=".dm_stats-", dir=os.path.dirname(os.path.abspath(path)))
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), MODE)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
