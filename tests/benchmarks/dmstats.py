# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Statistics compared with dmstats, inside a guest of the testbed: python3 tests/benchmarks/dmstats.py [--write].

--session NAME   in a guest that runs already, instead of one of its own
"""

from __future__ import annotations

from in_guest import Comparison, main

HEAD = """\
# Statistics: speed, compared

Written by `python3 tests/benchmarks/dmstats.py --write`, measured inside the testbed's guest (QEMU in software
emulation, {kernel}, {python}) by turns with `dmstats report --histogram` of {dmsetup}, medians of 3 rounds. Only ratios
compare. Ours has all counters, means and percentiles of each area that counted anything; dmstats writes utilization,
mean wait and histogram.

| 10,000 areas with histograms | ours | dmstats | times faster | wanted |
| --- | --- | --- | --- | --- |
"""
ROWS = (
    ("idle", "ours", 2, "none has counted anything"),
    ("idle", "process", None, "the same, with the start of Python, imports and JSON"),
    ("busy", "ours", 2, "each has counted a request"),
    ("busy", "process", None, "the same, with the start of Python, imports and 9 MB of JSON"),
    ("precise", "ours", 2, "each has counted a request, in nanoseconds: no two alike"),
    ("precise", "process", None, "the same, with the start of Python, imports and JSON"),
)


if __name__ == "__main__":
    main(Comparison("dmstats", "dmstats", HEAD, ROWS), __doc__)
