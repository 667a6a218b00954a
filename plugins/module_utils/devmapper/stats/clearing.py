# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counters that are to be 0. What has counted nothing is left alone."""

from __future__ import annotations

from ...plan import Change, Plan
from . import counters, groups
from .answers import Region
from .counters import NOW, Counters
from .device import Device
from .planner import chosen
from .steps import Steps
from .wanted import Task


def plan(task: Task, steps: Steps) -> Plan:
    """Raises DmError. Requests never cease on a busy device, so that looking again would tell nothing."""
    changes = []
    for want in task.wanted:
        known = want.device.regions()
        ours = [region for region in known if region.program_id == task.program_id]
        changes += [
            change
            for region in chosen(want, ours, groups.of_regions(known))
            for change in _clearing(want.device, region)
        ]
    return Plan(changes, steps.run)


def _clearing(device: Device, region: Region) -> list[Change]:
    counted = counters.total([area.counters for area in device.areas(region)])
    if not any(counted[:NOW] + counted[NOW + 1 :]):
        return []
    what = f"{device.title}: region {region.id}"
    before, after = (_line(device, region, one) for one in (counted, Counters()))
    return [Change(what, "clear", before, after, ("clear", device, region.id))]


def _line(device: Device, region: Region, counted: Counters) -> str:
    span = region.span
    return f"{device.title}  region {span.start}+{span.length}  reads {counted.reads}  writes {counted.writes}"
