# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From devices as they are and as they are wanted to changes.

Renames come first, then tables from the lowest device up: new devices, loads into inactive slots, and only when all of
a stage are accepted do they go live. Then what is about nodes; removals are last, the highest device first.
"""

from __future__ import annotations

import typing as t

from ...plan import Change, Plan
from .. import constants as c
from .. import readahead
from ..header import dev_text
from ..payload import Line
from ..targets import equality
from ..targets.registry import WITHOUT_SIDE_EFFECT
from . import line, order, runner
from .beside import NodeState, geometry_of, node_of, read_ahead_of
from .mapper import Mapper
from .picture import Found, Picture
from .runner import Revive, Swap
from .wanted import Wanted, WrongDevice


class Work(t.NamedTuple):
    """A device of which something is wanted, and what there is of it."""

    want: Wanted
    name: str
    found: Found | None


class Looks(t.NamedTuple):
    """How a device looks in a difference; with no state it is not there."""

    state: str
    lines: t.Sequence[Line] = ()
    name: str = ""  # the kernel's, where it is another one


GONE = Looks("")


class Planner:
    """Raises WrongDevice for what cannot be."""

    def __init__(self, mapper: Mapper, picture: Picture, wanted: t.Sequence[Wanted], check: bool) -> None:
        self.mapper, self.picture, self.check = mapper, picture, check
        self.texts: dict[int, list[str]] = {}
        self.works = [self._work(want) for want in wanted]
        self.new = {work.name for work in self.works if work.found is None and work.want.state == "present"}

    def plan(self) -> Plan:
        by_state = {state: [work for work in self.works if work.want.state == state] for state in STATES}
        changes = [change for work in by_state["renamed"] for change in self._renamed(work)]
        changes += self._present(by_state["present"])
        for state in ("cleared", "suspended", "resumed"):
            changes += [change for work in by_state[state] for change in STATES[state](self, work)]
        changes += self._absent(by_state["absent"])
        return Plan(changes, lambda actions: runner.run(self.mapper, actions))

    def _work(self, want: Wanted) -> Work:
        name = want.name or self.picture.by_uuid(want.uuid)
        found = self.picture.found.get(name)
        if found is not None and want.uuid and found.listed.uuid not in ("", want.uuid):
            uuid = line.plain(found.listed.uuid)
            raise WrongDevice(f"{_at(want)}{line.plain(name)} has the uuid {uuid}, and the kernel changes none")
        if found is None and not name and want.state not in ("absent", "renamed"):
            raise WrongDevice(f"{_at(want)}there is no device with the uuid {line.plain(want.uuid)}")
        return Work(want, name, found)

    # -- present

    def _present(self, works: t.Sequence[Work]) -> list[Change]:
        for work in works:
            self._check_present(work)
        below = {work.name: self._below(work) for work in works}
        growing = {work.name for work in works if work.found is None or _grows(work)}
        try:
            arranged = order.arrange(below, growing)
        except ValueError as error:
            raise WrongDevice(str(error)) from None
        by_name = {work.name: work for work in works}
        sorted_works = [by_name[name] for name in arranged.names]
        reloads = {work.name: self._needs_table(work) for work in sorted_works if work.found is not None}
        stacked = order.related([name for name, needed in reloads.items() if needed], below)
        changes: list[Change] = []
        for stage in sorted(set(arranged.stages.values())):
            here = [work for work in sorted_works if arranged.stages[work.name] == stage]
            changes += [self._creation(work, stage) for work in here if work.found is None]
            again = [work for work in here if work.found is not None and reloads[work.name]]
            changes += [self._load(work, stage) for work in again]
            changes += [self._swap(work, stage, work.name in stacked) for work in again]
        for work in sorted_works:
            changes += self._rest(work, reloads.get(work.name, False))
        return changes

    def _check_present(self, work: Work) -> None:
        want = work.want
        if work.found is None and want.table is None:
            raise WrongDevice(f"{_at(want)}there is no device {line.plain(work.name)}, and no table to make it with")
        for device in equality.devices(want.table or []):
            name = self.picture.mapper_name(device)
            known = name in self.new or name in self.picture.names if name else self._exists(device)
            if not known:
                raise WrongDevice(f"{_at(want)}the table of {line.plain(work.name)}: there is no device {device}")

    def _exists(self, device: str) -> bool:
        number = self.picture.resolve(device)
        return bool(equality.NUMBERS.match(number)) and equality.device_path_exists(number)

    def _below(self, work: Work) -> list[str]:
        lines = work.want.table if work.want.table is not None else (work.found.live if work.found else [])
        picture = self.picture
        found = [
            picture.mapper_name(one) or picture.numbers.get(picture.resolve(one), "") for one in equality.devices(lines)
        ]
        return [name for name in found if name]

    def _needs_table(self, work: Work) -> bool:
        """Whether the live table, or its being writable, is not as wanted."""
        want, found = work.want, t.cast(Found, work.found)
        if want.readonly is not None and want.readonly != found.has(c.READONLY) and found.has(c.ACTIVE_PRESENT):
            return True
        if want.table is None:
            return False
        if not found.has(c.ACTIVE_PRESENT):
            return True
        return not self._same(work, want.table, found)

    def _same(self, work: Work, wanted: list[Line], found: Found) -> bool:
        if equality.same_table(wanted, found.live, self.picture.resolve):
            return True
        accepted = self.mapper.accepted.get(work.name)
        if accepted is not None:  # what the kernel made of it in this task
            return equality.same_table(accepted, found.live, self.picture.resolve)
        kinds = [[one[:3] for one in lines] for lines in (wanted, found.live)]
        harmless = all(one[2] in WITHOUT_SIDE_EFFECT for one in wanted)
        if self.check or kinds[0] != kinds[1] or not harmless or found.inactive or self._on_new(work):
            return False
        return self._normal(work, wanted, found) == found.live

    def _on_new(self, work: Work) -> bool:
        return any(name in self.new for name in self._below(work))

    def _normal(self, work: Work, wanted: list[Line], found: Found) -> list[Line]:
        """As the kernel shows it; [] where it does not take it, which the change itself will tell."""
        try:
            lines = runner.numbered(self.mapper, wanted)
            return self.mapper.normal_form(work.name, lines, found.has(c.READONLY))
        except OSError:
            return []

    def _creation(self, work: Work, stage: int) -> Change:
        want, name = work.want, work.name
        lines, flags = want.table or [], runner.suspend_flags(want.noflush, want.skip_lockfs)

        def do(mapper: Mapper) -> None:
            runner.bring_up(mapper, name, want.uuid, lines, bool(want.readonly), flags)

        return self._change(work, "create", do, lambda mapper: mapper.remove(name, want.retry), ("create", stage))

    def _load(self, work: Work, stage: int) -> Change:
        want, name, found = work.want, work.name, t.cast(Found, work.found)
        readonly = found.has(c.READONLY) if want.readonly is None else want.readonly

        def do(mapper: Mapper) -> None:
            lines = found.live if want.table is None else runner.numbered(mapper, want.table)
            mapper.load(name, lines, readonly)

        return self._change(work, "load the table", do, runner.clearing(name), ("load", stage))

    def _swap(self, work: Work, stage: int, stacked: bool) -> Change:
        want, name, found = work.want, work.name, t.cast(Found, work.found)
        do = Swap(name, runner.suspend_flags(want.noflush, want.skip_lockfs), stacked)
        return self._change(work, "swap the table in", do, self._back(name, found), ("swap", stage))

    def _back(self, name: str, found: Found, anew: bool = False) -> Revive:
        readonly, suspended = found.has(c.READONLY), found.has(c.SUSPEND)
        return Revive(name, found.listed.uuid, found.live, readonly, suspended, anew)

    def _rest(self, work: Work, swapped: bool) -> list[Change]:
        """What is not in the table."""
        want, name, found = work.want, work.name, work.found
        changes: list[Change] = []
        if found is not None:
            if found.has(c.SUSPEND) and not swapped:
                changes.append(self._resume(work))
            if found.has(c.DEFERRED_REMOVE):
                changes.append(
                    self._change(
                        work,
                        "cancel the deferred removal",
                        lambda mapper: _send(mapper, name, "@cancel_deferred_remove"),
                        lambda mapper: mapper.remove(name, deferred=True),
                    )
                )
            if want.uuid and not found.listed.uuid:
                changes.append(self._uuid(work, want.uuid))
        changes += self._geometry(work, swapped)
        changes += self._node(work)
        changes += self._read_ahead(work)
        return changes

    def _uuid(self, work: Work, uuid: str) -> Change:
        words = f"set the uuid {line.plain(uuid)}"
        return self._change(work, words, lambda mapper: mapper.set_uuid(work.name, uuid))

    def _geometry(self, work: Work, swapped: bool) -> list[Change]:
        wanted = work.want.geometry
        if wanted is None:
            return []
        now = geometry_of(self.mapper, work.found) if work.found else None
        if now == wanted and not swapped:
            return []
        words = "set the geometry " + "/".join(map(str, wanted))
        undo = (lambda mapper: mapper.set_geometry(work.name, now)) if now else _nothing
        return [self._change(work, words, lambda mapper: mapper.set_geometry(work.name, wanted), undo)]

    def _node(self, work: Work) -> list[Change]:
        wanted = work.want.node
        now = node_of(self.mapper, work.found) if work.found else None
        after = _merged(wanted, now)
        if wanted == (None, None, None) or now == after:
            return []
        path = self.mapper.nodes.path(work.name)
        words = "node " + ", ".join(
            words
            for words, value in (
                (f"mode {wanted.mode or 0:04o}", wanted.mode),
                (f"owner {wanted.uid}", wanted.uid),
                (f"group {wanted.gid}", wanted.gid),
            )
            if value is not None
        )
        undo = (lambda _mapper: _permit(path, now)) if now else _nothing
        return [self._change(work, words, lambda _mapper: _permit(path, wanted), undo)]

    def _read_ahead(self, work: Work) -> list[Change]:
        wanted = work.want.read_ahead
        if wanted is None:
            return []
        now = read_ahead_of(work.found) if work.found else None
        if now == readahead.rounded(wanted):
            return []
        words = f"read-ahead {wanted} sectors"
        undo = (lambda mapper: _set_read_ahead(mapper, work.name, now)) if now is not None else _nothing
        return [self._change(work, words, lambda mapper: _set_read_ahead(mapper, work.name, wanted), undo)]

    # -- the other states

    def _must_be(self, work: Work) -> Found:
        if work.found is None:
            raise WrongDevice(f"{_at(work.want)}there is no device {line.plain(work.name)}")
        return work.found

    def _suspended(self, work: Work) -> list[Change]:
        found, want = self._must_be(work), work.want
        if found.has(c.SUSPEND):
            return []
        flags = runner.suspend_flags(want.noflush, want.skip_lockfs)

        def do(mapper: Mapper) -> None:
            mapper.suspend(work.name, flags)

        return [self._change(work, "suspend", do, Swap(work.name), looks=Looks("suspended", found.live))]

    def _resumed(self, work: Work) -> list[Change]:
        found = self._must_be(work)
        if not found.has(c.SUSPEND) and not found.inactive:
            return []
        return [self._resume(work)]

    def _resume(self, work: Work) -> Change:
        found = t.cast(Found, work.found)
        words = "swap the inactive table in" if found.inactive else "resume"
        undo = self._back(work.name, found) if found.live or found.has(c.SUSPEND) else _nothing
        return self._change(work, words, Swap(work.name), undo, looks=Looks("active", found.inactive or found.live))

    def _cleared(self, work: Work) -> list[Change]:
        found = self._must_be(work)
        if not found.has(c.INACTIVE_PRESENT):
            return []

        def undo(mapper: Mapper) -> None:
            mapper.load(work.name, found.inactive, found.has(c.READONLY))

        looks = Looks(line.state_of(found), found.live)
        do = runner.clearing(work.name)
        return [self._change(work, "clear the inactive table", do, undo, looks=looks)]

    def _renamed(self, work: Work) -> list[Change]:
        want, found, name = work.want, work.found, work.name
        new = want.new_name
        if found is None and new in self.picture.found:
            found, name = self.picture.found[new], new
        if found is None:
            raise WrongDevice(f"{_at(want)}there is no device {line.plain(name or want.uuid)} to rename")
        changes = []
        if new and new != name:
            if new in self.picture.names:
                raise WrongDevice(f"{_at(want)}{line.plain(name)} and {line.plain(new)} are both there")
            work = Work(want, name, found)
            changes.append(self._renaming(work, new))
            name = new
        if want.new_uuid and found.listed.uuid != want.new_uuid:
            if found.listed.uuid:
                raise WrongDevice(f"{_at(want)}{line.plain(name)} has a uuid, and the kernel changes none")
            changes.append(self._uuid(Work(want, name, found), want.new_uuid))
        return changes

    def _renaming(self, work: Work, new: str) -> Change:
        name = work.name

        def do(mapper: Mapper) -> None:
            mapper.rename(name, new)

        def undo(mapper: Mapper) -> None:
            mapper.rename(new, name)

        found = t.cast(Found, work.found)
        looks = Looks(line.state_of(found), found.live, new)
        return self._change(work, f"rename to {line.plain(new)}", do, undo, looks=looks)

    def _absent(self, works: t.Sequence[Work]) -> list[Change]:
        there = [work for work in works if work.found is not None and not self._leaving(work)]
        by_name = {work.name: work for work in there}
        numbers = {dev_text(work.found.dev): work.name for work in there if work.found}
        below = {
            work.name: [numbers[one] for one in equality.devices(work.found.live) if one in numbers]
            for work in there
            if work.found
        }
        names = order.arrange(below, ()).names
        return [self._removal(by_name[name]) for name in reversed(names)]

    def _leaving(self, work: Work) -> bool:
        return work.want.deferred and t.cast(Found, work.found).has(c.DEFERRED_REMOVE)

    def _removal(self, work: Work) -> Change:
        want, found = work.want, t.cast(Found, work.found)

        def do(mapper: Mapper) -> None:
            mapper.remove(work.name, want.retry, want.deferred)

        return self._change(work, "remove", do, self._back(work.name, found, anew=True), looks=GONE)

    # -- how a change looks

    def _change(
        self,
        work: Work,
        how: str,
        do: runner.Action,
        undo: t.Any = None,
        wave: t.Any = None,
        looks: Looks | None = None,
    ) -> Change:
        """`looks`: how the device will look after all, where that is not as a present one looks."""
        found, (before_words, after_words) = work.found, self._more(work)
        before = line.found_text(found, self._lines(found.live), before_words) if found else ""
        looks = looks or self._present_looks(work)
        after = self._text(work, looks, after_words) if looks.state else ""
        return Change(line.plain(work.name), how, before, after, do, undo, wave, work.want.where)

    def _present_looks(self, work: Work) -> Looks:
        want, found = work.want, work.found
        live = found.live if found else []
        if want.table is None or (found and equality.same_table(want.table, live, self.picture.resolve)):
            return Looks("active", live)
        return Looks("active", want.table)

    def _text(self, work: Work, looks: Looks, words: t.Sequence[str]) -> str:
        want, found = work.want, work.found
        readonly = want.readonly if want.readonly is not None else bool(found and found.has(c.READONLY))
        uuid = want.new_uuid or want.uuid or (found.listed.uuid if found else "")
        targets = self._lines(looks.lines)
        text = line.text(line.plain(looks.name or work.name), looks.state, readonly, line.plain(uuid), targets, words)
        same = found is not None and targets == self._lines(found.live)
        return _mark_keys(text, want, found) if same else text

    def _lines(self, lines: t.Sequence[Line]) -> list[str]:
        """A table as text, made once; the tables live as long as this does."""
        if not lines:
            return []
        if id(lines) not in self.texts:
            self.texts[id(lines)] = line.target_lines(lines, self.picture)
        return self.texts[id(lines)]

    def _more(self, work: Work) -> tuple[list[str], list[str]]:
        """What else of the device the task is about: as it is, and as it will be."""
        before, after = [], []
        want, found = work.want, work.found
        if want.geometry is not None:
            now = geometry_of(self.mapper, found) if found else None
            before.append("geometry " + "/".join(map(str, now)) if now else "")
            after.append("geometry " + "/".join(map(str, want.geometry)))
        if want.node != (None, None, None):
            state = node_of(self.mapper, found) if found else None
            before.append(_node_words(state) if state else "")
            after.append(_node_words(_merged(want.node, state)))
        if want.read_ahead is not None:
            sectors = read_ahead_of(found) if found else None
            before.append(f"read-ahead {sectors}" if sectors is not None else "")
            after.append(f"read-ahead {readahead.rounded(want.read_ahead)}")
        return [one for one in before if one], after


STATES: t.Dict[str, t.Any] = {
    "present": None,
    "absent": None,
    "renamed": None,
    "suspended": Planner._suspended,
    "resumed": Planner._resumed,
    "cleared": Planner._cleared,
}


def _at(want: Wanted) -> str:
    return f"{want.where}: " if want.where else ""


def _grows(work: Work) -> bool:
    """Whether the device will be larger: what stands on it may need that."""
    if work.want.table is None or work.found is None:
        return False
    wanted, live = work.want.table[-1], work.found.live[-1:]
    return not live or wanted[0] + wanted[1] > live[0][0] + live[0][1]


def _mark_keys(after: str, want: Wanted, found: Found | None) -> str:
    """A key that changes shows as such, for both lines hide it."""
    from ..targets import secrets

    keys = [[key.lower() for key in secrets.keys(lines or [])] for lines in (want.table, found.live if found else [])]
    return after if want.table is None or keys[0] == keys[1] else after.replace(secrets.HIDDEN, "[another, hidden]")


def _nothing(_mapper: Mapper) -> None:
    """There is nothing to take back."""


def _send(mapper: Mapper, name: str, text: str) -> None:
    mapper.message(name, 0, text)


def _merged(wanted: t.Any, now: NodeState | None) -> t.Any:
    return NodeState(*(one if one is not None else other for one, other in zip(wanted, now or (0o660, 0, 6))))


def _node_words(state: NodeState) -> str:
    return f"node {state.mode:04o} {state.uid}:{state.gid}"


def _permit(path: str, access: t.Any) -> None:
    import os

    mode, uid, gid = access
    os.chown(path, -1 if uid is None else uid, -1 if gid is None else gid)
    if mode is not None:
        os.chmod(path, mode)


def _set_read_ahead(mapper: Mapper, name: str, sectors: int) -> None:
    state = mapper.status(name)
    if state is not None:
        readahead.write(state.dev, sectors)
