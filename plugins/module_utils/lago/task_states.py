# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a `lago_prefix` task does about a lab as it is described: a plan that is shown, and carried out if asked for."""

from __future__ import annotations

import os
import typing as t

from ..plan import Plan
from .errors import LagoError
from .planning import refuse
from .prefix import Prefix
from .wish import Wish

if t.TYPE_CHECKING:
    from .putting import Copy
    from .vm import VM

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


def chosen(task: Task, every: t.Iterable[str]) -> list[str]:
    """The VMs that the task names, which can be none, or all."""
    return list(every) if task.params["vms"] is None else task.params["vms"]


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
        many = len(chosen(task, (task.given or {}).get("domains") or ()))
        prefix.progress.expect(many * 2 if copies else many)
    ready = _looking(task) if task.check and how not in ("none", "agent") else None
    done = converged(task)
    if how == "none" or (done.pending and not copies):
        return done
    if done.pending:
        return _with_copies(task, done, copies)
    from . import waiting

    pattern, vms = task.params["console"] or "", _vms(task)
    if task.check:
        pending = not (ready() if ready else waiting.seem_ready(vms, how, pattern))
        return _with_copies(task, done._replace(pending=pending), copies)
    waiting.wait_for_all(vms, how, task.params["timeout"], pattern, prefix.progress)
    if not copies:
        return done
    from . import putting

    changes = [*done.plan.changes, *putting.put(vms, copies, prefix.progress)]
    return done._replace(plan=Plan(changes, refuse))


def _vms(task: Task) -> list[VM]:
    """Those that are waited for."""
    env = task.prefix.virt_env
    return [vm for name, vm in env.get_vms().items() if name in chosen(task, env.lab.domains)]


def _looking(task: Task) -> t.Callable[[], bool] | None:
    """Whether the VMs answer, asked while the plan is made: they take as long as that. None where none can be asked.

    Not by way of libvirt, whose connection is the plan's.
    """
    prefix = task.prefix
    if not prefix.specified() or not any(kind == "domain" for kind, _unused in prefix.standing().things):
        return None
    from . import waiting

    return waiting.looking(_vms(task), task.params["wait_for"], task.params["console"] or "")


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
    found = putting.foretold(chosen(task, domains), vms, copies, {name.partition("/")[0] for name in lost})
    return Outcome(Plan([*done.plan.changes, *found], refuse), done.pending or bool(found))
