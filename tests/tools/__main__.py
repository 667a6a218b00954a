# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps behind the Makefile: `python3 tests/tools STEP ...`."""

from __future__ import annotations

import argparse
import sys
import time

from integration import integration
from lint import lint
from outcome import FAILED, SKIPPED, Outcome, Stage, remarks, table, total, verdict
from prepare import GUEST, announce, prepare
from process import Stop, interrupt_on_signals, say
from sanity import sanity
from units import units

STAGES = {
    "lint": lint,
    "units": units,
    "sanity": sanity,
    "integration": integration,
}  # cheap ones first


def check(names: list[str]) -> int:
    """Run the stages, all of them whatever fails, and close with the table and the counts."""
    began = time.monotonic()
    announce("prepare")
    prepare(GUEST)
    stages = [_stage(name) for name in names]
    closing, good = total(stages)
    say("\n".join(["", *remarks(stages, SKIPPED), *remarks(stages, FAILED), "", table(stages), ""]))
    say(f"all stages: {time.monotonic() - began:.0f} s")
    say(closing)
    return 0 if good else 1


def _stage(name: str) -> Stage:
    announce(name)
    began = time.monotonic()
    try:
        outcomes: list[Outcome] = STAGES[name]()
    except Stop as stop:
        say(f"  {stop}")
        outcomes = [verdict(name, False, str(stop))]
    if not outcomes:
        outcomes = [verdict(name, False, "no test ran")]
    return Stage(name, outcomes, time.monotonic() - began)


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests/tools", description=__doc__)
    parser.add_argument("step", choices=["test", *STAGES])
    step = parser.parse_args().step
    interrupt_on_signals()
    try:
        return check(list(STAGES) if step == "test" else [step])
    except Stop as stop:
        say(f"stopped: {stop}")
        return 1
    except KeyboardInterrupt:
        say("\ninterrupted: what had been started has been ended")
        return 130


if __name__ == "__main__":
    sys.exit(main())
