# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one shape of everything that changes a host: observe -> plan -> review -> apply (undo on failure) -> verify.

A core looks at the host and answers with a `Plan`: `Change`s in the order in which they have to happen. Check mode
shows the plan, diff mode its lines, `apply()` carries it out and takes everything back when something fails. What an
action is, only the core knows: the plan hands actions, a wave at a time, to the core's own `run`.
"""

from __future__ import annotations

import itertools
import typing as t

Action = t.Any  # what `run` understands
Run = t.Callable[[t.Sequence[Action]], t.Sequence[t.Optional[Exception]]]  # the outcome of each: None, or what failed

SHOWN = 5  # names in a sentence; the rest is counted


class Change(t.NamedTuple):
    """One change of one object.

    `what` names the object ("br0"), `how` what is done to it ("add address 10.0.0.1/24"). `before` and `after` are the
    object's canonical line before and after all changes to it ("": it does not exist). Changes with the same `wave`
    that follow each other do not depend on each other and are handed to `run` together.
    """

    what: str
    how: str
    before: str
    after: str
    do: Action
    undo: Action = None
    wave: t.Any = None  # None: a wave of its own
    where: str = ""  # the place in the user's input that asks for it
    partly: bool = False  # can fail half done: its undo, which then must do no harm, runs also when it fails itself


Stuck = t.Sequence[t.Tuple[Change, str]]


class ChangeFailed(Exception):
    """A change failed. `undone` were taken back; `stuck` could not be, with the reason of each.

    `unsure`: the same of those that may not have been done at all, since all of a wave broke off, `beside` others too.
    """

    def __init__(
        self,
        change: Change,
        error: Exception,
        undone: t.Sequence[Change],
        stuck: Stuck,
        unsure: Stuck = (),
        beside: int = 0,
    ) -> None:
        self.change, self.error, self.undone, self.stuck, self.unsure = change, error, undone, stuck, unsure
        where = f"{change.where}: " if change.where else ""
        others = f" (or one of {beside} beside it)" if beside else ""
        super().__init__(f"{where}{change.what}: {change.how}{others}: {error}{self._aftermath()}")

    def _aftermath(self) -> str:
        parts = []
        if self.undone:
            parts.append(f"undone again: {some([f'{c.what} ({c.how})' for c in self.undone])}")
        for words, left in (("NOT undone", self.stuck), ("done or not, and not to be undone", self.unsure)):
            if left:
                parts.append(f"{words}: {some([f'{c.what} ({c.how}): {why}' for c, why in left])}")
        return "; " + "; ".join(parts) if parts else "; nothing else had been changed"


class NotConverged(Exception):
    """Everything was applied without an error, and still the host is not as wanted."""

    def __init__(self, rest: Plan) -> None:
        self.rest = rest
        super().__init__(
            "all changes were accepted, but the host still differs (something else changes it, or it silently"
            f" ignores a value): {some(rest.review())}"
        )


def some(words: t.Sequence[str]) -> str:
    """In a sentence: the first of them, and how many more there are."""
    more = len(words) - SHOWN
    return ", ".join(words[:SHOWN]) + (f" and {more} more" if more > 0 else "")


class Plan:
    """Changes in order, and how to carry them out."""

    def __init__(self, changes: t.Sequence[Change], run: Run) -> None:
        self.changes = list(changes)
        self.run = run

    def __bool__(self) -> bool:
        return bool(self.changes)

    def review(self) -> list[str]:
        """What would be done, one short line a change."""
        return [f"{change.what}: {change.how}" for change in self.changes]

    def diff(self) -> dict[str, str]:
        """`before` and `after` as Ansible shows them: one canonical line an object that changes."""
        before: dict[str, str] = {}
        after: dict[str, str] = {}
        for change in self.changes:
            before.setdefault(change.what, change.before)
            after[change.what] = change.after
        return {"before": _text(before.values()), "after": _text(after.values())}

    def apply(self) -> None:
        """Carries out all changes; on a failure takes back, in reverse order, those before it. Raises ChangeFailed."""
        done: list[list[Change]] = []
        for wave in self._waves():
            try:
                outcomes = self.run([change.do for change in wave])
            except BaseException as error:
                # How far the wave came is not known: undoing what was not done is refused, and harmless.
                perhaps, unsure = self._take_back([wave])
                undone, stuck = self._take_back(done)
                if isinstance(error, Exception):
                    raise ChangeFailed(wave[0], error, perhaps + undone, stuck, unsure, len(wave) - 1) from error
                raise
            done.append([change for change, refused in zip(wave, outcomes) if refused is None])
            failed = [(change, refused) for change, refused in zip(wave, outcomes) if refused is not None]
            if failed:
                _unused, halves = self._take_back([[change for change, _unused in failed if change.partly]])
                undone, stuck = self._take_back(done)
                change, refused = failed[0]
                raise ChangeFailed(change, refused, undone, [*halves, *stuck]) from refused

    def _waves(self) -> t.Iterator[list[Change]]:
        numbered = enumerate(self.changes)
        for _unused, group in itertools.groupby(
            numbered, lambda item: item[0] if item[1].wave is None else ("w", item[1].wave)
        ):
            yield [change for _unused, change in group]

    def _take_back(self, done: t.Sequence[t.Sequence[Change]]) -> tuple[list[Change], list[tuple[Change, str]]]:
        undone: list[Change] = []
        stuck: list[tuple[Change, str]] = []
        for wave in reversed(done):
            changes = [change for change in reversed(wave) if change.undo is not None]
            stuck += [(change, "there is no way back") for change in wave if change.undo is None]
            for change, error in zip(changes, self._undo(changes)):
                if error is None:
                    undone.append(change)
                else:
                    stuck.append((change, str(error)))
        return undone, stuck

    def _undo(self, changes: t.Sequence[Change]) -> t.Sequence[Exception | None]:
        if not changes:
            return []
        try:
            return self.run([change.undo for change in changes])
        except Exception as error:  # whatever it is: the waves before this one are still to be undone
            return [error] * len(changes)


def _text(lines: t.Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines if line)


State = t.TypeVar("State")


def converge(
    observe: t.Callable[[], State], plan: t.Callable[[State], Plan], check: bool = False
) -> tuple[Plan, State]:
    """Brings a host to what `plan` wants; the plan that was made, and the state in the end.

    With `check` nothing is changed and the state is the one found. After changes the host is looked at and planned
    for once more: anything left to do raises NotConverged. Raises ChangeFailed.
    """
    state = observe()
    made = plan(state)
    if check or not made:
        return made, state
    made.apply()
    state = observe()
    rest = plan(state)
    if rest:
        raise NotConverged(rest)
    return made, state
