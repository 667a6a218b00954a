# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a check came to, and the table and the line that `make test` ends with."""

from __future__ import annotations

from typing import Iterable, NamedTuple

NAMED = 2  # skipped checks named on one line; the logs name them all
PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


class Outcome(NamedTuple):
    """One check: a linter, a sanity test on one Python, a unit test, a target in one place."""

    name: str
    status: str
    note: str = ""


class Stage(NamedTuple):
    """A named series of checks and the seconds it took."""

    name: str
    outcomes: list[Outcome]
    seconds: float

    def count(self, status: str) -> int:
        return sum(outcome.status == status for outcome in self.outcomes)


def verdict(name: str, good: bool, note: str = "") -> Outcome:
    return Outcome(name, PASSED if good else FAILED, note)


def table(stages: Iterable[Stage]) -> str:
    lines = [f"{'stage':<22}{'passed':>8}{'failed':>8}{'skipped':>9}{'time':>9}"]
    lines += [
        f"{stage.name:<22}{stage.count(PASSED):>8}{stage.count(FAILED):>8}"
        f"{stage.count(SKIPPED):>9}{stage.seconds:>7.0f} s"
        for stage in stages
    ]
    return "\n".join(lines)


def failures(stages: Iterable[Stage]) -> list[str]:
    """A line for each check that failed."""
    return [
        f"failed: {stage.name}: {outcome.name}" + (f" ({outcome.note})" if outcome.note else "")
        for stage in stages
        for outcome in stage.outcomes
        if outcome.status == FAILED
    ]


def omissions(stages: Iterable[Stage]) -> list[str]:
    """What was skipped: a line for each reason, with some of the checks it held back."""
    groups: dict[tuple[str, str], list[str]] = {}
    for stage in stages:
        for outcome in stage.outcomes:
            if outcome.status == SKIPPED:
                groups.setdefault((stage.name, outcome.note), []).append(outcome.name)
    return [f"skipped: {stage}: {_names(names)} ({note})" for (stage, note), names in groups.items()]


def _names(names: list[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def total(stages: Iterable[Stage]) -> tuple[str, bool]:
    """The closing line, and whether it is a success: something passed and nothing failed."""
    stages = list(stages)
    passed, failed, skipped = (sum(stage.count(status) for stage in stages) for status in (PASSED, FAILED, SKIPPED))
    return f"{passed} passed, {failed} failed, {skipped} skipped", passed > 0 and failed == 0
