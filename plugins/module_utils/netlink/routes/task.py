# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A `netlink_route` task from its parameters to its result."""

from __future__ import annotations

import typing as t

from ... import plan as spine
from ..channel import uncollected
from ..links.runner import Runner
from .planner import Picture, observe, plan
from .wanted import Route, Wanted, WrongRoute, parse_all

FAILURES = (WrongRoute, spine.ChangeFailed, spine.NotConverged, OSError, ValueError)


def run(params: t.Mapping[str, t.Any], check: bool) -> dict[str, t.Any]:
    """`changed`, `diff`, `changes` and the routes as they are in the end (with `check`: as they are now)."""
    batch = params.get("routes")
    netns = params.get("netns")
    wanted = parse_all([params] if batch is None else batch, batch is not None)
    with uncollected(), Runner() as runner:
        made, picture = spine.converge(
            lambda: observe(runner, netns, wanted), lambda picture: plan(picture, wanted, netns, runner), check
        )
    result = {"changed": bool(made), "diff": made.diff(), "changes": made.review()}
    routes = [shown for shown in (_shown(picture, want) for want in wanted) if shown]
    if batch is not None:
        return {**result, "routes": routes}
    return {**result, "route": routes[0] if routes else None}


def _shown(picture: Picture, want: Wanted) -> Route | None:
    """A route in the keys and values of `ip -j -d route`: links by name, tables as text, metrics in a list."""
    found = picture.routes.get(want.key)
    if found is None:
        return None
    shown = {**found, "table": str(found["table"])}
    shown.pop("oif", None)
    if "metrics" in shown:
        shown["metrics"] = [shown["metrics"]]
    if "tos" in shown:
        shown["tos"] = f"{shown['tos']:#x}"
    if "nexthops" in shown:
        shown["nexthops"] = [{key: value for key, value in hop.items() if key != "oif"} for hop in shown["nexthops"]]
    return shown
