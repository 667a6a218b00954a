# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A `lago_prefix` task from its parameters to its result."""

from __future__ import annotations

import json
import os
import typing as t

from ..hypervisor.errors import KvmError
from ..plan import Change, ChangeFailed, NotConverged, Plan
from .errors import LagoError
from .host_options import HOST, settings
from .prefix import Prefix
from .progress import Progress

FAILURES = (LagoError, KvmError, ChangeFailed, NotConverged, OSError)

QUICK = 0.5  # seconds for each look at a lab that has nothing to be done

Params = t.Mapping[str, t.Any]
Result = t.Dict[str, t.Any]
Conf = t.Dict[str, t.Any]


class Task(t.NamedTuple):
    """`given`: the init file, None where the task has none."""

    prefix: Prefix
    params: Params
    given: Conf | None
    check: bool


def run(params: Params, check: bool, hide: t.Callable[[str], None]) -> Result:
    """`changed`, `diff`, `changes`, `pending` and `prefix`. `hide` is told every password. Raises FAILURES."""
    progress = Progress(params["progress"] or "")
    try:
        given = _given(params)
        for password in _passwords(given):
            hide(password)
        with Prefix(params["path"], settings(params), progress) as prefix:
            return _result(Task(prefix, params, given, check))
    finally:
        progress.over()


def failure(error: Exception) -> Result:
    """What a task says that failed; of VMs that are not ready, what is known of them."""
    evidence = [dict(one._asdict()) for one in getattr(error, "evidence", ())]
    return {"msg": str(error), **({"evidence": evidence} if evidence else {})}


def _result(task: Task) -> Result:
    prefix = task.prefix
    plan, pending = STATES[task.params["state"]](task)
    found = None
    if prefix.initialized():
        from .status import of_prefix

        found = of_prefix(prefix)
    return {
        "changed": bool(plan),
        "diff": plan.diff(),
        "changes": plan.review(),
        "pending": pending,
        "prefix": found,
    }


# A lab as it is described

Outcome = t.Tuple[Plan, bool]  # what was done, or in check mode would be; whether anything is left to do or wait for


def _converged(task: Task) -> Outcome:
    prefix, params = task.prefix, task.params
    wish = {
        "state": params["state"],
        "conf": task.given,
        "vms": params["vms"],
        "template_repo": params["template_repo"],
        "init_file": os.path.dirname(params["init_file"] or ""),
    }
    plan = prefix.plan(**wish)
    due = bool(plan) or bool(prefix.standing().action)
    if due and not task.check:
        if params["state"] == "absent":
            prefix.progress.expect(len(plan.changes))  # of all else, the core knows better
        plan = prefix.converge(**wish)
    return plan, due and task.check


def _started(task: Task) -> Outcome:
    """As it is described, and ready."""
    how, prefix = task.params["wait_for"], task.prefix
    if how != "none":
        prefix.progress.expect(len(task.params["vms"] or (task.given or {}).get("domains") or ()))
    plan, pending = _converged(task)
    if how == "none" or pending:
        return plan, pending
    from . import waiting

    pattern, names = task.params["console"] or "", task.params["vms"] or prefix.virt_env.lab.domains
    vms = [vm for name, vm in prefix.virt_env.get_vms().items() if name in names]
    if task.check:
        return plan, not all(_seems_ready(waiting.steps(vm, how, pattern)) for vm in vms)
    waiting.wait_for_all(vms, how, task.params["timeout"], pattern, prefix.progress)
    return plan, False


def _seems_ready(steps: t.Iterable[t.Any]) -> bool:
    """A look at each step but a login, which an emulated guest takes a second for."""
    return all(not step.look(QUICK) for step in steps if step.name != "login")


# Its snapshots


def _snapshotted(task: Task) -> Outcome:
    name, memory, quiesce = _name(task), task.params["memory"], task.params["quiesce"]
    taken = task.prefix.virt_env.snapshots.get("taken", {})
    line = f"snapshot {name}" + ("  memory" if memory else "")
    plan = _one(name, "take", "", line) if name not in taken else _nothing()
    if plan and not task.check:
        task.prefix.create_snapshots(name, memory=memory, quiesce=quiesce)
    return plan, bool(plan) and task.check


def _reverted(task: Task) -> Outcome:
    name = _name(task)
    snapshots = task.prefix.virt_env.snapshots
    if name not in snapshots.get("taken", {}):
        raise LagoError(f"snapshot: there is no {name}; there are {', '.join(snapshots.get('taken', {})) or 'none'}")
    plan = _one(name, "go back to", f"what was written since {snapshots.get('at')}", f"snapshot {name}")
    if not task.check:
        task.prefix.revert_snapshots(name)
    return plan, task.check


def _name(task: Task) -> str:
    if task.params["snapshot"] is None:
        raise LagoError(f"snapshot: state {task.params['state']} needs its name")
    return task.params["snapshot"]


def _one(name: str, how: str, before: str, after: str) -> Plan:
    return Plan([Change(f"snapshot {name}", how, before, after, None)], _shown)


def _nothing() -> Plan:
    return Plan([], _shown)


def _shown(_actions: t.Sequence[t.Any]) -> t.Sequence[Exception | None]:
    raise LagoError("this plan was made to be shown")


STATES: t.Dict[str, t.Callable[[Task], Outcome]] = {
    "initialized": _converged,
    "started": _started,
    "stopped": _converged,
    "absent": _converged,
    "snapshotted": _snapshotted,
    "reverted": _reverted,
}

SPEC = {
    **HOST,
    "path": {"type": "path", "required": True},
    "spec": {"type": "dict", "no_log": True},
    "init_file": {"type": "path"},
    "state": {"type": "str", "choices": list(STATES), "default": "started"},
    "vms": {"type": "list", "elements": "str"},
    "wait_for": {"type": "str", "choices": ["ssh", "agent", "console", "none"], "default": "ssh"},
    "console": {"type": "str"},
    "timeout": {"type": "float", "default": 600.0},
    "template_repo": {"type": "path"},
    "snapshot": {"type": "str"},
    "memory": {"type": "bool", "default": False},
    "quiesce": {"type": "bool"},
    "progress": {"type": "path"},
}
EXCLUSIVE = [["spec", "init_file"]]


# The init file


def _given(params: Params) -> Conf | None:
    """Raises LagoError, OSError."""
    if params["init_file"] is None:
        return params["spec"]
    with open(params["init_file"], encoding="utf-8") as file:
        try:
            return json.load(file)
        except (ValueError, RecursionError) as error:
            raise LagoError(f"{params['init_file']} is no JSON: {error}") from None


def _passwords(value: t.Any, key: str = "") -> t.Iterator[str]:
    """All that an init file has under such a name, wherever that is."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _passwords(one, str(name))
    elif isinstance(value, list):
        for one in value:
            yield from _passwords(one, key)
    elif key.endswith("password") and value:
        yield str(value)
