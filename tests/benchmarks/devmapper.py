# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Device-mapper compared with dmsetup, inside a guest of the testbed: python3 tests/benchmarks/devmapper.py [--write].

--session NAME   in a guest that runs already, instead of one of its own
--write          into RESULTS-devmapper.md beside this file
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
RESULTS = HERE / "RESULTS-devmapper.md"
TESTBED = [sys.executable, str(CHECKOUT / "tests" / "testbed" / "testbed.py")]
SENT = ("plugins/module_utils", "tests/conftest.py", "tests/benchmarks/devmapper_inside.py")
SESSION = "bench-devmapper"
INSIDE = "/opt/bench-devmapper"

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
    found = json.loads(enter(session, f"python3 {INSIDE}/tests/benchmarks/devmapper_inside.py").splitlines()[-1])
    kernel, python, dmsetup = enter(session, VERSIONS).splitlines()
    lines = [HEAD.format(kernel=f"Linux {kernel}", python=python, dmsetup=dmsetup)]
    for case, ours, wanted, words in ROWS:
        mine, theirs = found[case][ours], found[case]["dmsetup"]
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
