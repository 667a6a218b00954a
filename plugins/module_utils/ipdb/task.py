# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An `ipdb_txn` task from its parameters to its result; one function for each state."""

from __future__ import annotations

import errno
import os
import time
import typing as t

from ..netlink.channel import NetlinkSocket
from ..netlink.errors import NoSuchNamespace
from . import deadman, recovery, transaction
from .apply import TransactionFailed, send
from .capture import capture
from .collecting import uncollected
from .difference import Impossible, difference
from .lock import BASE, folder_of, locked
from .picture import KEYS, Object, Picture
from .review import diff, review, sum_of, told_of
from .spec import WANTED
from .step import Waves
from .transaction import NoSuchTransaction, Transaction
from .wanted import desired


class Refused(Exception):
    """What a task asks for is not done. `details` is what its failure tells beside the sentence."""

    def __init__(self, sentence: str, **details: t.Any) -> None:
        super().__init__(sentence)
        self.details = details


FAILURES = (Refused, Impossible, TransactionFailed, recovery.NotRolledBack, LookupError, OSError, ValueError)

Params = t.Mapping[str, t.Any]
Result = t.Dict[str, t.Any]
LONGEST = 86400  # seconds; nobody waits a day to see whether a change was right
LISTS = [name for name, about in WANTED.items() if about.get("elements") == "dict"]
# By option: the states that it says something to.
SAYS_TO = {
    **dict.fromkeys([*LISTS, "protect"], ("committed", "begun")),
    **dict.fromkeys(["plan_sha", "confirm_timeout", "confirm_host"], ("committed",)),
    "transaction": ("committed", "begun", "confirmed", "dropped", "rolled_back"),
    "proof": ("confirmed",),
}


class Plan(t.NamedTuple):
    before: Picture
    after: Picture
    waves: Waves

    def told(self) -> Result:
        told = told_of(self.waves)
        return {"review": review(told), "plan_sha": sum_of(told), "diff": diff(told)}


class Task:
    """One task on one network namespace."""

    def __init__(self, params: Params, check: bool, channel: NetlinkSocket) -> None:
        self.params, self.check, self.channel = params, check, channel
        self.netns = params.get("netns")
        self.folder = folder_of(self.netns)

    def plan(self, wanted: Params) -> Plan:
        before = capture(self.channel)
        after = desired(before, {**wanted, "netns": self.netns, **self._way_in(before, wanted)})
        return Plan(before, after, difference(before, after))

    def _way_in(self, before: Picture, wanted: Params) -> Result:
        """What an exact scope has to spare: the links that carry the connection that we are asked by, and its rules."""
        if wanted["scope"] != "exact" or self.netns is not None:
            return {}
        from .connection import carrying, ends

        found = carrying(self.channel, before, *ends())
        return {"carrying": found.links, "carrying_rules": found.rules}

    def find(self) -> Transaction:
        """The transaction that the task names. Raises Refused without a name, NoSuchTransaction."""
        if not self.params.get("transaction"):
            raise Refused(f"transaction: which one is to be {self.params['state']}?")
        return transaction.find(self.folder, self.params["transaction"])


@uncollected
def run(params: Params, check: bool) -> Result:
    """The result of the task, with its `diff`. Raises FAILURES."""
    _check_sense(params)
    check = check or params["mode"] == "snapshot"
    try:
        with NetlinkSocket(netns=params.get("netns")) as channel:
            return STATES[params["state"]](Task(params, check, channel))
    except (PermissionError, NoSuchNamespace) as error:
        if not os.geteuid() or error.errno not in (errno.EPERM, errno.EACCES):
            raise
        what = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
        raise Refused(f"root is needed (CAP_NET_ADMIN, and {BASE} for transactions): {what}") from None


def _wanted(params: Params) -> Result:
    return {name: params.get(name) for name in WANTED}


