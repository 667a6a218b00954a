# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan, carried out: journaled, guarded where it has to be confirmed, or (mode direct) as it comes."""

from __future__ import annotations

from . import deadman, recovery
from .apply import send
from .capture import capture
from .failures import Refused
from .planning import Plan, Result, Task, found_again
from .settling import give_up
from .transaction import Transaction


def apply(task: Task, mine: Transaction, plan: Plan) -> Result:
    told = plan.told()
    timeout = task.params.get("confirm_timeout")
    mine.prepare(task.netns, plan.before, task.params["verify_timeout"], plan.after if timeout else None, **told)
    detached = bool(timeout) and task.params["confirm"] == "reconnected"
    try:
        if timeout:
            deadman.arm(mine, task.netns, timeout, detached)
        if detached:
            left = round(deadman.left(mine), 1)
            return {**told, "pending": True, "confirm_timeout": timeout, "seconds_left": left}
        outcome = recovery.carry_out(task.channel, mine, (plan.before, plan.after))
    except BaseException:
        give_up(mine)
        raise
    if not timeout:
        mine.forget()
    return {
        **told,
        "pending": bool(timeout),
        **recovery.told_after(outcome),
        **found_again(outcome.now, plan.after),
    }


def apply_directly(task: Task, plan: Plan) -> Result:
    """Mode direct: each change as it comes, without a way back; what a failure finds done stays done."""
    for wave in plan.waves:
        for step, error in send(task.channel, wave):
            from .place import place_of

            raise Refused(f"{place_of(step, error)}{step.what}: {step.how}: {error}; what was done before it stays")
    return {**plan.told(), **found_again(capture(task.channel), plan.after)}
