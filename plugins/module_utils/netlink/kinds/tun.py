# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Persistent tun and tap links as they are read back: IFLA_TUN_* (linux/if_link.h). tuntap.py makes
them.
"""

from __future__ import annotations

import grp
import pwd
import typing as t

from ..attribute import BOOL, U32, Codec, Table, enum, scalar
from .kind import Kind

TYPES = {1: "tun", 2: "tap"}  # IFF_TUN, IFF_TAP


def _account(find: t.Callable[[str], t.Any], what: str) -> Codec:
    """The number of a user or group, which may be given by name."""

    def encode(value: t.Any) -> bytes:
        if isinstance(value, str) and not value.isdigit():
            try:
                value = find(value)[2]
            except KeyError:
                raise ValueError(f"takes a {what} of this host, by name or number") from None
        return U32.encode(value)

    return Codec(U32.decode, encode)


READ_ONLY = ((6, "persist", BOOL), (8, "numqueues", U32), (9, "numdisabled", U32))
TABLE = Table(
    (1, "user", _account(pwd.getpwnam, "user")),
    (2, "group", _account(grp.getgrnam, "group")),
    (3, "type", enum(scalar("=B", 1, 2), TYPES)),
    (4, "pi", BOOL),
    (5, "vnet_hdr", BOOL),
    (7, "multi_queue", BOOL),
    *READ_ONLY,
)
KINDS = {
    "tun": Kind(
        "tun",
        TABLE,
        "tun",
        required=("type",),
        fixed=frozenset(("type", "multi_queue")),
        read_only=frozenset(name for _number, name, _codec in READ_ONLY),
        by_rtnetlink=False,
    )
}
