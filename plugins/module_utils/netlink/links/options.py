# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A kind's own options in a task: names of links told from values, complaints told with the option's place."""

from __future__ import annotations

import typing as t

from ..errors import NetlinkEncodeError
from ..kinds import options as kinds
from ..kinds import registry
from ..kinds.kind import Kind, link_options
from .wanted import Wanted, WrongLink

Options = t.Dict[str, t.Any]


class Split(t.NamedTuple):
    """Options of one kind: plain values as the kernel shows them, and those that name another link."""

    plain: Options
    named: t.Dict[str, str]

    def __bool__(self) -> bool:
        return bool(self.plain or self.named)


def split(kind: Kind, values: t.Mapping[str, t.Any], where: str) -> Split:
    """Checks `values`. Raises WrongLink."""
    if not values:
        return Split({}, {})
    links = link_options(kind.table)
    if isinstance(values.get("peer"), dict):
        # Where it is to lie is no attribute of the kernel's; names of namespaces become files when it is made.
        values = {**values, "peer": {name: value for name, value in values["peer"].items() if name != "netns"}}
    named = {name: value for name, value in values.items() if name in links and isinstance(value, str)}
    try:
        # A link that is only to be created has no index yet: any will do to check the rest against.
        plain = kinds.normalise(kind, {name: 1 if name in named else value for name, value in values.items()})
    except NetlinkEncodeError as error:
        raise WrongLink(f"{where}.{error.attribute}", error.reason) from None
    return Split({name: value for name, value in plain.items() if name not in named}, named)


def aliased(want: Wanted) -> Wanted:
    """The kernel's kind for the name that people give it, with the options that the name means. Raises WrongLink."""
    if want.kind not in registry.ALIASES:
        return want
    kind, meant = registry.ALIASES[want.kind]
    if want.kind == "tap" and want.options.get("type", "tap") != "tap":
        raise WrongLink(want.at("options.type"), f"contradicts the kind tap, being {want.options['type']}")
    return want._replace(kind=kind, options={**meant, **want.options})


def parented(want: Wanted, kind: Kind) -> Wanted:
    """`link` may be given beside the options or, where the kind has it among its own, within them."""
    option = kind.parent_option
    inside = want.options.get(option) if option else None
    if not isinstance(inside, str):
        return want
    if want.link not in (None, inside):
        raise WrongLink(want.at("link"), f"{want.link}, and options.{option} says {inside}")
    rest = {name: value for name, value in want.options.items() if name != option}
    return want._replace(link=inside, options=rest)


def require(want: Wanted, kind: Kind) -> None:
    """What a link of the kind cannot be created without. Raises WrongLink."""
    missing = kinds.missing(kind, want.options)
    if missing:
        raise WrongLink(want.at(f"options.{missing[0]}"), f"a {kind.name} cannot be created without it")
    if kind.parent == "required" and not want.link:
        raise WrongLink(want.at("link"), f"a {kind.name} stands on another link: which one?")
