# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules and guides show as YAML, made into tasks that run it and look at what came of it."""

from __future__ import annotations

import re

import yaml

BLOCKS = re.compile(r'^(?:EXAMPLES = r"""|```yaml)\n(.*?)^(?:"""|```)$', re.MULTILINE | re.DOTALL)
CHANGING = {"fleet.hypervisor.netlink_link", "fleet.hypervisor.netlink_route"}


def shown(text):
    """Every task and every play that a module's source or a guide shows, in its order."""
    return [one for block in BLOCKS.findall(text) for one in yaml.safe_load(block)]


def tasks_of(examples, *modules):
    """Those of these modules."""
    return [one for one in examples if set(modules) & one.keys()]


def _asserted(name, *that):
    return {"name": f"{name}: so it is", "ansible.builtin.assert": {"that": that}}


def _rehearsed(task, expected):
    name, outcome = task["name"], task.get("register", "outcome")
    if name not in expected:
        raise ValueError(f"nothing says what is to come of the example {name!r}")
    changing = CHANGING & task.keys()
    then = [f"{outcome} is changed", f"{outcome}.changes != []"] if changing else [f"{outcome} is not changed"]
    made = [{**task, "register": outcome}, _asserted(name, *expected[name], *then)]
    if changing:
        made.append({**task, "name": f"{name}, again", "register": "again"})
        made.append(_asserted(f"{name}, again", "again is not changed", "again.changes == []"))
    return made


def plays(examples, *that):
    """Those that are plays; each ends with what has to hold then, and leaves no facts to the next."""
    ending = [_asserted("The play", *that), {"name": "Forget it all", "ansible.builtin.meta": "clear_facts"}]
    return [{**one, "post_tasks": ending} for one in examples if "hosts" in one]


def rehearsed(tasks, expected):
    """Each task as it is, what `expected` says of its outcome, and if it changes something, that a second run does not.

    The outcome is in the variable that the task registers, or else in `outcome`.
    """
    return [step for task in tasks for step in _rehearsed(task, expected)]


class FilterModule:
    def filters(self):
        return {"shown": shown, "tasks_of": tasks_of, "plays": plays, "rehearsed": rehearsed}
