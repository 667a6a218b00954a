# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A `xenstore` task from its parameters to its result."""

from __future__ import annotations

import errno
import typing as t

from ... import plan as spine
from ..client import Client
from ..errors import PyXSError
from .line import Secrets
from .notation import WrongNode
from .place import NoSuchDomain, connect
from .planner import Picture, observe, plan
from .wanted import Wanted, given, parse

FAILURES = (WrongNode, NoSuchDomain, PyXSError, spine.ChangeFailed, spine.NotConverged)


def run(params: t.Mapping[str, t.Any], check: bool, hide: t.Callable[[str], None]) -> dict[str, t.Any]:
    """`changed`, `diff`, `changes` and the path, or with `nodes` the paths, that were meant.

    `hide` is told every secret value, before anything can fail. All is done in one transaction; in check mode too, for
    what is read in one is from one state of the store. Raises FAILURES.
    """
    batch = params.get("nodes")
    secrets = Secrets(params["secrets"])
    items = [params] if batch is None else batch
    for path, value in given(items) if secrets else ():
        if path in secrets:
            hide(value)
    with connect(params) as client:
        wanted = parse(client, items, batch is not None)
        secrets.tell([(want.path, want.value) for want in wanted.nodes.values()], hide)
        made = client.in_transaction(lambda: _converge(client, wanted, secrets, check, hide))
    tops = [top.decode() for top in wanted.tops]
    where = {"paths": tops} if batch is not None else {"path": tops[0] if tops else None}
    return {"changed": bool(made), "diff": made.diff(), "changes": made.review(), **where}


def _converge(
    client: Client, wanted: Wanted, secrets: Secrets, check: bool, hide: t.Callable[[str], None]
) -> spine.Plan:
    def look() -> Picture:
        picture = observe(client, wanted)
        secrets.tell(picture.values.items(), hide)
        secrets.tell([(path, node.value) for nodes in picture.extra.values() for path, node in nodes.items()], hide)
        return picture

    try:
        return spine.converge(look, lambda picture: plan(client, picture, wanted, secrets), check)[0]
    except spine.ChangeFailed as failure:
        if getattr(failure.error, "errno", None) == errno.EAGAIN:
            raise failure.error  # a conflict that the daemon tells before the end
        raise
