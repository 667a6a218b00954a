# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A `dm_stats` task from its parameters to its result."""

from __future__ import annotations

import typing as t

from ... import plan as spine
from ..control import ControlDevice
from ..errors import DmError
from . import clearing, groups, planner, wanted
from .show import group_rows, region_row
from .spelling import quoted
from .steps import Steps
from .wanted import Task

FAILURES = (DmError, spine.ChangeFailed, spine.NotConverged)


def run(params: t.Mapping[str, t.Any], check: bool) -> dict[str, t.Any]:
    """`changed`, `diff`, `changes`, and the program's `regions` and `groups` in the end. Raises FAILURES."""
    with ControlDevice() as channel:
        task = wanted.parse(channel, params)
        steps = Steps(quoted)
        if task.state == "cleared":
            made = clearing.plan(task, steps)
            if not check:
                made.apply()
        else:
            made, _picture = spine.converge(
                lambda: planner.observe(task), lambda picture: planner.plan(task, picture, steps), check
            )
        return {"changed": bool(made), "diff": made.diff(), "changes": made.review(), **_shown(task)}


def _shown(task: Task) -> dict[str, t.Any]:
    regions, found = [], []
    for device in {want.device.name: want.device for want in task.wanted}.values():
        known = device.regions()
        group_of = groups.by_member(groups.of_regions(known))
        found += group_rows(device, known)
        regions += [
            region_row(device, region, group_of[region.id].id if region.id in group_of else None)
            for region in known
            if region.program_id == task.program_id
        ]
    return {"regions": regions, "groups": found}
