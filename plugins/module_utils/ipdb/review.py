# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan as it is shown before it is carried out: its review, its diff, and the sum by which it is known again."""

from __future__ import annotations

import hashlib
import typing as t

from .step import Step, Waves

Told = t.Tuple[Step, str, str, str]


def told_of(waves: Waves) -> list[Told]:
    """Each step, in order, with the name of its object and the object's lines before and after."""
    if not _latest or _latest[0][0] is not waves:
        _latest[:] = [(waves, _told(waves))]
    return _latest[0][1]


def _told(waves: Waves) -> list[Told]:
    if not waves:
        return []
    tell = waves[0][0].lines.teller()  # the steps of a plan have their lines in common
    return [(step, *tell(step.table, step.key)) for wave in waves for step in wave]


# A plan is told before it is carried out, and again with what each wave took.
_latest: list[tuple[Waves, list[Told]]] = []


def review(told: t.Iterable[Told]) -> list[str]:
    """What will be done, in order, one line a change, with what it interrupts and what the kernel takes along."""
    lines = []
    for step, what, _before, _after in told:
        notes = [step.interrupts] if step.interrupts else []
        if step.effects:
            notes += [f"takes along: {line}" for line in _others(step)]
        said = f"{what}: {step.how}"
        lines.append(f"{said} ({'; '.join(notes)})" if notes else said)
    return lines


def _others(step: Step) -> list[str]:
    """The objects that go with the step's own; what lies on the link itself, its line shows."""
    named = [step.lines.told(*place)[:2] for place in step.effects]
    return [line or what for what, line in dict.fromkeys(named) if what != step.what]


def diff(told: t.Iterable[Told]) -> dict[str, str]:
    """`before` and `after` as Ansible shows them: one canonical line for each object that changes."""
    named = {}
    for step, what, before, after in told:
        named[what] = before, after
        for place in step.effects:
            other, was, then = step.lines.told(*place)
            named[other] = was, then
    changed = [pair for pair in named.values() if pair[0] != pair[1]]
    return {"before": _text(before for before, _unused in changed), "after": _text(after for _unused, after in changed)}


def _text(lines: t.Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines if line)


def sum_of(told: t.Iterable[Told]) -> str:
    """SHA-256 of all that is changed, how, and at what cost: another plan, or host to begin with, has another one."""
    words: list[str] = []
    for step, what, before, after in told:
        words += (what, step.how, before, after)
        if step.interrupts or step.effects:
            words += (step.interrupts, *_others(step))
    return hashlib.sha256("\0".join(words).encode()).hexdigest()  # no text of the kernel's holds a NUL
