# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state `committed`: what is wanted is planned, and carried out where something is left to do."""

from __future__ import annotations

from . import transaction
from .failures import Refused
from .lock import locked
from .planning import Result, Task, found_again, planned


def committed(task: Task) -> Result:
    named = task.params.get("transaction")
    if task.params["mode"] == "explicit" and not named:
        raise Refused("mode: explicit commits what was begun before: transaction has to name it")
    if task.check:
        return _foretold(task)
    with locked(task.folder):
        ended = _ended(task)
        plan = planned(task)
        result = {"recovered": ended} if ended else {}
        if not plan.waves:
            _forget_begun(task)
            return {
                **result,
                "changed": False,
                "transaction": named,
                "pending": False,
                **plan.told(),
                **found_again(plan.before, plan.after),
            }
        from .applying import apply, apply_directly

        if task.params["mode"] == "direct":
            return {**result, "changed": True, "transaction": None, "pending": False, **apply_directly(task, plan)}
        mine = task.find() if named else transaction.create(task.folder)
        with mine:
            return {**result, "changed": True, "transaction": mine.uuid, **apply(task, mine, plan)}


def _ended(task: Task) -> list[Result]:
    """What became of the transactions that are there."""
    if not transaction.names(task.folder):
        return []
    from .settling import clear_the_way

    return clear_the_way(task)


def _foretold(task: Task) -> Result:
    plan = planned(task)
    return {
        "changed": bool(plan.waves),
        "transaction": task.params.get("transaction"),
        "pending": False,
        **plan.told(),
        **found_again(plan.before, plan.after),
    }


def _forget_begun(task: Task) -> None:
    if task.params.get("transaction"):
        with task.find() as mine:
            mine.forget()
