# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links that a task wants to be gone, with what goes along with them."""

from __future__ import annotations

import typing as t

from ..netlink.kinds import registry
from ..netlink.links.wanted import WrongLink
from .model import PAIRED, below
from .picture import Object
from .wanting import Wanting


def can_come_back(one: Object) -> bool:
    """Whether a link could be made anew as it was."""
    kind = one.get("kind")
    return kind is not None and kind != "wireguard" and registry.find(kind) is not None


def refuse_removal(wanting: Wanting, index: int, where: str) -> None:
    """What could not be made anew is not removed by a transaction."""
    one = wanting.before.links[index]
    kind = one.get("kind")
    if kind is None:
        raise WrongLink(where, f"{one['ifname']} is a physical link, which cannot be removed")
    if not can_come_back(one):
        raise WrongLink(
            where, f"{one['ifname']} of kind {kind} could not be brought back as it was: remove it by netlink_link"
        )


class Removals:
    """Removes links, and what stands on them or is their other end, unless the task speaks of that (`listed`).

    Nothing else changes the links meanwhile.
    """

    def __init__(self, wanting: Wanting, listed: t.AbstractSet[int]) -> None:
        self._wanting, self._listed = wanting, listed
        self._along: dict[int, list[int]] = {}  # who goes with a link
        self._ports: dict[int, list[int]] = {}
        for index, one in wanting.table("links").items():
            if below(one) or one.get("kind") in PAIRED:
                self._along.setdefault(one["link"], []).append(index)
            if one["master"]:
                self._ports.setdefault(one["master"], []).append(index)

    def drop(self, index: int) -> None:
        one = self._wanting.table("links").get(index)
        if one is None:
            return
        self._wanting.drop("links", index)
        for other, above in self._others(self._along, index):
            if below(above) == index or one["link"] == other:
                self.drop(other)
        for other, port in self._others(self._ports, index):
            kept = {key: value for key, value in port.items() if key != "port"}
            self._wanting.put("links", other, {**kept, "master": 0})

    def _others(self, found: dict[int, list[int]], index: int) -> list[tuple[int, Object]]:
        links = self._wanting.table("links")
        return [(other, links[other]) for other in found.get(index, ()) if other in links and other not in self._listed]
