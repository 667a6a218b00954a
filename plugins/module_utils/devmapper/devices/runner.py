# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How actions of a plan are carried out: one by one, or, for tables that go live together, as a stack."""

from __future__ import annotations

import typing as t
from functools import partial

from .. import constants as c
from ..errors import DmError
from ..header import dev_text
from ..nodes import block_device
from ..payload import Line
from ..targets import equality
from .mapper import Mapper
from .watchdog import lock_memory

Lines = t.Sequence[Line]
Resolve = t.Callable[[str], str]


class Swap(t.NamedTuple):
    """An inactive table goes live. `stacked`: together with others above or below, while all are suspended."""

    name: str
    flags: int = 0  # NOFLUSH, SKIP_LOCKFS
    stacked: bool = False


class Revive(t.NamedTuple):
    """A device as it was, made anew or given its old table back."""

    name: str
    uuid: str
    lines: Lines
    readonly: bool
    suspended: bool
    anew: bool


Verb = t.Callable[[Mapper], None]
Action = t.Union[Swap, Revive, Verb]


def run(mapper: Mapper, actions: t.Sequence[Action]) -> list[Exception | None]:
    """The outcome of each action. udev is through with all of them in the end."""
    together = [action for action in actions if isinstance(action, Swap)]
    if together:
        outcomes = swap(mapper, together)
    else:
        outcomes = [_attempt(partial(_act, mapper, action)) for action in actions]
    late = _attempt(mapper.settle)
    return [outcome or late for outcome in outcomes]


def _attempt(call: t.Callable[[], None]) -> Exception | None:
    try:
        call()
    except (DmError, OSError) as error:
        return error
    return None


def _act(mapper: Mapper, action: t.Any) -> None:
    if isinstance(action, Revive):
        revive(mapper, action)
    else:
        action(mapper)


def swap(mapper: Mapper, swaps: t.Sequence[Swap]) -> list[Exception | None]:
    """Swaps tables in, the lowest device first (their order). Stacked ones are suspended before, the highest first.

    Every device that gets suspended here is resumed here, whatever fails.
    """
    failed = _suspend_stack(mapper, [one for one in swaps if one.stacked])
    if failed is not None:
        return [failed] * len(swaps)
    return [_attempt(partial(mapper.resume, one.name, one.flags)) for one in swaps]


def _suspend_stack(mapper: Mapper, swaps: t.Sequence[Swap]) -> Exception | None:
    if len(swaps) < 2:
        return None
    lock_memory()
    for place, one in reversed(list(enumerate(swaps))):
        error = _attempt(partial(mapper.suspend, one.name, one.flags, temporary=True))
        if error is not None:
            for other in swaps[place:]:
                _attempt(partial(mapper.unstick, other.name))
            return error
    return None


def bring_up(mapper: Mapper, name: str, uuid: str, lines: Lines, readonly: bool, flags: int = 0) -> None:
    """A new device with a live table. Nothing is left of it where that fails."""
    mapper.create(name, uuid)
    try:
        mapper.load(name, numbered(mapper, lines), readonly)
        mapper.resume(name, flags)
    except BaseException:
        _attempt(lambda: mapper.remove(name))  # should that fail too, the watchdog tries once more in the end
        raise


def numbered(mapper: Mapper, lines: Lines) -> list[Line]:
    """Lines with numbers for devices, so that the kernel needs no node: udev may still be at it."""
    from .picture import Picture

    picture: list[Picture] = []

    def spell(word: str) -> str:
        if not word.startswith("/dev/mapper/"):
            dev = block_device(word) if word.startswith("/") else None
            return word if dev is None else dev_text(dev)
        if not picture:
            picture.append(Picture({one.name: one for one in mapper.devices()}, {}))
        return picture[0].resolve(word)

    words = equality.Respelling(spell)
    return [(start, length, kind, equality.with_devices(params, words)) for start, length, kind, params in lines]


def revive(mapper: Mapper, old: Revive) -> None:
    if old.anew:
        mapper.create(old.name, old.uuid)
    if old.lines:
        mapper.load(old.name, old.lines, old.readonly)
        mapper.resume(old.name)
    if old.suspended:
        mapper.suspend(old.name)


def clearing(name: str) -> Verb:
    """An action that clears the inactive table."""
    return lambda mapper: mapper.clear(name)


def suspend_flags(noflush: bool, skip_lockfs: bool) -> int:
    return (c.NOFLUSH if noflush else 0) | (c.SKIP_LOCKFS if skip_lockfs else 0)
