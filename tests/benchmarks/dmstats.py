# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Statistics compared with dmstats, inside a guest of the testbed: python3 tests/benchmarks/dmstats.py [--write].

--session NAME   in a guest that runs already, instead of one of its own
"""

from __future__ import annotations

import argparse
import json
import pathlib
import subprocess
import sys
import tarfile
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
RESULTS = HERE / "RESULTS-dmstats.md"
TESTBED = [sys.executable, str(CHECKOUT / "tests" / "testbed" / "testbed.py")]
SENT = ("plugins/module_utils", "tests/conftest.py", "tests/benchmarks/dmstats_inside.py")
SESSION = "bench-dmstats"
INSIDE = "/opt/bench-dmstats"

HEAD = """\
# Statistics: speed, compared

Written by `python3 tests/benchmarks/dmstats.py --write`, measured inside the testbed's guest (QEMU in software
emulation, {kernel}, {python}) by turns with `dmstats report --histogram` of {dmsetup}, medians of 3 rounds. Only ratios
compare. Ours has all counters, means and percentiles of each area that counted anything.

| 10,000 areas with histograms | ours | dmstats | times faster | wanted |
| --- | --- | --- | --- | --- |
"""
ROWS = (
    ("idle", "ours", 2, "none has counted anything"),
    ("idle", "process", None, "the same, with the start of Python, imports and JSON"),
    ("busy", "ours", 2, "each has counted a request"),
    ("busy", "process", None, "the same, with the start of Python, imports and 9 MB of JSON"),
)
VERSIONS = "uname -r; python3 --version; dmsetup version | sed -n 's/Library version: *//p'"


def enter(session: str, command: str, **more: object) -> str:
    argv = [*TESTBED, "--session", session, "enter", "debian", "--", command]
    return subprocess.run(argv, stdout=subprocess.PIPE, check=True, **more).stdout.decode()


def measure(session: str) -> str:
    with tempfile.TemporaryFile() as archive:
        with tarfile.open(fileobj=archive, mode="w") as packed:
            for name in SENT:
                packed.add(CHECKOUT / name, name, filter=lambda one: None if "__pycache__" in one.name else one)
        archive.seek(0)
        enter(session, f"rm -rf {INSIDE} && mkdir -p {INSIDE} && tar -xf - -C {INSIDE}", stdin=archive)
    found = json.loads(enter(session, f"python3 {INSIDE}/tests/benchmarks/dmstats_inside.py").splitlines()[-1])
    kernel, python, dmsetup = enter(session, VERSIONS).splitlines()
    lines = [HEAD.format(kernel=f"Linux {kernel}", python=python, dmsetup=dmsetup)]
    for case, ours, wanted, words in ROWS:
        mine, theirs = found[case][ours], found[case]["dmstats"]
        ratio = theirs / mine
        verdict = "-" if wanted is None else f">= {wanted} {'met' if ratio >= wanted else 'MISSED'}"
        lines.append(f"| {words} | {mine * 1000:.0f} ms | {theirs * 1000:.0f} ms | {ratio:.1f} | {verdict} |\n")
    return "".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--session")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    session = options.session or SESSION
    if not options.session:
        subprocess.run([*TESTBED, "--session", session, "start", "debian"], check=True)
    try:
        text = measure(session)
    finally:
        if not options.session:
            subprocess.run([*TESTBED, "--session", session, "stop"], check=True)
    print(text, end="")
    if options.write:
        RESULTS.write_text(text)


if __name__ == "__main__":
    main()
