# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups of regions as dmstats has them: a text in the auxiliary data of the group's lowest region.

    DMS_GROUP=alias:0-3,7#user data      libdevmapper up to 1.02.196
    DMS_GROUP="alias":0-3,7#user data    later ones

Both are read. What is written should be what the host's dmstats reads: a later one cuts the ends off an alias without
quotes, an earlier one shows the quotes.
"""

from __future__ import annotations

import re
import typing as t

from ..errors import DmValueError
from .answers import Region

DESCRIBED = re.compile(r'DMS_GROUP=(?:"([^"]*)"|([^":#]*)):([0-9,-]*)(?:#(.*))?', re.ASCII | re.DOTALL)
RANGE = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", re.ASCII)
NO_ALIAS = re.compile(r'[\s":#\0]')  # dmstats reads an alias up to the first of them
MEMBERS = 1 << 20  # of a group, at most


class Group(t.NamedTuple):
    """`members`: numbers of regions, ascending; the first is also the group's own number. `alias` may be ""."""

    alias: str
    members: t.Tuple[int, ...]

    @property
    def id(self) -> int:
        return self.members[0]


def decode(aux_data: str) -> tuple[Group | None, str]:
    """The group in a region's auxiliary data, and the user's own data. What is no whole group is the user's."""
    found = DESCRIBED.search(aux_data)
    members = _members(found.group(3)) if found else ()
    if found is None or not members:
        return None, aux_data
    user_data = aux_data[: found.start()] + (found.group(4) or "")
    return Group(found.group(1) or found.group(2) or "", members), "" if user_data == "-" else user_data


def _members(text: str) -> tuple[int, ...]:
    found: set[int] = set()
    for word in text.split(","):
        bounds = RANGE.fullmatch(word)
        if not bounds:
            return ()
        low, high = int(bounds.group(1)), int(bounds.group(2) or bounds.group(1))
        if low > high or high - low + len(found) > MEMBERS:
            return ()
        found.update(range(low, high + 1))
    return tuple(sorted(found))


def encode(group: Group, user_data: str = "", quoted: bool = True) -> str:
    """The auxiliary data of the group's first region. Raises DmValueError."""
    if NO_ALIAS.search(group.alias):
        raise DmValueError(f"a group's alias cannot have a blank, quote, colon or number sign in it: {group.alias!r}")
    mark = '"' if quoted else ""
    return f"DMS_GROUP={mark}{group.alias}{mark}:{ranges(group.members)}#{user_data or '-'}"


def ranges(numbers: t.Iterable[int]) -> str:
    """`0-3,7`."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(f"{low}" if low == high else f"{low}-{high}" for low, high in runs)


def of_regions(regions: t.Iterable[Region]) -> list[Group]:
    """The groups that the regions of a device tell of, without members that are not there (any more)."""
    there = {region.id: region for region in regions}
    found = []
    for region in there.values():
        group = decode(region.aux_data)[0]
        members = tuple(member for member in group.members if member in there) if group else ()
        if group and group.id == region.id and members:
            found.append(Group(group.alias, members))
    return found


def by_member(found: t.Iterable[Group]) -> dict[int, Group]:
    return {member: group for group in found for member in group.members}


def user_data(region: Region) -> str:
    return decode(region.aux_data)[1]
