# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends what a killed process had begun: clears away what is half made, and does the action again."""

from __future__ import annotations

import os
import typing as t

from .journal import Journal
from .making import clear
from .standing import to_resume
from .wish import Wish

if t.TYPE_CHECKING:
    from .prefix import Prefix


def settle(prefix: Prefix, journal: Journal) -> None:
    """Snapshots first: a half one may be what a running VM writes to."""
    standing = journal.standing
    half = any(kind == "snapshot" and thing.state != "made" for (kind, _unused), thing in standing.things.items())
    if half or standing.action in ("snapshot", "revert"):
        from . import snapshots

        snapshots.settle(prefix, journal)


def clear_halves(prefix: Prefix, journal: Journal) -> None:
    """Raises LagoError, KvmError, OSError."""
    for thing in to_resume(journal.standing):
        clear(prefix, journal, thing.kind, thing.name)


def resume(prefix: Prefix) -> str:
    """The action that was ended; "" where none was. Raises what the action raises."""
    if not os.path.exists(prefix.paths.journal()):
        return ""
    standing = prefix.standing()
    if standing.action:
        ACTIONS[standing.action](prefix, dict(standing.arguments))
    return standing.action


def _initialize(prefix: Prefix, arguments: dict[str, t.Any]) -> None:
    prefix.settings = {**arguments["settings"], **prefix.settings}
    prefix.initialize()


def _converge(prefix: Prefix, arguments: dict[str, t.Any]) -> None:
    prefix.converge(Wish(**arguments))


def _destroy(prefix: Prefix, _unused: dict[str, t.Any]) -> None:
    prefix.destroy()


def _snapshot(prefix: Prefix, arguments: dict[str, t.Any]) -> None:
    from .snapshots import resume_snapshot

    resume_snapshot(prefix, **arguments)


def _revert(prefix: Prefix, arguments: dict[str, t.Any]) -> None:
    from .reverting import resume_revert

    resume_revert(prefix, **arguments)


def _export(prefix: Prefix, arguments: dict[str, t.Any]) -> None:
    from .exporting import resume_export

    resume_export(prefix, **arguments)


def _import(prefix: Prefix, arguments: dict[str, t.Any]) -> None:
    from .importing import resume_import

    resume_import(prefix, **arguments)


ACTIONS: t.Dict[str, t.Callable[[t.Any, t.Dict[str, t.Any]], None]] = {
    "initialize": _initialize,
    "converge": _converge,
    "destroy": _destroy,
    "snapshot": _snapshot,
    "revert": _revert,
    "export": _export,
    "import": _import,
}
