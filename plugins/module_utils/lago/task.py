# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A `lago_prefix` task from its parameters to its result."""

from __future__ import annotations

import json
import typing as t

from ..hypervisor.errors import KvmError
from ..plan import ChangeFailed, NotConverged
from .errors import LagoError
from .host_options import HOST, settings
from .prefix import Prefix
from .progress import Progress
from .task_states import Conf, Outcome, Params, Task, converged, started

FAILURES = (LagoError, KvmError, ChangeFailed, NotConverged, OSError)

Result = t.Dict[str, t.Any]


def _acting(task: Task) -> Outcome:
    from . import task_actions

    return task_actions.STATES[task.params["state"]](task)


STATES: t.Dict[str, t.Callable[[Task], Outcome]] = {
    "initialized": converged,
    "started": started,
    "stopped": converged,
    "absent": converged,
    "snapshotted": _acting,
    "reverted": _acting,
    "snapshot_absent": _acting,
    "collected": _acting,
    "exported": _acting,
    "imported": _acting,
    "pruned": _acting,
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
    "copy": {
        "type": "list",
        "elements": "dict",
        "options": {"src": {"type": "path", "required": True}, "dest": {"type": "str", "required": True}},
    },
    "dest": {"type": "path"},
    "paths": {"type": "list", "elements": "str"},
    "archive": {"type": "path"},
    "standalone": {"type": "bool", "default": False},
    "compress": {"type": "str", "choices": ["gz", "xz"]},
    "new_subnets": {"type": "bool", "default": False},
    "subnet_pools": {
        "type": "list",
        "elements": "dict",
        "options": {"network": {"type": "str", "required": True}, "length": {"type": "int", "required": True}},
    },
    "memory": {"type": "bool", "default": False},
    "quiesce": {"type": "bool"},
    "progress": {"type": "path"},
}
EXCLUSIVE = [["spec", "init_file"]]


def run(params: Params, check: bool, hide: t.Callable[[str], None]) -> Result:
    """`changed`, `diff`, `changes`, `pending` and `prefix`. `hide` is told every password. Raises FAILURES."""
    progress = Progress(params["progress"] or "")
    try:
        given = _given(params)
        for password in _passwords(given):
            hide(password)
        said = {**settings(params), **_pools(params)}
        with Prefix(params["path"], said, progress) as prefix:
            return _result(Task(prefix, params, given, said, check))
    finally:
        progress.over()


def _pools(params: Params) -> dict[str, str]:
    """Where subnets are leased, as Lago's settings say it."""
    said = params["subnet_pools"]
    return {} if said is None else {"subnet_pools": ", ".join(f"{one['network']} {one['length']}" for one in said)}


def failure(error: Exception) -> Result:
    """What a task says that failed; of VMs that are not ready, what is known of them."""
    evidence = [dict(one._asdict()) for one in getattr(error, "evidence", ())]
    place = error.filename if isinstance(error, OSError) else None
    message = f"{place}: {t.cast(OSError, error).strerror}" if place else str(error)
    return {"msg": message, **({"evidence": evidence} if evidence else {})}


def _result(task: Task) -> Result:
    plan, pending, more = STATES[task.params["state"]](task)
    found = None
    if task.prefix.initialized():
        from .status import of_prefix

        found = of_prefix(task.prefix)
    return {
        "changed": bool(plan),
        "diff": plan.diff(),
        "changes": plan.review(),
        "pending": pending,
        "prefix": found,
        **more,
    }


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
