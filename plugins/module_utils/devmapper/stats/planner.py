# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the regions and groups of a device, as they are and as they are wanted, to changes."""

from __future__ import annotations

import errno
import typing as t

from ...plan import Change, Plan
from ..errors import DmError
from . import bounds, groups
from .answers import Region
from .groups import Group
from .messages import Span
from .steps import Action, Steps
from .wanted import Piece, Task, Wanted

Picture = t.Dict[str, t.List[Region]]  # regions of all programs, by the name of their device


def observe(task: Task) -> Picture:
    """Raises DmError."""
    return {want.device.name: want.device.regions() for want in task.wanted}


def plan(task: Task, picture: Picture, steps: Steps) -> Plan:
    """What there is to do for `present` and `absent`. Raises DmError."""
    wants: t.Dict[str, t.List[Wanted]] = {}
    for want in task.wanted:
        wants.setdefault(want.device.name, []).append(want)
    changes: list[Change] = []
    for name, some in wants.items():
        changes += _Planner(task, some, picture[name]).changes()
    return Plan(changes, steps.run)


def chosen(want: Wanted, ours: t.Sequence[Region], known: t.Iterable[Group]) -> list[Region]:
    """Of the program's regions those that the task means: by geometry, by their group, or all."""
    found = list(ours)
    if want.alias is not None:
        members = {member for group in known if group.alias == want.alias for member in group.members}
        found = [region for region in found if region.id in members]
    if want.pieces is not None:
        spans = {piece.span for piece in want.pieces}
        found = [region for region in found if region.span in spans]
    return found


