# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole tasks about a lab that is as it should be, beside a task of nothing, and one that only opens libvirt."""

from __future__ import annotations

import typing as t

import nodes
from measure import Failed


def unchanged(options: dict[str, t.Any], rounds: int) -> dict[str, list[float]]:
    """Seconds of tasks by turns: `ours` (lago_prefix with `options`, `uri` among them), `peer` (nothing), and `floor`.

    Without the first round, which fills caches. The lab stands, and this thread is where its guests are reached. Raises
    Failed where a task changed something.
    """
    floor = {"empty_libvirt": {"uri": options["uri"]}}
    sides = {"ours": {"fleet.hypervisor.lago_prefix": options}, "peer": {"empty": {}}, "floor": floor}
    wanted = [{"name": name, **side} for _unused in range(rounds + 1) for name, side in sides.items()]
    lines = nodes._play(*wanted)
    if any(line["changed"] for line in lines):
        raise Failed("a task changed a lab that is as it should be")
    return {name: [line["seconds"] for line in lines if line["name"] == name][1:] for name in sides}
