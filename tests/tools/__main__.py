# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps behind the Makefile: `python3 tests/tools STEP ...`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Callable, Sequence

import environment
from integration import integration, integration_guest, integration_own_guest
from kernel import kernel, kernel_guest
from lanes import report, side_by_side
from libvirt import libvirt
from lint import lint
from outcome import Outcome, Stage, failures, omissions, table, total, verdict
from paths import ROOT, VENV
from prepare import GUEST, LIBVIRT, XENSTORE, need_root, prepare
from process import Stop, interrupt_on_signals, say
from publish import build, docs
from quickstart import quickstart
from sanity import sanity
from units import units
from xenstore import xenstore, xenstore_guest

Act = Callable[[argparse.Namespace], int]

# in the order of the table; `test` runs those in the guest beside the others
STAGES: dict[str, Callable[..., list[Outcome]]] = {
    "lint": lint,
    "units": units,
    "kernel": kernel,
    "xenstore": xenstore,
    "libvirt": libvirt,
    "sanity": sanity,
    "kernel-guest": kernel_guest,
    "integration": integration,
    "integration-guest": integration_guest,
    "integration-own-guest": integration_own_guest,
    "xenstore-guest": xenstore_guest,  # last, so that two guests are at work for as short as can be
}
SYSTEM = "/usr/sbin:/sbin"
ALSO = {  # stages that one is asked for with
    "kernel": ["kernel-guest"],
    "xenstore": ["xenstore-guest"],
    "integration": ["integration-guest", "integration-own-guest"],
}
NEED_GUEST = {name for names in ALSO.values() for name in names}
NEED_ROOT = {*NEED_GUEST, "kernel", "xenstore", "libvirt", "integration"}  # they make namespaces


def check(names: list[str], only: Sequence[str] = ()) -> int:
    """Run the stages, all of them whatever fails, and close with the table and the counts."""
    began = time.monotonic()
    say("== prepare")
    prepare(*_needs(names))
    stages = [_stage(name, only) for name in names] if only or len(names) == 1 else side_by_side(names)
    if not any(stage.outcomes for stage in stages):
        raise Stop(f"there is no target {' '.join(only)}")
    closing, good = total(stages)
    say("\n".join(["", *omissions(stages), *failures(stages), "", table(stages), ""]))
    say(f"all stages: {time.monotonic() - began:.0f} s")
    say(closing)
    return 0 if good else 1


def check_all(options: argparse.Namespace) -> int:
    need_root("make test")
    return check(list(STAGES))


def _needs(names: list[str]) -> list[dict[str, str]]:
    """Tables of packages, so that no two lanes install some at the same time."""
    tables = {"xenstore": XENSTORE, "libvirt": LIBVIRT}
    return [*([GUEST] if NEED_GUEST & set(names) else []), *(tables[name] for name in names if name in tables)]


def lane(to: Path, names: list[str]) -> int:
    """Run the stages one after the other and report each."""
    for name in names:
        report(to, _stage(name, ()))
    return 0


def _stage(name: str, only: Sequence[str]) -> Stage:
    say(f"\n== {name}")
    began = time.monotonic()
    try:
        if name in NEED_ROOT:
            need_root(f"make {name}")
        outcomes: list[Outcome] = STAGES[name](*only)
    except Stop as stop:
        say(f"  {stop}")
        outcomes = [verdict(name, False, str(stop))]
    if not outcomes and not only:  # of targets that are asked for a stage may have none
        outcomes = [verdict(name, False, "no test ran")]
    return Stage(name, outcomes, time.monotonic() - began)


def run_quickstart(options: argparse.Namespace) -> int:
    need_root("make run")
    say("== prepare")
    prepare(GUEST, LIBVIRT)
    quickstart(options.guests or ["debian"], options.keep)
    return 0


def bench(options: argparse.Namespace) -> int:
    """Become the comparison, which has its own progress, table and way to stop."""
    need_root("make bench")
    prepare(GUEST)
    python, script = str(VENV / "bin" / "python"), ROOT / "tests" / "benchmarks" / "run.py"
    os.execve(python, [python, str(script), *options.words], environment.tools())


def simple(act: Callable[[], None], *groups: dict[str, str]) -> int:
    prepare(*groups)
    act()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tests/tools", description=__doc__)
    steps = parser.add_subparsers(required=True, metavar="STEP")

    def step(name: str, act: Act) -> argparse.ArgumentParser:
        added = steps.add_parser(name)
        added.set_defaults(act=act)
        return added

    step("test", check_all)
    for name in STAGES:
        step(name, _checking(name)).add_argument("only", nargs="*", help="the targets meant, of `integration`")
    running = step("lane", lambda options: lane(options.report, options.stages))
    running.add_argument("report", type=Path)
    running.add_argument("stages", nargs="+", choices=list(STAGES))
    step("prepare", lambda options: simple(lambda: None, GUEST))
    step("docs", lambda options: simple(docs))
    step("build", lambda options: simple(build))
    step("bench", bench).add_argument("words", nargs="*")
    running = step("run", run_quickstart)
    running.add_argument("guests", nargs="*")
    running.add_argument("--keep", action="store_true")
    return parser


def _checking(name: str) -> Act:
    return lambda options: check([name, *ALSO.get(name, [])], options.only)


def main() -> int:
    options = _parser().parse_args()
    interrupt_on_signals()
    os.environ["PATH"] = os.environ.get("PATH", os.defpath) + os.pathsep + SYSTEM  # `su` leaves it out
    try:
        return options.act(options)
    except Stop as stop:
        say(f"stopped: {stop}")
        return 1
    except KeyboardInterrupt:
        if "stages" not in options:  # a lane leaves the last word to who started it
            say("\ninterrupted: what had been started has been ended")
        return 130


if __name__ == "__main__":
    sys.exit(main())
