# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of bridges: IFLA_BRPORT_* (linux/if_link.h, linux/if_bridge.h)."""

from __future__ import annotations

import functools
import typing as t

from ..attribute import BOOL, U8, U16, U32, Codec, enum, scalar
from .bridge import BRIDGE_ID, TIMER
from .kind import LINK, Kind
from .values import Dict, Shaped, hexadecimal

STATES = {0: "disabled", 1: "listening", 2: "learning", 3: "forwarding", 4: "blocking"}
FORWARDED = {1 << 0: "stp", 1 << 2: "lacp", 1 << 14: "lldp"}


def _fwd_mask(value: t.Any) -> bytes:
    raw = U16.encode(value)
    if U16.decode(raw, 0, 2) & 2:
        raise ValueError("takes a mask without the bit 0x2 (pause frames)")
    return raw


@functools.lru_cache(maxsize=64)
def _forwarded(mask: str) -> str:
    bits = [1 << bit for bit in range(16) if int(mask, 0) >> bit & 1]
    return ",".join(FORWARDED.get(bit, hex(bit)) for bit in bits) or "0x0"


def _show(found: Dict) -> Dict:
    if "group_fwd_mask" in found:
        found["group_fwd_mask_str"] = _forwarded(found["group_fwd_mask"])
    return found


OPTIONS = (
    (1, "state", enum(scalar("=B", 0, 4), STATES)),
    (2, "priority", scalar("=H", 0, 63)),
    (3, "cost", scalar("=I", 1, 65535)),
    (4, "hairpin", BOOL),
    (5, "guard", BOOL),
    (6, "root_block", BOOL),
    (7, "fastleave", BOOL),
    (8, "learning", BOOL),
    (9, "flood", BOOL),
    (10, "proxy_arp", BOOL),
    (12, "proxy_arp_wifi", BOOL),
    (25, "multicast_router", scalar("=B", 0, 3)),
    (27, "mcast_flood", BOOL),
    (28, "mcast_to_unicast", BOOL),
    (29, "vlan_tunnel", BOOL),
    (30, "bcast_flood", BOOL),
    (31, "group_fwd_mask", hexadecimal(Codec(U16.decode, _fwd_mask))),
    (32, "neigh_suppress", BOOL),
    (33, "isolated", BOOL),
    (34, "backup_port", LINK),
    (37, "mcast_eht_hosts_limit", U32),
    (39, "locked", BOOL),
    (40, "mab", BOOL),
    (42, "mcast_max_groups", U32),
    (43, "neigh_vlan_suppress", BOOL),
    (44, "backup_nhid", U32),
)
SHOWN = (
    (13, "root_id", BRIDGE_ID),
    (14, "bridge_id", BRIDGE_ID),
    (15, "designated_port", U16),
    (16, "designated_cost", U16),
    (17, "id", hexadecimal(U16)),
    (18, "no", hexadecimal(U16)),
    (19, "topology_change_ack", U8),
    (20, "config_pending", U8),
    (21, "message_age_timer", TIMER),
    (22, "forward_delay_timer", TIMER),
    (23, "hold_timer", TIMER),
    (35, "mrp_ring_open", BOOL),
    (36, "mrp_in_open", BOOL),
    (38, "mcast_eht_hosts_cnt", U32),
    (41, "mcast_n_groups", U32),
)
TABLE = Shaped(OPTIONS + SHOWN, show=_show)
KINDS = {
    "bridge port": Kind(
        "bridge port",
        TABLE,
        "bridge",
        read_only=frozenset(name for _number, name, _codec in SHOWN) | {"group_fwd_mask_str"},
    )
}
