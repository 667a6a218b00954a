# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is begun, waits to be confirmed, or was left behind, for whoever asks. Nothing is changed, nor waited for."""

from __future__ import annotations

import typing as t

from . import deadman, transaction
from .lock import Busy, folder_of, locked
from .transaction import Transaction

FAILURES = (LookupError, OSError, ValueError)

PLAIN = {"begun": "begun", "failed": "failed", "rolled_back": "rolled_back", "confirmed": "confirmed"}


def transactions(uuid: str | None = None, netns: str | None = None) -> list[dict[str, t.Any]]:
    """One entry a transaction. Raises FAILURES."""
    folder = folder_of(netns)
    busy = _is_busy(folder)
    listed = []
    for mine in _found(folder, uuid):
        with mine:
            listed.append(_told(mine, busy))
    return listed


def _found(folder: str, uuid: str | None) -> list[Transaction]:
    return [transaction.find(folder, uuid)] if uuid else transaction.find_all(folder)


def _is_busy(folder: str) -> bool:
    """Whether somebody holds the lock."""
    if not transaction.names(folder):
        return False
    try:
        with locked(folder, 0.0):
            return False
    except Busy:
        return True


def _told(mine: Transaction, busy: bool) -> dict[str, t.Any]:
    watched = mine.last("guarded") is not None and not mine.over and deadman.alive(mine)
    told = mine.last("prepared") or mine.about("begun").get("told") or {}
    ended = mine.last("failed") or mine.last("rolled_back") or {}
    first = mine.journal.records[0].fields if mine.journal.records else {}
    return {
        "transaction": mine.uuid,
        "status": _status(mine, busy, watched),
        "begun_at": first.get("at"),
        **{name: told.get(name) for name in ("review", "diff", "plan_sha")},
        "seconds_left": round(deadman.left(mine), 1) if watched else None,
        "guard": mine.about("guarded").get("by") if watched else None,
        "error": ended.get("error") or ended.get("why"),
    }


def _status(mine: Transaction, busy: bool, watched: bool) -> str:
    if mine.stuck:
        return "stuck"
    if mine.stage in PLAIN:
        return PLAIN[mine.stage]
    if mine.over:
        return "finished"
    if mine.stage == "applied":
        return "pending" if watched else "interrupted"
    return "applying" if busy or watched else "interrupted"
