# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a `lago_prefix` task does for each state: a plan that is shown, and carried out where that is asked for."""

from __future__ import annotations

import os
import typing as t

from ..plan import Change, Plan
from .errors import LagoError
from .prefix import Prefix
from .wish import Wish

if t.TYPE_CHECKING:
    from .putting import Copy

Params = t.Mapping[str, t.Any]
Conf = t.Dict[str, t.Any]


class Task(t.NamedTuple):
    """`given`: the init file, None where the task has none. `settings`: what the task says of the host."""

    prefix: Prefix
    params: Params
    given: Conf | None
    settings: t.Mapping[str, str]
    check: bool


class Outcome(t.NamedTuple):
    """What was done, or in check mode would be; whether anything is left to be done or waited for; more to be told."""

    plan: Plan
    pending: bool
    more: t.Mapping[str, t.Any] = {}


def told(task: Task, changes: t.Sequence[Change], more: t.Mapping[str, t.Any] | None = None) -> Outcome:
    """Of changes that the core makes in its own way."""
    return Outcome(Plan(changes, _refuse), bool(changes) and task.check, more or {})


def _refuse(_actions: t.Sequence[t.Any]) -> t.Sequence[Exception | None]:
    raise LagoError("this plan was made to be shown")


def _option(task: Task, name: str) -> t.Any:
    """Raises LagoError for one that the state cannot do without."""
    if task.params[name] is None:
        raise LagoError(f"{name}: state {task.params['state']} needs it")
    return task.params[name]


def _chosen(task: Task, every: t.Iterable[str]) -> list[str]:
    """The VMs that the task names, which can be none, or all."""
    return list(every) if task.params["vms"] is None else task.params["vms"]


# A lab as it is described


def converged(task: Task) -> Outcome:
    prefix, params = task.prefix, task.params
    folder = os.path.dirname(params["init_file"] or "")
    wish = Wish(params["state"], task.given, params["vms"], params["template_repo"], init_file=folder)
    plan = prefix.plan(wish)
    due = bool(plan) or bool(prefix.standing().action)
    if due and not task.check:
        if params["state"] == "absent":
            prefix.progress.expect(len(plan.changes))  # of all else, the core knows better
        plan = prefix.converge(wish)
    return Outcome(plan, due and task.check)


def started(task: Task) -> Outcome:
    """As it is described, ready, and with the files that are to be copied."""
    how, prefix = task.params["wait_for"], task.prefix
    copies = _copies(task)
    if how != "none":
        many = len(_chosen(task, (task.given or {}).get("domains") or ()))
        prefix.progress.expect(many * 2 if copies else many)
    done = converged(task)
    if how == "none" or (done.pending and not copies):
        return done
    if done.pending:
        return _with_copies(task, done, copies)
    from . import waiting

    pattern = task.params["console"] or ""
    vms = [vm for name, vm in prefix.virt_env.get_vms().items() if name in _chosen(task, prefix.virt_env.lab.domains)]
    if task.check:
        return _with_copies(task, done._replace(pending=not waiting.seem_ready(vms, how, pattern)), copies)
    waiting.wait_for_all(vms, how, task.params["timeout"], pattern, prefix.progress)
    if not copies:
        return done
    from . import putting

    changes = [*done.plan.changes, *putting.put(vms, copies, prefix.progress)]
    return done._replace(plan=Plan(changes, _refuse))


def _copies(task: Task) -> list[Copy]:
    if not task.params["copy"]:
        return []
    if task.params["wait_for"] == "none":
        raise LagoError("copy: VMs have to be ready for it, and wait_for is none")
    from . import putting

    return putting.read(task.params["copy"])


def _with_copies(task: Task, done: Outcome, copies: t.Sequence[Copy]) -> Outcome:
    """What is foretold, and the files that would be copied then."""
    if not copies:
        return done
    from . import putting

    vms = task.prefix.virt_env.get_vms() if task.prefix.specified() else {}
    domains = vms if task.given is None else task.given["domains"]
    lost = [change.what.partition(" ")[2] for change in done.plan.changes if change.how == "remove"]
    found = putting.foretold(_chosen(task, domains), vms, copies, {name.partition("/")[0] for name in lost})
    return Outcome(Plan([*done.plan.changes, *found], _refuse), done.pending or bool(found))


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
    names = _chosen(task, prefix.virt_env.get_vms())
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
    keys = ("lease_dir", "template_store", "libvirt_logs")
    places = {key: task.settings.get(key) or config.get(key) for key in keys}
    plan = pruning.plan(pruning.Host(prefix.connection, places, folders([prefix.paths.prefix()])))
    if not task.check:
        plan.apply()
    return Outcome(plan, bool(plan) and task.check)
