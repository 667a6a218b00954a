# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a `lago_prefix` task does with a lab: snapshots, archives and the like; not read where one is only compared."""

from __future__ import annotations

import os
import typing as t

from ..plan import Change, Plan
from .errors import LagoError
from .planning import refuse
from .task_states import Outcome, Task, chosen


def told(task: Task, changes: t.Sequence[Change], more: t.Mapping[str, t.Any] | None = None) -> Outcome:
    """Of changes that the core makes in its own way."""
    return Outcome(Plan(changes, refuse), bool(changes) and task.check, more or {})


def _option(task: Task, name: str) -> t.Any:
    """Raises LagoError for one that the state cannot do without."""
    if task.params[name] is None:
        raise LagoError(f"{name}: state {task.params['state']} needs it")
    return task.params[name]


# Its snapshots


def snapshotted(task: Task) -> Outcome:
    name, memory = _option(task, "snapshot"), task.params["memory"]
    if name in task.prefix.virt_env.snapshots.get("taken", {}):
        return told(task, [])
    line = f"snapshot {name}" + ("  memory" if memory else "")
    if not task.check:
        task.prefix.create_snapshots(name, memory=memory, quiesce=task.params["quiesce"])
    return told(task, [Change(f"snapshot {name}", "take", "", line, None)])


def reverted(task: Task) -> Outcome:
    name, snapshots = _option(task, "snapshot"), task.prefix.virt_env.snapshots
    taken = snapshots.get("taken", {})
    if name not in taken:
        raise LagoError(f"snapshot: there is no {name}; there are {', '.join(taken) or 'none'}")
    before = f"what was written since {snapshots.get('at') or 'it was made'}"
    if not task.check:
        task.prefix.revert_snapshots(name)
    return told(task, [Change(f"snapshot {name}", "go back to", before, f"snapshot {name}", None)])


def snapshot_absent(task: Task) -> Outcome:
    """One that is not there already is not; nor is one of a lab that is not."""
    name, prefix = _option(task, "snapshot"), task.prefix
    if not prefix.specified() or name not in prefix.virt_env.snapshots.get("taken", {}):
        return told(task, [])
    if not task.check:
        prefix.delete_snapshots(name)
    return told(task, [Change(f"snapshot {name}", "forget", f"snapshot {name}", "", None)])


# What is taken out of it, and it out of that


def collected(task: Task) -> Outcome:
    dest, prefix = _option(task, "dest"), task.prefix
    names = chosen(task, prefix.virt_env.get_vms())
    changes = [Change(f"vm {name}", "collect", "", f"vm {name}  in {os.path.join(dest, name)}", None) for name in names]
    if task.check:
        return told(task, changes)
    prefix.progress.expect(len(changes))
    return told(task, changes, {"collected": prefix.collect(dest, vms=names, paths=task.params["paths"] or ())})


def exported(task: Task) -> Outcome:
    archive, params = _option(task, "archive"), task.params
    task.prefix.virt_env.get_vms()  # raises where there is no lab
    changes = [Change(f"archive {archive}", "write", "", f"archive {archive}", None)]
    if task.check:
        return told(task, changes)
    how = {"standalone": params["standalone"], "compress": params["compress"] or ""}
    return told(task, changes, {"exported": task.prefix.export(archive, snapshot=params["snapshot"] or "", **how)})


def imported(task: Task) -> Outcome:
    """A lab that is there already stays."""
    archive, prefix = _option(task, "archive"), task.prefix
    if prefix.specified() and prefix.standing().action != "import":
        return told(task, [])
    from . import importing

    importing.look(archive)
    path = prefix.paths.prefix()
    changes = [Change(f"lab {path}", "import", "", f"lab {path}  of {archive}", None)]
    if not task.check:
        importing.import_lab(path, archive, task.settings, prefix.progress, task.params["new_subnets"])
        prefix.forget()
    return told(task, changes)


def pruned(task: Task) -> Outcome:
    """The host, but for what labs at `path` or in it have."""
    from . import config, pruning
    from .prefixes import folders

    prefix = task.prefix
    places = {key: task.settings.get(key) or config.get(key) for key in pruning.SETTINGS}
    plan = pruning.plan(pruning.Host(prefix.connection, places, folders([prefix.paths.prefix()])))
    if not task.check:
        plan.apply()
    return Outcome(plan, bool(plan) and task.check)


STATES: t.Dict[str, t.Callable[[Task], Outcome]] = {
    "snapshotted": snapshotted,
    "reverted": reverted,
    "snapshot_absent": snapshot_absent,
    "collected": collected,
    "exported": exported,
    "imported": imported,
    "pruned": pruned,
}
