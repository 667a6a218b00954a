# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tunnels over IPv6: IFLA_GRE_*, IFLA_IPTUN_*, IFLA_VTI_* (linux/if_tunnel.h), IP6_TNL_F_*
(linux/ip6_tunnel.h).
"""

from __future__ import annotations

import typing as t

from ..attribute import BE32, BOOL, U8, U32, Table, enum, integer, scalar, truth
from .kind import LINK, Options
from .tunnel import (
    FWMARK,
    GRE_KEY,
    GRE_OPTIONS,
    GRE_WIRE,
    TTL,
    both_sides,
    encap_rows,
    show_encap,
    show_gre,
    show_vti,
    spread_encap,
    spread_gre,
    tunnel,
)
from .values import ANY_IPV6, PRESENCE, Dict, Rows, Shaped, hexadecimal

FLAGS = {
    0x1: "ip6_tnl_f_ign_encap_limit",
    0x2: "ip6_tnl_f_use_orig_tclass",
    0x4: "ip6_tnl_f_use_orig_flowlabel",
    0x8: "ip6_tnl_f_mip6_dev",
    0x10: "ip6_tnl_f_rcv_dscp_copy",
    0x20: "ip6_tnl_f_use_orig_fwmark",
    0x40: "ip6_tnl_f_allow_local_remote",
}
# The flag that overrides an option, and the word for the option that sets it.
OVERRIDES = {
    "encap_limit": (0x1, "none"),
    "tclass": (0x2, "inherit"),
    "flowlabel": (0x4, "inherit"),
    "fwmark": (0x20, "inherit"),
}
TCLASS, FLOWLABEL = hexadecimal(U8, 2), hexadecimal(scalar("=I", 0, 0xFFFFF), 5)


def _normal(options: Options) -> Dict:
    """`encap_limit: none`, `tclass: inherit` and so on stand for flags; a number takes the flag
    away.
    """
    out = dict(options)
    for name, (bit, word) in OVERRIDES.items():
        if name in out:
            out.setdefault(FLAGS[bit], out[name] == word)
            if out[name] == word:
                del out[name]
    return out


def _show(found: Dict) -> Dict:
    flow, flags = found.pop("flowinfo", None), found.pop("flags", 0)
    if flow is not None:
        found["tclass"], found["flowlabel"] = (f"0x{flow >> 20 & 0xFF:02x}", f"0x{flow & 0xFFFFF:05x}")
    for name, (bit, _unused) in OVERRIDES.items():
        if flags & bit:
            found.pop(name, None)
    found.update((name, True) for bit, name in FLAGS.items() if flags & bit)
    return found


def _spread(options: Dict) -> Dict:
    if {"tclass", "flowlabel"} & set(options):
        tclass, label = integer(options.pop("tclass", 0)), integer(options.pop("flowlabel", 0))
        options["flowinfo"] = tclass << 20 | label
    if set(FLAGS.values()) & set(options):
        options["flags"] = sum(bit for bit, name in FLAGS.items() if truth(options.pop(name, False)))
    return options


def _common(first: int, flow: int) -> t.Tuple[Rows, Rows]:
    """Local address, remote address and time to live from attribute `first` on; the limit, flow and
    flags.
    """
    options = (
        (first, "local", ANY_IPV6),
        (first + 1, "remote", ANY_IPV6),
        (first + 2, "ttl", TTL),
        (flow - 1, "encap_limit", U8),
        (flow, "tclass", TCLASS),
        (flow, "flowlabel", FLOWLABEL),
        (20, "fwmark", FWMARK),
        *((flow + 1, name, BOOL) for name in FLAGS.values()),
    )
    return options, ((flow, "flowinfo", BE32), (flow + 1, "flags", U32))


def _gre6() -> Table:
    options, wire = _common(6, 12)
    encap, encap_wire = encap_rows(14)
    return Shaped(
        (*GRE_OPTIONS, *options, *encap, (18, "external", PRESENCE)),
        (*GRE_WIRE, *wire, *encap_wire),
        lambda found: _show(show_gre(found)),
        lambda given: _spread(spread_gre(given)),
    )


def _ip6tnl() -> Table:
    options, wire = _common(2, 7)
    encap, encap_wire = encap_rows(15)
    proto = enum(U8, {0: "any", 4: "ipip6", 41: "ip6ip6"})
    return Shaped(
        ((1, "link", LINK), *options, (9, "proto", proto), *encap, (19, "external", PRESENCE)),
        (*wire, *encap_wire),
        lambda found: _show(show_encap(found)),
        lambda given: _spread(spread_encap(given)),
    )


VTI6 = Shaped(
    (
        (1, "link", LINK),
        (2, "ikey", GRE_KEY),
        (3, "okey", GRE_KEY),
        (4, "local", ANY_IPV6),
        (5, "remote", ANY_IPV6),
        (6, "fwmark", FWMARK),
    ),
    show=show_vti,
)
GRE6, IP6TNL = _gre6(), _ip6tnl()
KINDS = {
    "ip6gre": tunnel("ip6gre", GRE6, "ip6_gre", normal=lambda given: _normal(both_sides(given))),
    "ip6gretap": tunnel("ip6gretap", GRE6, "ip6_gre", normal=lambda given: _normal(both_sides(given))),
    "ip6tnl": tunnel("ip6tnl", IP6TNL, "ip6_tunnel", normal=_normal),
    "vti6": tunnel("vti6", VTI6, "ip6_vti", normal=both_sides),
}
