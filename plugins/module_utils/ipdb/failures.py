# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a transaction ends that does not succeed: light, since every task names them all."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from .step import Step


class Refused(Exception):
    """What a task asks for is not done. `details` is what its failure tells beside the sentence."""

    def __init__(self, sentence: str, **details: t.Any) -> None:
        super().__init__(sentence)
        self.details = details


class Impossible(ValueError):
    """No step leads there, with the place in the user's input."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}" if where else reason)
        self.where = where


class TransactionFailed(Exception):
    """A transaction failed: `step` (None: no step, but what was read back), `error`.

    `undone`: everything is as before; else `stuck` says what is not.
    """

    def __init__(self, step: Step | None, error: Exception, undone: bool, stuck: t.Sequence[str] = ()) -> None:
        self.step, self.error, self.undone, self.stuck = step, error, undone, stuck
        from ..plan import some
        from .place import place_of

        said = f"{place_of(step, error)}{step.what}: {step.how}: {error}" if step else str(error)
        aftermath = "everything was undone" if undone else f"NOT undone: {some(stuck)}"
        super().__init__(f"{said}; {aftermath}")


class NotRolledBack(Exception):
    """What a transaction changed could not be taken back; its journal is kept, so that it can be tried again."""
