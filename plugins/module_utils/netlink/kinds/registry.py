# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kinds of link there are, and where the table of each lies.

Tables are loaded when first asked for: every task compiles what it imports, and few tasks need all
kinds.
"""

from __future__ import annotations

import functools
import typing as t

from ..attribute import U32, Table

Options = t.Mapping[str, t.Any]

# An interface index. That a row's codec is this very one marks the option as a link: see `links`.
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


Kinds = t.Mapping[str, Kind]


def _bond() -> Kinds:
    from .bond import KINDS

    return KINDS


def _bridge() -> Kinds:
    from .bridge import KINDS

    return KINDS


def _bridge_port() -> Kinds:
    from .bridge_port import KINDS

    return KINDS


def _geneve() -> Kinds:
    from .geneve import KINDS

    return KINDS


def _macvlan() -> Kinds:
    from .macvlan import KINDS

    return KINDS


def _plain() -> Kinds:
    """Kinds without attributes of their own; wireguard's keys and peers go over generic netlink."""
    return {name: Kind(name, module=name) for name in ("dummy", "ifb", "nlmon", "team", "wireguard")}


def _tun() -> Kinds:
    from .tun import KINDS

    return KINDS


def _tunnel() -> Kinds:
    from .tunnel import KINDS

    return KINDS


def _tunnel6() -> Kinds:
    from .tunnel6 import KINDS

    return KINDS


def _veth() -> Kinds:
    from .veth import KINDS

    return KINDS


def _vlan() -> Kinds:
    from .vlan import KINDS

    return KINDS


def _vrf() -> Kinds:
    from .vrf import KINDS

    return KINDS


def _vxlan() -> Kinds:
    from .vxlan import KINDS

    return KINDS


def _xfrm() -> Kinds:
    from .xfrm import KINDS

    return KINDS


LOADERS: dict[str, t.Callable[[], Kinds]] = {
    "bond": _bond,
    "bridge": _bridge,
    "dummy": _plain,
    "geneve": _geneve,
    "gre": _tunnel,
    "gretap": _tunnel,
    "ifb": _plain,
    "ip6gre": _tunnel6,
    "ip6gretap": _tunnel6,
    "ip6tnl": _tunnel6,
    "ipip": _tunnel,
    "ipvlan": _macvlan,
    "ipvtap": _macvlan,
    "macvlan": _macvlan,
    "macvtap": _macvlan,
    "nlmon": _plain,
    "sit": _tunnel,
    "team": _plain,
    "tun": _tun,
    "veth": _veth,
    "vlan": _vlan,
    "vrf": _vrf,
    "vti": _tunnel,
    "vti6": _tunnel6,
    "vxlan": _vxlan,
    "wireguard": _plain,
    "xfrm": _xfrm,
}

# By the kind of the master; the loaded mapping holds the port's kind as "<master's kind> port".
PORT_LOADERS: dict[str, t.Callable[[], Kinds]] = {"bond": _bond, "bridge": _bridge_port, "vrf": _vrf}


@functools.lru_cache(maxsize=None)
def find(name: str) -> Kind | None:
    """What is known of a kind; None for one that is not known here."""
    loader = LOADERS.get(name)
    return loader()[name] if loader else None


def get(name: str) -> Kind:
    """What is known of a kind; a kind not known here has no attributes of its own (the kernel may
    still know it).
    """
    return find(name) or Kind(name)


@functools.lru_cache(maxsize=None)
def port(master: str) -> Kind | None:
    """What is known of ports of a master of that kind; None where they have no options."""
    loader = PORT_LOADERS.get(master)
    return loader()[f"{master} port"] if loader else None


def port_table(master: str) -> Table | None:
    """The attributes of a port of a master of that kind (IFLA_INFO_SLAVE_DATA)."""
    found = port(master)
    return found.table if found else None


def links(table: Table) -> t.FrozenSet[str]:
    """The options that hold an interface index: people give and read names there."""
    return frozenset(name for name, row in table.rows.items() if row.codec is LINK)
