# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Applies the difference of two pictures in waves, verifies it by reading back, and undoes it when something fails."""

from __future__ import annotations

import itertools
import time
import typing as t

from ..netlink.channel import NetlinkSocket
from ..netlink.errors import NetlinkError, without_module
from ..netlink.exchange import Alike
from ..netlink.kinds import registry
from ..netlink.message import Request
from ..netlink.rtnl.route import Deferred, many
from .announcing import announce
from .capture import capture
from .collecting import uncollected
from .difference import difference
from .failures import Impossible, TransactionFailed
from .merging import replaced, restoring
from .picture import Picture, from_lists
from .step import Step, Wave, Waves, touched

Note = t.Callable[[int, Wave], None]


class NotAsWanted(Exception):
    """Every request was accepted, and still the host is not as wanted; `rest` are the steps that are left."""

    def __init__(self, rest: Waves) -> None:
        from ..plan import some  # only a task that fails needs it

        self.rest = rest
        words = some([f"{step.what}: {step.how}" for wave in rest for step in wave])
        super().__init__(
            "all changes were accepted, but the host still differs (something else changes it, or it silently"
            f" ignores a value): {words}"
        )


class Outcome(t.NamedTuple):
    """`now`: the picture read back. `meanwhile`: what differs that the transaction did not touch, a line each.

    `timings`: seconds by wave number, and of "verify".
    """

    now: Picture
    waves: Waves
    meanwhile: t.Sequence[str]
    timings: t.Mapping[t.Any, float]


@uncollected
def transact(
    channel: NetlinkSocket, before: Picture, after: Picture, note: Note | None = None, verify_timeout: float = 0.0
) -> Outcome:
    """Makes `after` of `before`. `note(number, wave)` is called before each wave is sent.

    Reads back until all is as wanted, for up to `verify_timeout` seconds. Raises Impossible before anything is changed,
    TransactionFailed after everything was undone; what `note` raises comes out as it is after an undo too.
    """
    waves = difference(before, after)
    timings: dict[t.Any, float] = {}
    try:
        _send_all(channel, waves, note, timings)
        start = time.monotonic()
        now, meanwhile = _verified(channel, after, waves, start + verify_timeout)
        timings["verify"] = time.monotonic() - start
    except _Refused as refused:
        stuck = _undo(channel, before, waves)
        raise TransactionFailed(refused.step, refused.error, not stuck, stuck) from refused.error
    except NotAsWanted as error:
        stuck = _undo(channel, before, waves)
        raise TransactionFailed(None, error, not stuck, stuck) from None
    except BaseException:
        _undo(channel, before, waves)
        raise
    announce(channel, before, now)
    return Outcome(now, waves, meanwhile, timings)


class _Refused(Exception):
    def __init__(self, step: Step, error: Exception) -> None:
        self.step, self.error = step, error


def _send_all(channel: NetlinkSocket, waves: Waves, note: Note | None, timings: dict[t.Any, float]) -> None:
    for number, wave in enumerate(waves):
        if note:
            note(number, wave)
        start = time.monotonic()
        for step, error in send(channel, wave):
            raise _Refused(step, error)
        timings[number] = time.monotonic() - start


def send(channel: NetlinkSocket, wave: Wave) -> list[tuple[Step, Exception]]:
    """Carries out one wave: the steps that failed, with the reason of each."""
    failed: list[tuple[Step, Exception]] = []
    owners: list[Step] = []
    requests: list[Request | Deferred] = []

    def flush() -> None:
        for owner, error in zip(owners, channel.batch(_made(requests))):
            if error is not None and error.errno not in owner.tolerates:
                failed.append((owner, _explained(owner, error)))
        owners.clear()
        requests.clear()

    for step in wave:
        for action in step.actions:
            if isinstance(action, (Request, Deferred)):
                owners.append(step)
                requests.append(action)
            else:
                flush()
                try:
                    action(channel)
                except OSError as error:
                    failed.append((step, error))
    flush()
    return failed


def _explained(step: Step, error: NetlinkError) -> NetlinkError:
    """With the module of the kind that the kernel does not know."""
    if step.table != "links":
        return error
    kind = registry.find(step.lines.after.links.get(step.key, {}).get("kind") or "")
    return without_module(error, kind.brought_by) if kind else error


def _made(requests: t.Sequence[Request | Deferred]) -> t.Iterator[Request | Alike]:
    """Routes that follow each other are made together."""
    for make, alike in itertools.groupby(requests, lambda one: one.make if isinstance(one, Deferred) else None):
        if make is None:
            yield from t.cast("t.Iterator[Request]", alike)
        else:
            yield from many([one.route for one in t.cast("t.Iterator[Deferred]", alike)], make)


def _verified(channel: NetlinkSocket, after: Picture, waves: Waves, deadline: float) -> tuple[Picture, list[str]]:
    """The picture read back, and what differs from `after` elsewhere. Raises NotAsWanted."""
    while True:
        now = capture(channel)
        rest = difference(now, after, impossible=True)
        if not rest:
            return now, []
        places = frozenset(touched(waves))
        ours = tuple(wave for wave in (tuple(s for s in wave if (s.table, s.key) in places) for wave in rest) if wave)
        if not ours:
            reached = {key for table, key in places if table == "links"}
            others = [step for wave in rest for step in wave if not _follows(step, reached)]
            return now, [f"{step.what}: {step.before or 'not there'}" for step in others]
        if time.monotonic() >= deadline:
            raise NotAsWanted(ours)
        time.sleep(0.05)


# What the kernel sets by itself on a link that is changed: fields of it and, of a port, VLANs and forwarding entries.
FOLLOWING = {"links": lambda key: key, "vlans": lambda key: key, "fdb": lambda key: key[0]}


def _follows(step: Step, reached: t.Collection[t.Any]) -> bool:
    """Whether it is about such a thing of a link that the transaction changed."""
    index_of = FOLLOWING.get(step.table)
    return index_of is not None and index_of(step.key) in reached


def _undo(channel: NetlinkSocket, before: Picture, waves: Waves) -> list[str]:
    try:
        return rollback(channel, before, touched(waves))
    except Exception as error:  # whatever it is, the reason of the undo is to be told too
        return [str(error)]


ATTEMPTS = 3  # what an attempt is refused can be possible when the rest of it is done


def rollback(
    channel: NetlinkSocket, before: Picture, touched_places: t.Iterable[t.Any], note: Note | None = None
) -> list[str]:
    """Brings the touched objects (table and key) back to what they are in `before`; what could not be, a line each.

    What others changed elsewhere stays as it is. Raises NetlinkError where the host cannot be read.
    """
    places = [(table, from_lists(key)) for table, key in touched_places]
    errors: list[str] = []
    found = now = capture(channel)
    for _unused in range(ATTEMPTS):
        target = replaced(now, before, places)
        try:
            waves = difference(now, restoring(target, places))
        except Impossible as error:
            return [str(error)]
        if not waves:
            announce(channel, found, now)
            return []
        errors = []
        for number, wave in enumerate(waves):
            if note:
                note(number, wave)
            errors += [f"{step.what}: {step.how}: {error}" for step, error in send(channel, wave)]
        now = capture(channel)
    announce(channel, found, now)
    rest = difference(now, target, impossible=True)
    left = [f"{step.what}: {step.how}" for wave in rest for step in wave]
    return (errors or left) if left else []
