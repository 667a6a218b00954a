# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The states but `committed`: transactions that are begun, confirmed, dropped, rolled back and recovered."""

from __future__ import annotations

import time
import typing as t

from . import deadman, recovery, transaction
from .capture import capture
from .failures import Refused
from .lock import locked
from .planning import Result, Task, found_again, still_begun, together, wanted_of
from .settling import diff_of, give_up, settle
from .transaction import NoSuchTransaction, Transaction


def _begun(task: Task) -> Result:
    wanted = wanted_of(task.params)
    if task.check:
        return {"changed": False, "transaction": task.params.get("transaction"), **task.plan(wanted).told()}
    with locked(task.folder):
        if task.params.get("transaction"):
            mine = still_begun(task)
            wanted = together(mine.about("begun")["wanted"], wanted)
            plan = task.plan(wanted)
        else:
            plan = task.plan(wanted)  # what is wrong is told before anything is begun
            mine = transaction.create(task.folder)
        with mine:
            mine.journal.mend()
            told = plan.told()
            mine.journal.append("begun", at=time.time(), wanted=wanted, netns=task.netns, told=told)
            return {"changed": False, "transaction": mine.uuid, **told}


def _dropped(task: Task) -> Result:
    try:
        mine = task.find()
    except NoSuchTransaction:
        return {"changed": False, "transaction": task.params["transaction"]}
    with mine:
        if mine.stage not in ("", "begun") and not mine.over and not mine.stuck:
            raise Refused(f"transaction {mine.uuid} has been applied: state rolled_back takes it back")
        if not task.check:
            with locked(task.folder):
                mine.forget()
        return {"changed": True, "transaction": mine.uuid}


def _confirmed(task: Task) -> Result:
    with task.find() as mine:
        if mine.last("guarded") is None:
            raise Refused(f"transaction {mine.uuid} was not committed with confirm_timeout: nothing is to be confirmed")
        if task.check:
            return {"changed": True, "transaction": mine.uuid, **_applied(mine)}
        _await_applied(mine)
        with locked(task.folder):
            mine.journal.mend()
            _refuse_failed(task, mine)
            proof = _proof(mine)
            if proof and proof != task.params.get("proof"):
                return {"changed": False, "transaction": mine.uuid, "pending": True, "proof": proof}
            mine.journal.append("confirmed", at=time.time())
        deadman.dismiss(mine)
        with locked(task.folder):
            mine.forget()
        asked = mine.picture("after")
        return {
            "changed": True,
            "transaction": mine.uuid,
            **_applied(mine),
            **found_again(capture(task.channel), asked),
        }


def _proof(mine: Transaction) -> str:
    """What shows that our answers get out since the change; "" where the commit itself was answered after it.

    Who asks to confirm may have come in before the guard made the changes of a detached commit, by a way on which
    nothing gets out any more.
    """
    detached = mine.about("guarded").get("detached")
    return mine.about("applied").get("proof", "") if detached else ""


def _await_applied(mine: Transaction) -> None:
    """The guard makes the changes of a detached commit; it is given the time that it has."""
    while mine.stage in ("guarded", "wave") and deadman.left(mine) > 0 and deadman.alive(mine):
        time.sleep(0.05)
        mine.journal.read()


def _refuse_failed(task: Task, mine: Transaction) -> None:
    """Raises Refused for a transaction that is no longer to be confirmed, and clears it away."""
    if mine.stage == "applied":
        return
    diffs = {"diff": diff_of(mine), "rolled_back": True, "transaction": mine.uuid}
    if mine.stage == "failed":
        failed = mine.about("failed")
        give_up(mine)
        raise Refused(failed["error"], **diffs)
    if mine.stage == "rolled_back":
        why = mine.about("rolled_back")["why"]
        deadman.dismiss(mine)
        mine.forget()
        raise Refused(f"transaction {mine.uuid} was rolled back: {why}", why=why, **diffs)
    raise Refused(f"transaction {mine.uuid} has not been applied ({mine.stage})", **{**diffs, "rolled_back": False})


def _applied(mine: Transaction) -> Result:
    prepared, applied = mine.about("prepared"), mine.about("applied")
    told: Result = {name: prepared[name] for name in ("review", "plan_sha", "diff") if name in prepared}
    return {**told, **{name: applied[name] for name in ("timings", "meanwhile") if name in applied}}


def _rolled_back(task: Task) -> Result:
    with task.find() as mine:
        back = _backwards(diff_of(mine))
        result: Result = {"transaction": mine.uuid, "diff": back, "why": "this was asked for"}
        if task.check:
            return {**result, "changed": mine.changed_something and mine.stage != "rolled_back"}
        with locked(task.folder):
            mine.journal.mend()
            changed = mine.changed_something and mine.stage not in ("rolled_back", "failed")
            if not mine.over:
                recovery.roll_back(task.channel, mine, result["why"])
        deadman.dismiss(mine)
        with locked(task.folder):
            mine.forget()
        return {**result, "changed": changed, "why": (mine.about("rolled_back") or mine.about("failed")).get("why", "")}


def _backwards(forth: Result) -> Result:
    return {"before": forth["after"], "after": forth["before"]}


def _recovered(task: Task) -> Result:
    ended: list[Result] = []
    waiting: list[str] = []
    if task.check:
        found = transaction.find_all(task.folder)
        return {"changed": any(mine.stage != "begun" for mine in found), "recovered": [], "waiting": []}
    with locked(task.folder):
        for mine in transaction.find_all(task.folder):
            with mine:
                done = settle(task, mine) if mine.stage != "begun" else None
                if done:
                    ended.append(done)
                elif mine.stage == "begun" or not mine.over:
                    waiting.append(mine.uuid)
    back = [one["diff"] for one in ended if one["outcome"] == "rolled_back"]
    text = {side: "".join(_backwards(one)[side] for one in back) for side in ("before", "after")}
    return {"changed": bool(back), "recovered": ended, "waiting": waiting, "diff": text}


STATES: dict[str, t.Callable[[Task], Result]] = {
    "begun": _begun,
    "confirmed": _confirmed,
    "dropped": _dropped,
    "rolled_back": _rolled_back,
    "recovered": _recovered,
}
