# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps that a plan for statistics is made of, carried out one by one.

A slot is a region: its number, or for a new one, whose number only the kernel knows, -1, -2, ...
"""

from __future__ import annotations

import typing as t

from ..errors import DmError
from . import groups
from .device import Device
from .groups import Group
from .messages import Span

Action = t.Tuple[t.Any, ...]  # the name of a step, and what it takes


class Steps:
    """`quoted` says how aliases are written here; it is asked only when a group is."""

    def __init__(self, quoted: t.Callable[[], bool]) -> None:
        self.quoted = quoted
        self.numbers: t.Dict[t.Tuple[str, int], int] = {}  # of new regions, by device and slot
        self.named: t.Dict[str, t.Callable[..., None]] = {
            "create": self.create,
            "delete": self.delete,
            "set_aux": self.set_aux,
            "group": self.group,
            "ungroup": self.ungroup,
            "clear": self.clear,
        }

    def run(self, actions: t.Sequence[Action]) -> list[Exception | None]:
        return [self._outcome(action) for action in actions]

    def _outcome(self, action: Action) -> Exception | None:
        step, *words = action
        try:
            self.named[step](*words)
        except DmError as error:
            return error
        return None

    def create(self, device: Device, slot: int, span: Span, program_id: str, user_data: str) -> None:
        self.numbers[device.name, slot] = device.create(span, program_id, user_data)

    def delete(self, device: Device, slot: int) -> None:
        device.delete(self._number(device, slot))

    def set_aux(self, device: Device, slot: int, aux_data: str) -> None:
        device.set_aux(self._number(device, slot), aux_data)

    def group(self, device: Device, alias: str, members: t.Mapping[int, str]) -> None:
        """`members`: user data by slot. The group is written into the one with the lowest number."""
        users = self._numbered(device, members)
        made = Group(alias, tuple(sorted(users)))
        device.set_aux(made.id, groups.encode(made, users[made.id], self.quoted()))

    def ungroup(self, device: Device, members: t.Mapping[int, str]) -> None:
        users = self._numbered(device, members)
        device.set_aux(min(users), users[min(users)])

    def clear(self, device: Device, number: int) -> None:
        device.clear(number)

    def _numbered(self, device: Device, members: t.Mapping[int, str]) -> dict[int, str]:
        return {self._number(device, slot): user_data for slot, user_data in members.items()}

    def _number(self, device: Device, slot: int) -> int:
        return slot if slot >= 0 else self.numbers[device.name, slot]
