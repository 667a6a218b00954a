# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings links to what a task wants, and reads them back."""

from __future__ import annotations

import typing as t

from ... import plan as spine
from .host import Hosts
from .planner import locate, plan
from .runner import Runner
from .wanted import Wanted

Link = t.Dict[str, t.Any]


def converge(wanted: t.Sequence[Wanted], check: bool, run: Runner, lines: bool = True) -> tuple[spine.Plan, Hosts]:
    """The plan, carried out unless `check`; and the hosts as they are in the end.

    Without `lines` changes know no lines of links, which only a diff shows and a tenth of the planning makes.
    Raises WrongLink, ChangeFailed, NotConverged, NetlinkError, NoSuchNamespace.
    """
    return spine.converge(lambda: Hosts(run), lambda hosts: plan(hosts, wanted, run, lines), check)


def found_links(hosts: Hosts, wanted: t.Sequence[Wanted]) -> t.Iterator[tuple[Wanted, Link | None]]:
    """The links that a task speaks of, as they are; None for one that is not there."""
    for want in wanted:
        host = hosts[want.place]
        yield want, host.find(want.name) if want.name else locate(hosts, want)[1]