def _together(begun: Params, more: Params) -> Result:
    """What a begun transaction wants and what a later task adds to it."""
    joined: Result = {}
    for name in LISTS:
        lists = [one[name] for one in (begun, more) if one.get(name) is not None]
        joined[name] = [item for items in lists for item in items] if lists else None
    protect = [*(begun.get("protect") or ()), *(more.get("protect") or ())]
    exact = "exact" in (begun.get("scope"), more.get("scope"))
    return {**joined, "protect": protect, "scope": "exact" if exact else "listed"}


# Begun and dropped


def _begun(task: Task) -> Result:
    wanted = _wanted(task.params)
    if task.check:
        return {"changed": False, "transaction": task.params.get("transaction"), **task.plan(wanted).told()}
    with locked(task.folder):
        if task.params.get("transaction"):
            mine = _still_begun(task)
            wanted = _together(mine.about("begun")["wanted"], wanted)
            plan = task.plan(wanted)
        else:
            plan = task.plan(wanted)  # what is wrong is told before anything is begun
            mine = transaction.create(task.folder)
        with mine:
            mine.journal.mend()
            told = plan.told()
            mine.journal.append("begun", at=time.time(), wanted=wanted, netns=task.netns, told=told)
            return {"changed": False, "transaction": mine.uuid, **told}


def _still_begun(task: Task) -> Transaction:
    mine = task.find()
    if mine.stage != "begun":
        mine.journal.close()
        raise Refused(f"transaction {mine.uuid} is {mine.stage} already")
    return mine


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


# Committed


def _committed(task: Task) -> Result:
    named = task.params.get("transaction")
    if task.params["mode"] == "explicit" and not named:
        raise Refused("mode: explicit commits what was begun before: transaction has to name it")
    if task.check:
        return _foretold(task)
    with locked(task.folder):
        ended = clear_the_way(task)
        plan = _planned(task)
        result = {"recovered": ended} if ended else {}
        if not plan.waves:
            _forget_begun(task)
            return {
                **result,
                "changed": False,
                "transaction": named,
                "pending": False,
                **plan.told(),
                **_found(plan.before, plan.after),
            }
        if task.params["mode"] == "direct":
            return {**result, "changed": True, "transaction": None, "pending": False, **_apply_directly(task, plan)}
        mine = task.find() if named else transaction.create(task.folder)
        with mine:
            return {**result, "changed": True, "transaction": mine.uuid, **_apply(task, mine, plan)}


def _planned(task: Task) -> Plan:
    """The plan for what the task, and the transaction that it names, want. Raises Refused for another `plan_sha`."""
    wanted = _wanted(task.params)
    if task.params.get("transaction"):
        with _still_begun(task) as mine:
            wanted = _together(mine.about("begun")["wanted"], wanted)
    plan = task.plan(wanted)
    expected = task.params.get("plan_sha")
    if expected and expected != sum_of(told_of(plan.waves)):
        told = plan.told()
        raise Refused("plan_sha: the host is not as it was when the plan was reviewed; nothing was changed", **told)
    return plan


def _foretold(task: Task) -> Result:
    plan = _planned(task)
    return {
        "changed": bool(plan.waves),
        "transaction": task.params.get("transaction"),
        "pending": False,
        **plan.told(),
        **_found(plan.before, plan.after),
    }


def _forget_begun(task: Task) -> None:
    if task.params.get("transaction"):
        with task.find() as mine:
            mine.forget()


def clear_the_way(task: Task) -> list[Result]:
    """Ends what others were killed at. Raises Refused while one waits to be confirmed."""
    ended = []
    for mine in transaction.find_all(task.folder):
        with mine:
            if mine.stage == "begun":
                continue
            done = _settle(task, mine)
            if done:
                ended.append(done)
            elif not mine.over:
                seconds = deadman.left(mine)
                raise Refused(f"transaction {mine.uuid} waits to be confirmed, or rolls back in {seconds:.0f} s")
    return ended


def _settle(task: Task, mine: Transaction) -> Result | None:
    """What was done about a transaction that nobody carries out any more; None if there was nothing to do."""
    watched = deadman.alive(mine)
    done = recovery.settle(task.channel, mine, watched)
    if not done and not mine.over:
        return None
    told = {"transaction": mine.uuid, "outcome": done or mine.stage, "diff": _diff_of(mine)}
    if not done or done == "rolled_back":
        deadman.dismiss(mine)
    mine.forget()
    return told if done else None


