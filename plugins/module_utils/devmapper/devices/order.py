# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which device stands on which, and in which order tables can be loaded and go live."""

from __future__ import annotations

import typing as t

from ..errors import DmValueError


class Order(t.NamedTuple):
    """Names from the lowest device up, and the stage of each: what is in one stage goes live together."""

    names: t.List[str]
    stages: t.Dict[str, int]


def arrange(below: t.Mapping[str, t.Collection[str]], first: t.Collection[str]) -> Order:
    """`below` has the devices under each. Those in `first` (new ones, and ones that grow) have to be live before the
    kernel takes a table that stands on them: what does is a stage later.

    Raises DmValueError on a circle.
    """
    names: list[str] = []
    stages: dict[str, int] = {}
    for name in below:
        _visit(name, below, first, names, stages, ())
    return Order(names, stages)


def _visit(
    name: str,
    below: t.Mapping[str, t.Collection[str]],
    first: t.Collection[str],
    names: list[str],
    stages: dict[str, int],
    above: tuple[str, ...],
) -> None:
    if name in above:
        circle = " on ".join([*above[above.index(name) :], name])
        raise DmValueError(f"devices cannot stand on each other in a circle: {circle}")
    if name in stages:
        return
    lower = [one for one in below[name] if one in below]
    for one in lower:
        _visit(one, below, first, names, stages, (*above, name))
    stages[name] = max((stages[one] + (one in first) for one in lower), default=0)
    names.append(name)


def related(names: t.Collection[str], below: t.Mapping[str, t.Collection[str]]) -> set[str]:
    """Those of `names` that stand on another of them, or carry one."""
    pairs = [(upper, lower) for upper in names for lower in below.get(upper, ()) if lower in names]
    return {name for pair in pairs for name in pair}