class _Planner:
    """Of one device.

    What is new comes first: when the kernel has no room for it, no counter is lost. Then goes what is to go, the region
    that a group is written in after the other members: however far a task came that was killed, the next one knows by
    the group what was to go. Groups are written last.
    """

    def __init__(self, task: Task, wants: t.Sequence[Wanted], regions: list[Region]) -> None:
        self.task, self.wants, self.device = task, wants, wants[0].device
        self.ours = [region for region in regions if region.program_id == task.program_id]
        self.free: t.Dict[Span, t.List[int]] = {}  # regions that no piece has been found to be
        for region in self.ours:
            self.free.setdefault(region.span, []).append(region.id)
        self.programs = {region.id: region.program_id for region in regions}
        self.spans = {region.id: region.span for region in regions}
        # As they are after the changes planned so far.
        self.groups = groups.of_regions(regions)
        self.users = {region.id: groups.user_data(region) for region in regions}
        self.aux = {region.id: region.aux_data for region in regions}
        self.new = 0

    def changes(self) -> list[Change]:
        if self.task.state == "absent":
            gone = {region.id for want in self.wants for region in chosen(want, self.ours, self.groups)}
            return self._going(gone) + self._rest(gone, self.groups)
        made: list[Change] = []
        kept: set[int] = set()
        former: set[int] = set()  # members of a group that is to have others
        wanted: list[tuple[str | None, dict[int, Piece]]] = []
        for want in self.wants:
            slots, created = self._match(want.pieces or [])
            kept.update(slots)
            former |= {
                one for group in self.groups if want.alias and group.alias == want.alias for one in group.members
            }
            made += created
            wanted.append((want.alias, slots))
        gone = {region.id for region in self.ours if self.task.purge or region.id in former} - kept
        made += self._going(gone)
        headless = [group for group in self.groups if group.id in gone]
        self.groups = [group for group in self.groups if group.id not in gone]
        for alias, slots in wanted:
            made += [*self._in_the_way(alias, slots), *self._relabelled(slots), *self._grouped(alias, slots)]
        grouped = {slot for alias, slots in wanted if alias is not None for slot in slots}
        return made + self._rest(gone | grouped, headless) + self._rest(gone, self.groups)

    def _match(self, pieces: list[Piece]) -> tuple[dict[int, Piece], list[Change]]:
        """Pieces by slot, and the creation of those that are not there."""
        slots: dict[int, Piece] = {}
        changes: list[Change] = []
        for piece in pieces:
            if self.free.get(piece.span):
                slots[self.free[piece.span].pop(0)] = piece
                continue
            self.new += 1
            slot, user_data = -self.new, piece.user_data or ""
            slots[slot], self.spans[slot], self.users[slot] = piece, piece.span, user_data
            do = ("create", self.device, slot, piece.span, self.task.program_id, user_data)
            undo = ("delete", self.device, slot)
            changes.append(self._change(slot, "create", "", self._line(slot), do, undo))
        return slots, changes

    def _in_the_way(self, alias: str | None, slots: dict[int, Piece]) -> list[Change]:
        """Groups that share a region or the alias with the wanted one are dissolved."""
        if alias is None:
            return []
        return [
            self._dissolve(group)
            for group in [group for group in self.groups if not _same(group, alias, slots)]
            if set(group.members) & set(slots) or (alias and group.alias == alias and self._is_ours(group))
        ]

    def _is_ours(self, group: Group) -> bool:
        return all(self.programs[member] == self.task.program_id for member in group.members)

    def _dissolve(self, group: Group) -> Change:
        if not self._is_ours(group):
            raise DmError(
                errno.EBUSY,
                f"{self.device.title}: the group {group.alias or group.id} has regions of other programs too, so it is"
                " not touched",
            )
        before, self.aux[group.id] = self.aux[group.id], self.users[group.id]
        self.groups = [other for other in self.groups if other != group]
        do, undo = (("set_aux", self.device, group.id, aux_data) for aux_data in (self.users[group.id], before))
        return self._group_change(group.alias, "dissolve", self._group_line(group.alias, group.members), "", do, undo)

    def _relabelled(self, slots: dict[int, Piece]) -> list[Change]:
        changes = []
        for slot, piece in slots.items():
            if slot < 0 or piece.user_data is None or piece.user_data == self.users[slot]:
                continue
            old, before = self.aux[slot], self._line(slot)
            group, self.users[slot] = groups.decode(old)[0], piece.user_data
            quoted = 'DMS_GROUP="' in old
            self.aux[slot] = groups.encode(group, piece.user_data, quoted) if group else piece.user_data
            do, undo = (("set_aux", self.device, slot, aux_data) for aux_data in (self.aux[slot], old))
            changes.append(self._change(slot, "set user data", before, self._line(slot), do, undo))
        return changes

    def _grouped(self, alias: str | None, slots: dict[int, Piece]) -> list[Change]:
        if alias is None or any(_same(group, alias, slots) for group in self.groups):
            return []
        return [self._group(alias, sorted(slots, key=self.spans.__getitem__))]

    def _group(self, alias: str, members: t.Sequence[int], before: str = "") -> Change:
        users = {slot: self.users[slot] for slot in members}
        do, undo = ("group", self.device, alias, users), ("ungroup", self.device, users)
        return self._group_change(alias, "group", before, self._group_line(alias, members), do, undo)

    def _going(self, gone: set[int]) -> list[Change]:
        """A group goes with the region that it is written in, its lowest."""
        written = {group.id: group for group in self.groups}
        changes = []
        for number in sorted(gone, reverse=True):
            lines = [self._line(number)]
            if number in written:
                lines.insert(0, self._group_line(written[number].alias, written[number].members))
            do = ("delete", self.device, number)
            changes.append(self._change(number, "delete", "\n".join(lines), "", do, None))
        return changes

    def _rest(self, lost: set[int], some: t.Iterable[Group]) -> list[Change]:
        """A group that loses members goes on with the others."""
        rests = [(group, [member for member in group.members if member not in lost]) for group in some]
        return [
            self._group(group.alias, rest, self._group_line(group.alias, group.members))
            for group, rest in rests
            if rest and len(rest) < len(group.members)
        ]

    # -- how it is shown

    def _change(self, slot: int, how: str, before: str, after: str, do: Action, undo: Action | None) -> Change:
        what = f"{self.device.title}: " + (f"region {slot}" if slot >= 0 else f"new region {-slot}")
        return Change(what, how, before, after, do, undo)

    def _line(self, slot: int) -> str:
        return line(self.device.title, self.spans[slot], self.task.program_id, self.users[slot])

    def _group_change(self, alias: str, how: str, before: str, after: str, do: Action, undo: Action) -> Change:
        return Change(f"{self.device.title}: group {alias or 'without alias'}", how, before, after, do, undo)

    def _group_line(self, alias: str, members: t.Iterable[int]) -> str:
        spans = sorted(self.spans[member] for member in members)
        places = ", ".join(f"{span.start}+{span.length}" for span in spans)
        return f"{self.device.title}  group {alias or '(without alias)'}  of {places}"


def _same(group: Group, alias: str, slots: t.Collection[int]) -> bool:
    return group.alias == alias and set(group.members) == set(slots)


def line(title: str, span: Span, program_id: str, user_data: str) -> str:
    """A region, in a line."""
    words = [title, f"region {span.start}+{span.length}", f"areas {span.areas} of {span.step}"]
    words += ["precise"] if span.precise else []
    words += [f"bounds {bounds.render_all(span.bounds)}"] if span.bounds else []
    words += [f"program {program_id or '(none)'}"]
    return "  ".join([*words, *([f"data {user_data}"] if user_data else [])])
