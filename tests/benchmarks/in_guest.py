# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A comparison that is measured inside a guest of the testbed: sent there, run there, told as a table."""

from __future__ import annotations

import argparse
import json
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import typing as t

HERE = pathlib.Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
TESTBED = [sys.executable, str(CHECKOUT / "tests" / "testbed" / "testbed.py")]
VERSIONS = "uname -r; python3 --version; dmsetup version | sed -n 's/Library version: *//p'"

Row = t.Tuple[str, str, t.Optional[float], str]


class Comparison(t.NamedTuple):
    """`name`: of the scripts (`name`.py, `name`_inside.py) and of the results; `peer`: its key in what is measured.

    `rows`: case, which figure of ours, how many times faster it has to be (None: nobody says), and what to call it.
    """

    name: str
    peer: str
    head: str
    rows: t.Sequence[Row]


def enter(session: str, command: str, **more: object) -> str:
    argv = [*TESTBED, "--session", session, "enter", "debian", "--", command]
    return subprocess.run(argv, stdout=subprocess.PIPE, check=True, **more).stdout.decode()


def measure(comparison: Comparison, session: str) -> str:
    there, script = f"/opt/bench-{comparison.name}", f"tests/benchmarks/{comparison.name}_inside.py"
    with tempfile.TemporaryFile() as archive:
        with tarfile.open(fileobj=archive, mode="w") as packed:
            for name in ("plugins/module_utils", "tests/conftest.py", script):
                packed.add(CHECKOUT / name, name, filter=lambda one: None if "__pycache__" in one.name else one)
        archive.seek(0)
        enter(session, f"rm -rf {there} && mkdir -p {there} && tar -xf - -C {there}", stdin=archive)
    found = json.loads(enter(session, f"python3 {there}/{script}").splitlines()[-1])
    kernel, python, dmsetup = enter(session, VERSIONS).splitlines()
    lines = [comparison.head.format(kernel=f"Linux {kernel}", python=python, dmsetup=dmsetup)]
    for case, ours, wanted, words in comparison.rows:
        mine, theirs = found[case][ours], found[case][comparison.peer]
        ratio = theirs / mine
        verdict = "-" if wanted is None else f">= {wanted} {'met' if ratio >= wanted else 'MISSED'}"
        lines.append(f"| {words} | {mine * 1000:.0f} ms | {theirs * 1000:.0f} ms | {ratio:.1f} | {verdict} |\n")
    return "".join(lines)


def main(comparison: Comparison, explained: str) -> None:
    parser = argparse.ArgumentParser(description=explained, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--session")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    session = options.session or f"bench-{comparison.name}"
    if not options.session:
        subprocess.run([*TESTBED, "--session", session, "start", "debian"], check=True)
    try:
        text = measure(comparison, session)
    finally:
        if not options.session:
            subprocess.run([*TESTBED, "--session", session, "stop"], check=True)
    print(text, end="")
    if options.write:
        (HERE / f"RESULTS-{comparison.name}.md").write_text(text)