def _diff_of(mine: Transaction) -> Result:
    return mine.about("prepared").get("diff") or {"before": "", "after": ""}


def _apply(task: Task, mine: Transaction, plan: Plan) -> Result:
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
        **_found(outcome.now, plan.after),
    }


def _apply_directly(task: Task, plan: Plan) -> Result:
    """Mode direct: each change as it comes, without a way back; what a failure finds done stays done."""
    for wave in plan.waves:
        for step, error in send(task.channel, wave):
            from .place import place_of

            raise Refused(f"{place_of(step, error)}{step.what}: {step.how}: {error}; what was done before it stays")
    return {**plan.told(), **_found(capture(task.channel), plan.after)}


def _check_sense(params: Params) -> None:
    """Options that would be ignored, and times. Raises Refused."""
    state, timeout = params["state"], params.get("confirm_timeout")
    for option, states in SAYS_TO.items():
        if state not in states and params.get(option):
            raise Refused(f"{option}: says nothing to state {state}, only to {', '.join(states)}")
    for option in ("confirm_host", "confirm"):
        if timeout is None and params.get(option) not in (None, "", "reconnected"):
            raise Refused(f"{option}: nothing is to be confirmed without confirm_timeout")
    if params["verify_timeout"] < 0:
        raise Refused(f"verify_timeout: takes 0 and more seconds, not {params['verify_timeout']}")
    if timeout is not None and not 1 <= timeout <= LONGEST:
        raise Refused(f"confirm_timeout: takes 1 to {LONGEST} seconds, not {timeout}")
    if timeout is not None and params["mode"] == "direct":
        raise Refused("confirm_timeout: mode direct keeps no way back that could be taken")


def give_up(mine: Transaction) -> None:
    """Leaves nothing of a transaction that failed and was undone; one that is stuck keeps its journal."""
    if not mine.changed_something and not mine.over:
        mine.journal.append("failed", error="nothing was changed", stuck=[], at=time.time())
    if mine.over:
        deadman.dismiss(mine)
        mine.forget()


def _found(now: Picture, wanted: Picture) -> Result:
    """What the task speaks of, as it is in the kernel."""
    tables, said = {name: now.table(name) for name in KEYS}, wanted.said
    network: dict[str, list[t.Any]] = {name: [] for name in KEYS}
    for place in wanted.places:
        table, key = place
        one = tables[table].get(key)
        if one is not None:
            network[table].append(one if table != "links" else _shown(one, said.get(place, ())))
    return {"network": {table: found for table, found in network.items() if found}}


def _shown(link: Object, said: t.Iterable[str]) -> Object:
    """A link with those options of its kind, and as a port, that the task says: of a bridge there are 40 more."""
    shown = {field: value for field, value in link.items() if field not in ("options", "port")}
    for field in sorted(said):
        part, _dot, option = field.partition(".")
        if option and option in link.get(part, ()):
            shown.setdefault(part, {})[option] = link[part][option]
    return shown


# Confirmed, rolled back, recovered


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
        return {"changed": True, "transaction": mine.uuid, **_applied(mine), **_found(capture(task.channel), asked)}


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
    diffs = {"diff": _diff_of(mine), "rolled_back": True, "transaction": mine.uuid}
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
        back = _backwards(_diff_of(mine))
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
                done = _settle(task, mine) if mine.stage != "begun" else None
                if done:
                    ended.append(done)
                elif mine.stage == "begun" or not mine.over:
                    waiting.append(mine.uuid)
    back = [one["diff"] for one in ended if one["outcome"] == "rolled_back"]
    text = {side: "".join(_backwards(one)[side] for one in back) for side in ("before", "after")}
    return {"changed": bool(back), "recovered": ended, "waiting": waiting, "diff": text}


STATES: dict[str, t.Callable[[Task], Result]] = {
    "begun": _begun,
    "committed": _committed,
    "confirmed": _confirmed,
    "dropped": _dropped,
    "rolled_back": _rolled_back,
    "recovered": _recovered,
}
