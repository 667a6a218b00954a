# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is to know about a kind of link."""

from __future__ import annotations

import functools
import typing as t

from ..attribute import U32, Table

Options = t.Mapping[str, t.Any]

# An interface index. That a row's codec is this very one marks the option as a link: see `link_options`.
LINK = U32._replace()


def _nothing(_options: Options) -> None:
    """No contradictions are possible."""


def _as_given(options: Options) -> Options:
    return options


def _the_wanted(_current: Options, wanted: Options) -> Options:
    """The kernel keeps what a change leaves out."""
    return wanted


class Kind(t.NamedTuple):
    """What is to know about a kind of link, and about ports of masters of that kind.

    `table`: the kind's own attributes (IFLA_INFO_DATA, of ports IFLA_INFO_SLAVE_DATA), keyed as `ip
    -j -d link` does.
    `module`: the kernel module that brings the kind.
    `parent`: whether it stands on another link: "required", "optional" or "no"; `parent_option`:
    the option that names the parent where that is not IFLA_LINK.
    `required`: options that it cannot be created without (an `external` one needs none).
    `fixed`: options that an existing link cannot change in place. `needs`: what an existing link
    must be for an option to change: "down", "up" or "without ports".
    `read_only`: set by the kernel alone. `write_only`: never told by the kernel; they only serve
    creation.
    `rounded`: times in 1/100 s, which kernels with a clock of 250 Hz cut to less, by up to 1.
    `absent`: what an option is when the kernel does not tell it, where that is not off, 0 or none.
    `normal(options)`: other spellings of options turned into the table's. `check(options)`: raises
    NetlinkEncodeError for options that contradict each other. `change(current, wanted)`: what to
    send so that `wanted` becomes true.
    `by_rtnetlink`: False where links are not created by RTM_NEWLINK (tun: see tuntap.py).
    """

    name: str
    table: Table = Table()
    module: str = ""
    parent: str = "no"
    parent_option: str = ""
    required: t.Tuple[str, ...] = ()
    fixed: t.FrozenSet[str] = frozenset()
    needs: t.Mapping[str, t.Tuple[str, ...]] = {}
    read_only: t.FrozenSet[str] = frozenset()
    write_only: t.FrozenSet[str] = frozenset()
    rounded: t.FrozenSet[str] = frozenset()
    absent: Options = {}
    normal: t.Callable[[Options], Options] = _as_given
    check: t.Callable[[Options], None] = _nothing
    change: t.Callable[[Options, Options], Options] = _the_wanted
    by_rtnetlink: bool = True

    @property
    def brought_by(self) -> str:
        """The kernel module; most have the name of their kind."""
        return self.module or self.name


@functools.lru_cache(maxsize=None)
def link_options(table: Table) -> t.FrozenSet[str]:
    """The options that hold an interface index: people give and read names there."""
    return frozenset(name for name, row in table.rows.items() if row.codec is LINK)
