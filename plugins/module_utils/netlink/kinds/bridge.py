# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bridges: IFLA_BR_* (linux/if_link.h, linux/if_bridge.h). Times are in 1/100 s, as `ip` shows
them.
"""

from __future__ import annotations

import functools
import struct
import typing as t

from ..attribute import IPV4, IPV6, MAC, U8, U16, U32, U64, Codec, Table, enum, mac_bytes, nested, scalar
from ..errors import NetlinkDecodeError, NetlinkEncodeError
from .kind import Kind, Options
from .values import Dict, Shaped, hexadecimal, read_only, switch

VLAN_PROTOCOL = enum(scalar(">H", 0x8100, 0x88A8), {0x8100: "802.1Q", 0x88A8: "802.1ad"})

BIT, BIT32 = switch(), switch(U32)

# BR_BOOLOPT_*
BOOLOPTS = {
    1 << 0: "no_linklocal_learn",
    1 << 1: "mcast_vlan_snooping",
    1 << 2: "mst_enabled",
    1 << 3: "mdb_offload_fail_notification",
    1 << 4: "fdb_local_vlan_0",
}
MULTI = struct.Struct("=II")  # struct br_boolopt_multi: values, mask


@functools.lru_cache(maxsize=1024)
def _shown_id(raw: bytes) -> str:
    return "{:02x}{:02x}.{:x}:{:x}:{:x}:{:x}:{:x}:{:x}".format(*raw)


def _id(data: bytes, start: int, end: int) -> str:
    """struct ifla_bridge_id as `ip` shows it: the address's bytes without leading zeros.

    The same few are told of a bridge (twice) and of each of its ports (twice).
    """
    if end - start != 8:
        raise NetlinkDecodeError(f"a bridge id of {end - start} bytes")
    return _shown_id(data[start:end])


def _seconds(data: bytes, start: int, end: int) -> float:
    return U64.decode(data, start, end) / 100


BRIDGE_ID = read_only(Codec(_id, bytes))
TIMER = read_only(Codec(_seconds, bytes))


def _multi(data: bytes, start: int, end: int) -> t.Tuple[int, int]:
    if end - start != MULTI.size:
        raise NetlinkDecodeError(f"bridge options of {end - start} bytes")
    return MULTI.unpack_from(data, start)


def _group_addr(value: t.Any) -> bytes:
    raw = mac_bytes(value)
    if raw[:5] != b"\x01\x80\xc2\0\0" or raw[5] > 15 or raw[5] in (1, 2, 3):
        raise ValueError("takes 01:80:c2:00:00:00 or :04 to :0f at its end")
    return raw


def _fwd_mask(value: t.Any) -> bytes:
    raw = U16.encode(value)
    if U16.decode(raw, 0, 2) & 7:
        raise ValueError("takes a mask without the bits 0x7 (STP, pause frames, LACP)")
    return raw


@functools.lru_cache(maxsize=64)
def _boolopts(values: int, mask: int) -> Dict:
    return {name: int(bool(values & bit)) for bit, name in BOOLOPTS.items() if mask & bit}


def _show(found: Dict) -> Dict:
    found.update(_boolopts(*found.pop("multi_boolopt", (0, 0))))
    return found


def _spread(options: Dict) -> Dict:
    given = {bit: BIT.encode(options.pop(name))[0] for bit, name in BOOLOPTS.items() if name in options}
    if given:
        options["multi_boolopt"] = (sum(bit for bit in given if given[bit]), sum(given))
    return options


QUERIER = Table(
    (1, "mcast_querier_ipv4_addr", IPV4),
    (2, "mcast_querier_ipv4_port", U32),
    (3, "mcast_querier_ipv4_other_timer", TIMER),
    (5, "mcast_querier_ipv6_addr", IPV6),
    (6, "mcast_querier_ipv6_port", U32),
    (7, "mcast_querier_ipv6_other_timer", TIMER),
)

OPTIONS = (
    (1, "forward_delay", U32),
    (2, "hello_time", scalar("=I", 100, 1000)),
    (3, "max_age", scalar("=I", 600, 4000)),
    (4, "ageing_time", U32),
    (5, "stp_state", switch(U32, (2,))),  # 2: run by a program
    (6, "priority", U16),
    (7, "vlan_filtering", BIT),
    (8, "vlan_protocol", VLAN_PROTOCOL),
    (9, "group_fwd_mask", hexadecimal(Codec(U16.decode, _fwd_mask))),
    (20, "group_addr", Codec(MAC.decode, _group_addr)),
    (22, "mcast_router", scalar("=B", 0, 2)),
    (23, "mcast_snooping", BIT),
    (24, "mcast_query_use_ifaddr", BIT),
    (25, "mcast_querier", BIT),
    (27, "mcast_hash_max", U32),
    (28, "mcast_last_member_cnt", U32),
    (29, "mcast_startup_query_cnt", U32),
    (30, "mcast_last_member_intvl", U64),
    (31, "mcast_membership_intvl", U64),
    (32, "mcast_querier_intvl", U64),
    (33, "mcast_query_intvl", scalar("=Q", 100)),
    (34, "mcast_query_response_intvl", U64),
    (35, "mcast_startup_query_intvl", scalar("=Q", 100)),
    (36, "nf_call_iptables", BIT),
    (37, "nf_call_ip6tables", BIT),
    (38, "nf_call_arptables", BIT),
    (39, "vlan_default_pvid", scalar("=H", 0, 4094)),
    (41, "vlan_stats_enabled", BIT),
    (42, "mcast_stats_enabled", BIT),
    (43, "mcast_igmp_version", scalar("=B", 2, 3)),
    (44, "mcast_mld_version", scalar("=B", 1, 2)),
    (45, "vlan_stats_per_port", BIT),
    (49, "fdb_max_learned", U32),
    *((46, name, BIT) for name in BOOLOPTS.values()),
)
SHOWN = (
    (10, "root_id", BRIDGE_ID),
    (11, "bridge_id", BRIDGE_ID),
    (12, "root_port", U16),
    (13, "root_path_cost", U32),
    (14, "topology_change", U8),
    (15, "topology_change_detected", U8),
    (16, "hello_timer", TIMER),
    (17, "tcn_timer", TIMER),
    (18, "topology_change_timer", TIMER),
    (19, "gc_timer", TIMER),
    (26, "mcast_hash_elasticity", U32),  # what is set is ignored since Linux 5.0
    (47, "mcast_querier_state", nested(QUERIER)),
    (48, "fdb_n_learned", U32),
)
TABLE = Shaped(OPTIONS + SHOWN, ((46, "multi_boolopt", Codec(_multi, lambda pair: MULTI.pack(*pair))),), _show, _spread)


def _check(options: Options) -> None:
    delay = options.get("forward_delay", 200)
    if options.get("stp_state") and not 200 <= delay <= 3000:
        raise NetlinkEncodeError("forward_delay", f"takes 200 to 3000 while stp_state is on, not {delay}")


KINDS = {
    "bridge": Kind(
        "bridge",
        TABLE,
        "bridge",
        read_only=frozenset(name for _number, name, _codec in SHOWN),
        rounded=frozenset(
            name for _number, name, _codec in OPTIONS if name.endswith(("_intvl", "_time", "_delay", "_age"))
        ),
        check=_check,
    )
}
