# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A `xenstore_domain` task: what only dom0 may, and mostly a toolstack does."""

from __future__ import annotations

import typing as t

from ... import plan as spine
from ..client import Client
from ..errors import PyXSError
from .notation import WrongNode
from .place import connect

FAILURES = (WrongNode, PyXSError, spine.ChangeFailed, spine.NotConverged)

Step = t.Callable[[], None]


def run(params: t.Mapping[str, t.Any], check: bool) -> dict[str, t.Any]:
    """`changed`, `diff`, `changes`. Raises FAILURES."""
    domid = params["domid"]
    if domid < 1:
        raise WrongNode(f"domid: takes the number of a guest, from 1 on, not {domid}")
    with connect(params) as client:
        made = _plan(client, params, client.is_domain_introduced(domid))
        if made and not check:
            made.apply()
            wanted = params.get("state")
            if wanted and client.is_domain_introduced(domid) != (wanted == "introduced"):
                raise spine.NotConverged(made)
    return {"changed": bool(made), "diff": made.diff(), "changes": made.review()}


def _plan(client: Client, params: t.Mapping[str, t.Any], introduced: bool) -> spine.Plan:
    domid, state = params["domid"], params.get("state")
    changes: list[spine.Change] = []

    def add(how: str, before: str, after: str, do: Step, undo: Step | None = None) -> None:
        changes.append(spine.Change(f"domain {domid}", how, before, after, do, undo))

    shown = _line(domid, introduced)
    if state == "introduced" and not introduced:
        frame, port = params["frame"], params["port"]
        add(
            f"introduce, frame {frame}, port {port}",
            shown,
            _line(domid, True),
            lambda: client.introduce_domain(domid, frame, port),
            lambda: client.release_domain(domid),
        )
    if state == "released" and introduced:
        if not params["force"]:
            raise WrongNode(
                f"state: domain {domid} is in use, and would be cut off from XenStore until it is introduced again;"
                " say force if that is meant"
            )
        add("release", shown, _line(domid, False), lambda: client.release_domain(domid))
    now = _line(domid, introduced if state is None else state == "introduced")
    if params["resume"]:
        add("resume", shown, f"{now}  shutdown told anew", lambda: client.resume_domain(domid))
    target = params.get("target")
    if target is not None:
        add(f"target {target}", shown, f"{now}  target {target}", lambda: client.set_target(domid, target))
    return spine.Plan(changes, _run)


def _line(domid: int, introduced: bool) -> str:
    return f"domain {domid}  {'introduced' if introduced else 'released'}"


def _run(steps: t.Sequence[Step]) -> list[Exception | None]:
    outcomes: list[Exception | None] = []
    for step in steps:
        try:
            step()
            outcomes.append(None)
        except PyXSError as error:
            outcomes.append(error)
    return outcomes
