# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""struct taskstats in each of its versions (linux/taskstats.h).

Fields keep the kernel's names. Their units:

* `*_delay_total`, `*_delay_max`, `*_delay_min`, `cpu_run_real_total`, `cpu_run_virtual_total`,
  `cpu_scaled_run_real_total`: nanoseconds; `*_count`: how many delays were counted;
* `ac_etime`, `ac_utime`, `ac_stime`, `ac_utimescaled`, `ac_stimescaled`, `ac_tgetime`:
  microseconds;
* `ac_btime`, `ac_btime64`: seconds since 1970;
* `hiwater_rss`, `hiwater_vm`: KiB; `coremem`, `virtmem`: MiB times microseconds of CPU time;
* `read_char`, `write_char`, `read_bytes`, `write_bytes`, `cancelled_write_bytes`: bytes, which the
  kernel rounds down to whole KiB, as it does (to multiples of 1024) the counts `read_syscalls` and
  `write_syscalls`: /proc/PID/io is exact;
* the others: counts, numbers and `ac_comm`, the command's name as text.

The kernel states a version in the first two bytes. Up to 14 each version added fields at the end;
15 put the largest and smallest delay behind each total, in the middle; 16 moved those to the end,
after the fields of 14.
"""

from __future__ import annotations

import functools
import struct
import typing as t

from ..errors import NetlinkDecodeError

OLDEST, NEWEST = 8, 16

DELAYS = ("cpu", "blkio", "swapin", "freepages", "thrashing", "compact", "wpcopy", "irq")

Rows = t.Tuple[t.Tuple[str, str], ...]  # name, and struct's code with the padding before it


def _counters(*names: str) -> Rows:
    return tuple((name, "Q") for name in names)


def _delay(name: str) -> Rows:
    return _counters(f"{name}_count", f"{name}_delay_total")


def _peaks(name: str) -> Rows:
    return _counters(f"{name}_delay_max", f"{name}_delay_min")


BASE: Rows = (
    (("version", "H"), ("ac_exitcode", "2xI"), ("ac_flag", "B"), ("ac_nice", "b6x"))
    + _delay("cpu")
    + _delay("blkio")
    + _delay("swapin")
    + _counters("cpu_run_real_total", "cpu_run_virtual_total")
    + (("ac_comm", "32s"), ("ac_sched", "B7x"))
    + (("ac_uid", "I"), ("ac_gid", "I"), ("ac_pid", "I"), ("ac_ppid", "I"), ("ac_btime", "I4x"))
    + _counters("ac_etime", "ac_utime", "ac_stime", "ac_minflt", "ac_majflt")
    + _counters("coremem", "virtmem", "hiwater_rss", "hiwater_vm")
    + _counters("read_char", "write_char", "read_syscalls", "write_syscalls")
    + _counters("read_bytes", "write_bytes", "cancelled_write_bytes")
    + _counters("nvcsw", "nivcsw", "ac_utimescaled", "ac_stimescaled", "cpu_scaled_run_real_total")
    + _delay("freepages")
)

ADDED: dict[int, Rows] = {
    9: _delay("thrashing"),
    10: _counters("ac_btime64"),
    11: _delay("compact"),
    12: (("ac_tgid", "I4x"),) + _counters("ac_tgetime", "ac_exe_dev", "ac_exe_inode"),
    13: _delay("wpcopy"),
    14: _delay("irq"),
    16: sum((_peaks(name) for name in DELAYS), ()),
}

# What the kernel adds up for a thread group, ended threads with it. It leaves the other fields of such an answer at
# zero, but for the largest and smallest delays, which are those of whichever thread it came to last, and so of no use.
GROUP_FIELDS = frozenset(
    ["version", "cpu_run_real_total", "cpu_run_virtual_total", "cpu_scaled_run_real_total"]
    + ["ac_etime", "ac_utime", "ac_stime", "nvcsw", "nivcsw"]
    + [name for kind in DELAYS for name, _code in _delay(kind)]
)


def rows(version: int) -> Rows:
    """The fields of a version, in their order; of a version unknown here, those known."""
    added = [more for since, more in sorted(ADDED.items()) if since <= version]
    found = sum(added, BASE)
    return _with_peaks_inside(found) if version == 15 else found


def _with_peaks_inside(plain: Rows) -> Rows:
    out: list[tuple[str, str]] = []
    for row in plain:
        out.append(row)
        if row[0].endswith("_delay_total"):
            out += _peaks(row[0][: -len("_delay_total")])
    return tuple(out)


@functools.lru_cache(maxsize=None)
def _compiled(version: int) -> tuple[tuple[str, ...], struct.Struct]:
    names, codes = zip(*rows(version))
    return names, struct.Struct("=" + "".join(codes))


def decode(data: bytes, start: int, end: int) -> dict[str, t.Any]:
    """A struct taskstats as a dictionary with the fields of the version that it states.

    Raises NetlinkDecodeError for versions before 8 (Linux 2.6.33) and for fewer bytes than the
    version has.
    """
    if end - start < 2:
        raise NetlinkDecodeError(f"a taskstats structure of {end - start} bytes")
    version = struct.unpack_from("=H", data, start)[0]
    if version < OLDEST:
        raise NetlinkDecodeError(f"taskstats version {version}; known are {OLDEST} and newer")
    names, shape = _compiled(min(version, NEWEST))
    if end - start < shape.size:
        raise NetlinkDecodeError(f"taskstats version {version} of {end - start} bytes, {shape.size} wanted")
    stats = dict(zip(names, shape.unpack_from(data, start)))
    stats["ac_comm"] = stats["ac_comm"].split(b"\0", 1)[0].decode("utf-8", "backslashreplace")
    return stats


def decode_group(data: bytes, start: int, end: int) -> dict[str, t.Any]:
    """A struct taskstats of a thread group: only the fields that the kernel fills for one."""
    return {name: value for name, value in decode(data, start, end).items() if name in GROUP_FIELDS}
