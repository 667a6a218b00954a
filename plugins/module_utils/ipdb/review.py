# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan as it is shown before it is carried out: its review, its diff, and the sum by which it is known again."""

from __future__ import annotations

import hashlib
import typing as t

from .step import Step, Waves


def steps_of(waves: Waves) -> t.Iterator[Step]:
    for wave in waves:
        yield from wave


def review(waves: Waves) -> list[str]:
    """What will be done, in order, one line a change, with what it interrupts and what the kernel takes along."""
    lines = []
    for step in steps_of(waves):
        notes = [step.interrupts] if step.interrupts else []
        if step.effects:
            notes += [f"takes along: {line}" for line in _others(step)]
        said = f"{step.what}: {step.how}"
        lines.append(f"{said} ({'; '.join(notes)})" if notes else said)
    return lines


def _others(step: Step) -> list[str]:
    """The objects that go with the step's own; what lies on the link itself, its line shows."""
    named = [step.lines.told(*place)[:2] for place in step.effects]
    return [line or what for what, line in dict.fromkeys(named) if what != step.what]


def diff(waves: Waves) -> dict[str, str]:
    """`before` and `after` as Ansible shows them: one canonical line for each object that changes."""
    named = {}
    for step in steps_of(waves):
        for place in ((step.table, step.key), *step.effects):
            what, before, after = step.lines.told(*place)
            named[what] = before, after
    changed = [pair for pair in named.values() if pair[0] != pair[1]]
    return {"before": _text(before for before, _unused in changed), "after": _text(after for _unused, after in changed)}


def _text(lines: t.Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines if line)


def sum_of(waves: Waves) -> str:
    """SHA-256 of all that is changed and how: another plan, or another host to begin with, has another one."""
    told: list[str] = []
    for step in steps_of(waves):
        what, before, after = step.told
        told += (what, step.how, before, after)
    return hashlib.sha256("\0".join(told).encode()).hexdigest()  # no text of the kernel's holds a NUL
