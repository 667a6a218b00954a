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

from ..attribute import Table
from .kind import Kind

Kinds = t.Mapping[str, Kind]

# Kinds under the names that people give them.
ALIASES = {"tap": ("tun", {"type": "tap"}), "tun": ("tun", {"type": "tun"})}


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
