# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Device-mapper compared with dmsetup, inside a guest of the testbed: python3 tests/benchmarks/devmapper.py [--write].

--session NAME   in a guest that runs already, instead of one of its own
--write          into RESULTS-devmapper.md beside this file
"""

from __future__ import annotations

from in_guest import Comparison, main

HEAD = """\
# Device-mapper: speed, compared

Written by `python3 tests/benchmarks/devmapper.py --write`, measured inside the testbed's guest (QEMU in software
emulation, {kernel}, {python}) by turns with dmsetup {dmsetup}, medians of 7 rounds. Only ratios compare.

| case | ours | dmsetup's | times faster | wanted |
| --- | --- | --- | --- | --- |
"""
ROWS = (
    ("devices", "ours", 4, "300 devices: state, table, status against `info -c` + `table` + `status`"),
    ("devices", "process", None, "the same, with the start of Python and all imports"),
    ("table", "ours", 2, "4,000 targets read and compared against `table`"),
)


if __name__ == "__main__":
    main(Comparison("devmapper", "dmsetup", HEAD, ROWS), __doc__)
