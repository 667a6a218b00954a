# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kinds of link there are, and where the table of each lies.

Tables are loaded when first asked for: every task compiles what it imports, and few tasks need all kinds.
"""

from __future__ import annotations

import typing as t

from ..attribute import Table


def _nothing(_options: t.Mapping[str, t.Any]) -> None:
    """No contradictions are possible."""


class Kind(t.NamedTuple):
    """What is to know about a kind of link.

    `table` holds the kind's own attributes (IFLA_INFO_DATA), `required` those it cannot be created without, `fixed`
    those that an existing link cannot change in place, `read_only` those that only the kernel sets. `check(options)`
    raises NetlinkEncodeError for options that contradict each other. `parent`: whether it stands on another link
    (IFLA_LINK): "required", "optional" or "no". `module`: the kernel module that brings it.
    """

    name: str
    table: Table = Table()
    module: str = ""
    parent: str = "no"
    required: t.Tuple[str, ...] = ()
    fixed: t.FrozenSet[str] = frozenset()
    read_only: t.FrozenSet[str] = frozenset()
    check: t.Callable[[t.Mapping[str, t.Any]], None] = _nothing


def _bridge() -> t.Mapping[str, Kind]:
    from .bridge import KINDS

    return KINDS


LOADERS: dict[str, t.Callable[[], t.Mapping[str, Kind]]] = {
    "bridge": _bridge,
}

PORT_TABLES: dict[str, t.Callable[[], Table]] = {}

_found: dict[str, Kind | None] = {}


def find(name: str) -> Kind | None:
    """What is known of a kind; None for one that is not known here."""
    if name not in _found:
        loader = LOADERS.get(name)
        _found[name] = loader()[name] if loader else None
    return _found[name]


def get(name: str) -> Kind:
    """What is known of a kind; a kind not known here has no attributes of its own (the kernel may still know it)."""
    return find(name) or Kind(name)


def port_table(kind: str) -> Table | None:
    """The attributes of a port of a master of that kind (IFLA_INFO_SLAVE_DATA)."""
    loader = PORT_TABLES.get(kind)
    return loader() if loader else None
