# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries a prepared transaction out, takes it back, and brings to an end what somebody who was killed left behind.

All of this is done under the lock of the namespace. The journal says which way a broken transaction goes: once it says
"applied" the network is as wanted and stays so (unless it was to be confirmed); before that it goes back.
"""

from __future__ import annotations

import itertools
import os
import time
import typing as t

from ..netlink.channel import NetlinkSocket
from .apply import Outcome, rollback, transact
from .columns import from_columns, to_columns
from .failures import Impossible, NotRolledBack, TransactionFailed
from .picture import Picture
from .review import told_of
from .step import Wave, touched
from .transaction import Transaction


def carry_out(channel: NetlinkSocket, mine: Transaction, pictures: tuple[Picture, Picture] | None = None) -> Outcome:
    """Applies a prepared transaction; `pictures` before and after are the journal's, where they are at hand.

    Raises Impossible and TransactionFailed, when it has been undone and the journal says that it failed.
    """
    mine.journal.mend()
    before, after = pictures or (mine.picture("before"), mine.picture("after"))
    verify_timeout = float(mine.about("prepared")["verify_timeout"])
    try:
        outcome = transact(channel, before, after, lambda *wave: _note(mine, *wave), verify_timeout)
    except (Impossible, TransactionFailed) as error:
        mine.journal.append("failed", error=str(error), stuck=list(getattr(error, "stuck", ())), at=time.time())
        raise
    except BaseException as error:
        roll_back(channel, mine, f"it was interrupted by {type(error).__name__}")
        raise
    told = told_after(outcome) if mine.last("guarded") else {}  # whoever confirms asks for it
    mine.journal.append("applied", **told, proof=os.urandom(8).hex(), at=time.time())
    return outcome


def _note(mine: Transaction, number: int, wave: Wave) -> None:
    mine.journal.append("wave", number=number, touched=to_columns(touched((wave,))))


def told_after(outcome: Outcome) -> dict[str, t.Any]:
    """What is told of a transaction beside its plan."""
    return {"timings": timings_of(outcome), "meanwhile": list(outcome.meanwhile)}


def timings_of(outcome: Outcome) -> list[dict[str, t.Any]]:
    """Milliseconds of each wave with what it did, and of reading back."""
    told = iter(told_of(outcome.waves))
    found = [
        {
            "changes": [f"{what}: {step.how}" for step, what, _was, _then in itertools.islice(told, len(wave))],
            "ms": round(outcome.timings[number] * 1000, 3),
        }
        for number, wave in enumerate(outcome.waves)
    ]
    return [*found, {"changes": ["read back and compare"], "ms": round(outcome.timings["verify"] * 1000, 3)}]


def roll_back(channel: NetlinkSocket, mine: Transaction, why: str) -> str:
    """Takes back what the journal says was begun; a sentence that says so. Raises NotRolledBack."""
    mine.journal.mend()
    waves = [record.fields for record in mine.journal.records if record.kind == "wave"]
    places = [place for wave in waves for place in from_columns(wave["touched"])]
    stuck = rollback(channel, mine.picture("before"), places) if places else []
    if stuck:
        raise NotRolledBack(f"transaction {mine.uuid} could not be rolled back ({why}): {'; '.join(stuck)}")
    said = f"rolled back, since {why}" if places else f"given up before anything was changed, since {why}"
    mine.journal.append("rolled_back", why=why, changed=bool(places), at=time.time())
    return said


def settle(channel: NetlinkSocket, mine: Transaction, watched: bool) -> str:
    """Brings a transaction to an end if that is due; what was done in a word, "" for nothing.

    `watched`: its guard is alive, and does what is to be done when the time comes. Raises NotRolledBack.
    """
    if mine.stage == "begun" or (mine.over and mine.stage != "applied"):
        return ""
    if mine.last("guarded") is not None:
        if watched and (mine.stage == "applied" or mine.about("guarded").get("detached") and not mine.last("wave")):
            return ""
        why = "nobody watches it any more" if mine.stage == "applied" else "it was interrupted"
        roll_back(channel, mine, why)
        return "rolled_back"
    if mine.stage == "applied":
        return "finished"
    if mine.stage:
        roll_back(channel, mine, "it could not be undone before" if mine.stage == "failed" else "it was interrupted")
    return "rolled_back" if mine.last("wave") is not None else "given_up"
