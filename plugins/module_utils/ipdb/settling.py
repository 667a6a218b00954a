# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Transactions that nobody carries out any more, and those that failed: taken back, finished, and cleared away."""

from __future__ import annotations

import time

from . import deadman, recovery, transaction
from .failures import Refused
from .planning import Result, Task
from .transaction import Transaction


def clear_the_way(task: Task) -> list[Result]:
    """Ends what others were killed at. Raises Refused while one waits to be confirmed."""
    ended = []
    for mine in transaction.find_all(task.folder):
        with mine:
            if mine.stage == "begun":
                continue
            done = settle(task, mine)
            if done:
                ended.append(done)
            elif not mine.over:
                seconds = deadman.left(mine)
                raise Refused(f"transaction {mine.uuid} waits to be confirmed, or rolls back in {seconds:.0f} s")
    return ended


def settle(task: Task, mine: Transaction) -> Result | None:
    """What was done about a transaction that nobody carries out any more; None if there was nothing to do."""
    watched = deadman.alive(mine)
    done = recovery.settle(task.channel, mine, watched)
    if not done and not mine.over:
        return None
    told = {"transaction": mine.uuid, "outcome": done or mine.stage, "diff": diff_of(mine)}
    if not done or done == "rolled_back":
        deadman.dismiss(mine)
    mine.forget()
    return told if done else None


def diff_of(mine: Transaction) -> Result:
    return mine.about("prepared").get("diff") or {"before": "", "after": ""}


def give_up(mine: Transaction) -> None:
    """Leaves nothing of a transaction that failed and was undone; one that is stuck keeps its journal."""
    if not mine.changed_something and not mine.over:
        mine.journal.append("failed", error="nothing was changed", stuck=[], at=time.time())
    if mine.over:
        deadman.dismiss(mine)
        mine.forget()
