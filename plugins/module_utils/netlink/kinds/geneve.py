# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Geneve: IFLA_GENEVE_* (linux/if_link.h)."""

from __future__ import annotations

from ..attribute import BE16, BOOL, IPV4, IPV6, U8
from ..errors import NetlinkEncodeError
from .kind import Kind, Options
from .values import PRESENCE, Shaped, by_family, hexadecimal, is_multicast, specified, worded
from .vxlan import DF, LABEL, VNI

TABLE = Shaped(
    (
        (1, "id", VNI),
        (2, "remote", specified(IPV4)),
        (3, "ttl", worded(U8, auto=0)),
        (4, "tos", hexadecimal(worded(U8, inherit=1))),
        (5, "port", BE16),
        (6, "external", PRESENCE),
        (7, "remote6", specified(IPV6)),
        (8, "udp_csum", BOOL),
        (9, "udp_zero_csum6_tx", BOOL),
        (10, "udp_zero_csum6_rx", BOOL),
        (11, "label", LABEL),
        (12, "ttl_inherit", BOOL),
        (13, "df", DF),
        (14, "inner_proto_inherit", PRESENCE),
    )
)


def _check(options: Options) -> None:
    if "remote" in options and "remote6" in options:
        raise NetlinkEncodeError("remote6", "contradicts remote: there is one remote end")
    for name in {"remote", "remote6"} & set(options):
        if is_multicast(options[name]):
            raise NetlinkEncodeError(name, f"takes a unicast address, not {options[name]}")
    given = [name for name in ("id", "remote", "remote6", "ttl", "tos", "label") if options.get(name)]
    if options.get("external") and given:
        raise NetlinkEncodeError(given[0], "contradicts external, where each packet's route says it")


FIXED = frozenset(
    ("id", "port", "external", "udp_csum", "udp_zero_csum6_tx", "udp_zero_csum6_rx", "inner_proto_inherit")
)
KINDS = {
    "geneve": Kind(
        "geneve",
        TABLE,
        "geneve",
        required=("id", "remote"),
        fixed=FIXED,
        normal=lambda options: by_family(options, ("remote",)),
        check=_check,
    )
}
