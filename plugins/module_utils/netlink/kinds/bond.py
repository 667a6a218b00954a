# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bonds and their ports: IFLA_BOND_*, IFLA_BOND_SLAVE_* (linux/if_link.h, linux/if_bonding.h).
Times are in ms.
"""

from __future__ import annotations

import typing as t

from ..attribute import IPV4, IPV6, MAC, S32, U8, U16, U32, Codec, Table, enum, mac_bytes, nested, scalar
from ..errors import NetlinkEncodeError
from .kind import LINK, Kind, Options
from .values import Dict, Shaped, flags_shown, indexed, on_off, switch

MODES = (
    "balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb",
)  # fmt: skip
VALIDATE = ("none", "active", "backup", "all", "filter", "filter_active", "filter_backup")
HASHES = ("layer2", "layer3+4", "layer2+3", "encap2+3", "encap3+4", "vlan+srcmac")
INT, BIT = scalar("=I", 0, (1 << 31) - 1), switch()
TARGETS = 16  # BOND_MAX_ARP_TARGETS, BOND_MAX_NS_TARGETS


def _one_of(shape: str, *names: str) -> Codec:
    return enum(scalar(shape, 0, len(names) - 1), dict(enumerate(names)))


def _unicast(value: t.Any) -> bytes:
    raw = mac_bytes(value)
    if raw[0] & 1:
        raise ValueError("takes a unicast address")
    return raw


AD_INFO = Table(
    (1, "aggregator", U16),
    (2, "num_ports", U16),
    (3, "actor_key", U16),
    (4, "partner_key", U16),
    (5, "partner_mac", MAC),
)
TABLE = Table(
    (1, "mode", _one_of("=B", *MODES)),
    (2, "active_slave", LINK),
    (3, "miimon", INT),
    (4, "updelay", INT),
    (5, "downdelay", INT),
    (6, "use_carrier", BIT),
    (7, "arp_interval", INT),
    (8, "arp_ip_target", indexed(IPV4, TARGETS)),
    (9, "arp_validate", _one_of("=I", *VALIDATE)),
    (10, "arp_all_targets", _one_of("=I", "any", "all")),
    (11, "primary", LINK),
    (12, "primary_reselect", _one_of("=B", "always", "better", "failure")),
    (13, "fail_over_mac", _one_of("=B", "none", "active", "follow")),
    (14, "xmit_hash_policy", _one_of("=B", *HASHES)),
    (15, "resend_igmp", scalar("=I", 0, 255)),
    (16, "num_peer_notif", U8),
    (17, "all_slaves_active", BIT),
    (18, "min_links", INT),
    (19, "lp_interval", scalar("=I", 1, (1 << 31) - 1)),
    (20, "packets_per_slave", scalar("=I", 0, 65535)),
    (21, "ad_lacp_rate", _one_of("=B", "slow", "fast")),
    (22, "ad_select", _one_of("=B", "stable", "bandwidth", "count", "actor_port_prio")),
    (23, "ad_info", nested(AD_INFO)),
    (24, "ad_actor_sys_prio", scalar("=H", 1, 65535)),
    (25, "ad_user_port_key", scalar("=H", 0, 1023)),
    (26, "ad_actor_system", Codec(MAC.decode, _unicast)),
    (27, "tlb_dynamic_lb", BIT),
    (28, "peer_notify_delay", scalar("=I", 0, 300000)),
    (29, "ad_lacp_active", on_off()),
    (30, "arp_missed_max", scalar("=B", 1, 255)),
    (31, "ns_ip6_target", indexed(IPV6, TARGETS)),
    (32, "coupled_control", on_off()),
    (33, "broadcast_neighbor", on_off()),
)

# Modes in which an option means something: the kernel refuses it in others, whatever its value.
AGGREGATED = frozenset(("802.3ad",))
BALANCED = frozenset(("balance-tlb", "balance-alb"))
WITH_ARP = frozenset(MODES) - AGGREGATED - BALANCED
ONLY_IN = {
    **dict.fromkeys(("active_slave", "primary"), BALANCED | {"active-backup"}),
    **dict.fromkeys(("arp_interval", "arp_validate", "arp_missed_max"), WITH_ARP),
    "packets_per_slave": frozenset(("balance-rr",)),
    "tlb_dynamic_lb": BALANCED,
    **{name: AGGREGATED for name in TABLE.rows if name.startswith("ad_") and name != "ad_select"},
    "coupled_control": AGGREGATED,
}
DELAYS = ("updelay", "downdelay", "peer_notify_delay")


def _normal(options: Options) -> Options:
    """ARP monitoring may be said to be off where there is none."""
    if options.get("mode") not in AGGREGATED | BALANCED:
        return options
    off = {"arp_interval": ("0", "0x0"), "arp_validate": ("0", "none")}
    return {name: value for name, value in options.items() if str(value) not in off.get(name, ())}


def _check(options: Options) -> None:
    mode, miimon = options.get("mode"), options.get("miimon")
    for name in options:
        modes = ONLY_IN.get(name)
        if mode and modes and mode not in modes:
            raise NetlinkEncodeError(name, f"needs mode {' or '.join(sorted(modes))}, not {mode}")
    if miimon and options.get("arp_interval"):
        raise NetlinkEncodeError("arp_interval", "contradicts miimon: one of them watches the ports")
    for name in DELAYS:
        value = options.get(name)
        if value and miimon is not None and (not miimon or value % miimon):
            raise NetlinkEncodeError(name, f"takes a multiple of miimon {miimon}, not {value}")


PORT_STATES = {0: "ACTIVE", 1: "BACKUP"}
MII = {0: "UP", 1: "GOING_DOWN", 2: "DOWN", 3: "GOING_BACK"}
AD_STATES = {  # AD_STATE_*
    1: "active", 2: "short_timeout", 4: "aggregating", 8: "in_sync",
    16: "collecting", 32: "distributing", 64: "defaulted", 128: "expired",
}  # fmt: skip


OPER_STATES = ("ad_actor_oper_port_state", "ad_partner_oper_port_state")


def _show_port(found: Dict) -> Dict:
    for name in OPER_STATES:
        if name in found:
            found[f"{name}_str"] = flags_shown(found[name], AD_STATES)
    return found


PORT_SHOWN = (
    (1, "state", enum(U8, PORT_STATES)),
    (2, "mii_status", enum(U8, MII)),
    (3, "link_failure_count", U32),
    (4, "perm_hwaddr", MAC),
    (6, "ad_aggregator_id", U16),
    (7, "ad_actor_oper_port_state", U8),
    (8, "ad_partner_oper_port_state", U16),
)
PORT_TABLE = Shaped(
    ((5, "queue_id", U16), (9, "prio", S32), (10, "actor_port_prio", U16), *PORT_SHOWN), show=_show_port
)

DOWN = ("down",)
KINDS = {
    "bond": Kind(
        "bond",
        TABLE,
        "bonding",
        needs={
            "mode": ("down", "without ports"),
            "fail_over_mac": ("without ports",),
            "ad_lacp_rate": DOWN,
            "ad_lacp_active": DOWN,
            "ad_select": DOWN,
            "ad_user_port_key": DOWN,
            "tlb_dynamic_lb": DOWN,
            "coupled_control": DOWN,
        },
        read_only=frozenset(("ad_info",)),
        absent={"coupled_control": "on"},
        normal=_normal,
        check=_check,
    ),
    "bond port": Kind(
        "bond port",
        PORT_TABLE,
        "bonding",
        read_only=frozenset(
            (*(name for _number, name, _codec in PORT_SHOWN), *(f"{name}_str" for name in OPER_STATES))
        ),
    ),
}
