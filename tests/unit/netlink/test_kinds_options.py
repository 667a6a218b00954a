# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of every kind: every one taken, brought to the kernel's form and through its bytes."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.errors import NetlinkEncodeError
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.kinds import options, registry
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.kinds.kind import Kind, link_options

BOOLEANS = [("yes", True), (0, False)]
BITS = [(True, 1), ("off", 0)]
SWITCHES = [("yes", "on"), (False, "off")]
TTL = [("inherit", 0), ("64", 64)]
TOS = [("inherit", "0x1"), (8, "0x8"), ("0x10", "0x10"), (0, "0")]
LABEL = [(0x1234, "0x1234"), ("0xfffff", "0xfffff")]
LINK = [(7, 7)]
IPV4 = [("10.0.0.1", "10.0.0.1")]
IPV6 = [("FD00:0::1", "fd00::1")]
ANY4 = [("any", "any"), ("0.0.0.0", "any"), ("10.0.0.1", "10.0.0.1")]
ANY6 = [("any", "any"), ("::", "any"), ("fd00:0::1", "fd00::1")]
KEY = [(5, "0.0.0.5"), ("0x102", "0.0.1.2"), ("1.2.3.4", "1.2.3.4")]
MARK = [(5, "0x5"), ("0x10", "0x10"), (0, "0")]
NO_ENCAP = {"sport": 0, "dport": 0, "csum": False, "csum6": False, "remcsum": False}
GUE = {"type": "gue", "dport": 7}
ENCAP = [
    ({"type": "fou", "dport": 5555, "sport": "auto"}, {**NO_ENCAP, "type": "fou", "dport": 5555}),
    ({"type": 2, "csum": "yes"}, {**NO_ENCAP, "type": "gue", "csum": True}),
    ("none", "none"),
    ({"type": "none"}, "none"),
]
TIME = [("3000", 3000)]
COUNT = [(3, 3)]


def booleans(names: str) -> dict:
    return dict.fromkeys(names.split(), BOOLEANS)


def times(names: str) -> dict:
    return dict.fromkeys(names.split(), TIME)


def bits(names: str) -> dict:
    return dict.fromkeys(names.split(), BITS)


UDP = booleans("udp_csum udp_zero_csum6_tx udp_zero_csum6_rx")
DF = [("set", "set"), (2, "inherit"), ("0", "unset")]
GRE = {
    "link": LINK,
    "ikey": KEY,
    "okey": KEY,
    **booleans("iseq oseq icsum ocsum external"),
    "ttl": TTL,
    "encap": ENCAP,
    "fwmark": MARK,
}
GRE4 = {**GRE, "local": ANY4, "remote": ANY4, "tos": TOS, **booleans("pmtudisc ignore_df")}
IPIP = {
    "link": LINK,
    "local": ANY4,
    "remote": ANY4,
    "ttl": TTL,
    "tos": TOS,
    "encap": ENCAP,
    "fwmark": MARK,
    "pmtudisc": BOOLEANS,
}
FLOW = {
    "local": ANY6,
    "remote": ANY6,
    "encap_limit": [("4", 4)],
    "tclass": [(8, "0x08"), ("0x10", "0x10")],
    "flowlabel": [(0x123, "0x00123"), ("0", "0x00000")],
    **booleans(
        "ip6_tnl_f_ign_encap_limit ip6_tnl_f_use_orig_tclass ip6_tnl_f_use_orig_flowlabel"
        " ip6_tnl_f_mip6_dev ip6_tnl_f_rcv_dscp_copy ip6_tnl_f_use_orig_fwmark"
        " ip6_tnl_f_allow_local_remote"
    ),
}
VTI = {"link": LINK, "ikey": KEY, "okey": KEY, "fwmark": MARK}
MACVLAN = {
    "mode": [("bridge", "bridge"), (8, "passthru"), ("2", "vepa")],
    **booleans("nopromisc nodst"),
    "macaddr_data": [(["02:00:00:00:00:0A", "02-00-00-00-00-01"], ["02:00:00:00:00:01", "02:00:00:00:00:0a"])],
    "bcqueuelen": COUNT,
    "bccutoff": [(-1, -1)],
}
IPVLAN = {"mode": [("l3s", "l3s"), (0, "l2")], **booleans("private vepa"), "bridge": [(True, True)]}
QOS = [([{"from": 3, "to": "4"}, {"from": 1, "to": 2}], [{"from": 1, "to": 2}, {"from": 3, "to": 4}])]

SAMPLES = {
    "bond": {
        "mode": [("active-backup", "active-backup"), (4, "802.3ad"), ("6", "balance-alb")],
        "active_slave": LINK,
        "miimon": TIME,
        "updelay": TIME,
        "downdelay": TIME,
        "arp_interval": TIME,
        "arp_ip_target": [("10.0.0.1", ["10.0.0.1"]), (["10.0.0.2", "10.0.0.1"],) * 2, ([], [])],
        "arp_validate": [("none", "none"), (3, "all"), ("filter_active", "filter_active")],
        "arp_all_targets": [("all", "all"), (0, "any")],
        "primary": LINK,
        "primary_reselect": [("better", "better"), ("2", "failure")],
        "fail_over_mac": [("follow", "follow"), (1, "active")],
        "xmit_hash_policy": [("layer3+4", "layer3+4"), (5, "vlan+srcmac")],
        "resend_igmp": COUNT,
        "num_peer_notif": COUNT,
        "min_links": COUNT,
        "lp_interval": COUNT,
        "packets_per_slave": COUNT,
        "ad_lacp_rate": [("fast", "fast"), (0, "slow")],
        "ad_select": [("count", "count"), (1, "bandwidth")],
        "ad_actor_sys_prio": [(65535, 65535)],
        "ad_user_port_key": [(1023, 1023)],
        "ad_actor_system": [("02:00:00:AA:00:01", "02:00:00:aa:00:01")],
        "peer_notify_delay": TIME,
        "arp_missed_max": COUNT,
        "ns_ip6_target": [("fe80:0::1", ["fe80::1"])],
        **bits("use_carrier all_slaves_active tlb_dynamic_lb"),
        **dict.fromkeys(("ad_lacp_active", "coupled_control", "broadcast_neighbor"), SWITCHES),
    },
    "bond port": {"queue_id": COUNT, "prio": [(-5, -5)], "actor_port_prio": COUNT},
    "bridge": {
        **times(
            "forward_delay max_age ageing_time mcast_last_member_intvl mcast_membership_intvl mcast_querier_intvl"
            " mcast_query_intvl mcast_query_response_intvl mcast_startup_query_intvl"
        ),
        "hello_time": [(200, 200)],
        "stp_state": [("yes", 1), (2, 2), ("2", 2), (False, 0)],
        "priority": [("0x1000", 4096)],
        "vlan_protocol": [("802.1ad", "802.1ad"), ("0x8100", "802.1Q")],
        "group_fwd_mask": [(0x4000, "0x4000"), ("0", "0")],
        "group_addr": [("01-80-C2-00-00-0f", "01:80:c2:00:00:0f")],
        "mcast_router": [(2, 2)],
        "mcast_hash_max": COUNT,
        "mcast_last_member_cnt": COUNT,
        "mcast_startup_query_cnt": COUNT,
        "vlan_default_pvid": [(0, 0), ("4094", 4094)],
        "mcast_igmp_version": COUNT,
        "mcast_mld_version": [(2, 2)],
        "fdb_max_learned": COUNT,
        **bits(
            "vlan_filtering mcast_snooping mcast_query_use_ifaddr mcast_querier nf_call_iptables"
            " nf_call_ip6tables nf_call_arptables vlan_stats_enabled mcast_stats_enabled"
            " vlan_stats_per_port no_linklocal_learn mcast_vlan_snooping mst_enabled"
            " mdb_offload_fail_notification fdb_local_vlan_0"
        ),
    },
    "bridge port": {
        "state": [("forwarding", "forwarding"), (4, "blocking"), ("0", "disabled")],
        "priority": [(63, 63)],
        "cost": [("65535", 65535)],
        "multicast_router": COUNT,
        "group_fwd_mask": [(0x4005, "0x4005")],
        "backup_port": LINK,
        "mcast_eht_hosts_limit": COUNT,
        "mcast_max_groups": COUNT,
        "backup_nhid": COUNT,
        **booleans(
            "hairpin guard root_block fastleave learning flood proxy_arp proxy_arp_wifi"
            " mcast_flood mcast_to_unicast vlan_tunnel bcast_flood neigh_suppress isolated locked"
            " mab neigh_vlan_suppress"
        ),
    },
    "geneve": {
        "id": [("0xffffff", 0xFFFFFF)],
        "remote": IPV4,
        "remote6": IPV6,
        "ttl": [("auto", 0), (64, 64)],
        "tos": TOS,
        "port": [("6081", 6081)],
        "label": LABEL,
        "df": DF,
        **UDP,
        **booleans("external ttl_inherit inner_proto_inherit"),
    },
    "gre": GRE4,
    "gretap": GRE4,
    "ip6gre": {**GRE, **FLOW},
    "ip6gretap": {**GRE, **FLOW},
    "ip6tnl": {
        **FLOW,
        "link": LINK,
        "ttl": TTL,
        "encap": ENCAP,
        "fwmark": MARK,
        "proto": [("ip6ip6", "ip6ip6"), (4, "ipip6"), ("any", "any")],
        "external": BOOLEANS,
    },
    "ipip": {**IPIP, "external": BOOLEANS, "proto": [("mplsip", "mplsip"), (0, "any"), ("4", "ipip")]},
    "ipvlan": IPVLAN,
    "ipvtap": IPVLAN,
    "macvlan": MACVLAN,
    "macvtap": MACVLAN,
    "sit": {
        **IPIP,
        "proto": [("ip6ip", "ip6ip"), (0, "any")],
        "isatap": BOOLEANS,
        "prefix": IPV6,
        "relay_prefix": IPV4,
        "prefixlen": [(32, 32)],
        "relay_prefixlen": [("8", 8)],
    },
    "tun": {
        "type": [("tap", "tap"), (1, "tun")],
        "user": [("root", 0), (5, 5), ("7", 7)],
        "group": [("root", 0), (5, 5)],
        **booleans("pi vnet_hdr multi_queue"),
    },
    "veth": {
        "peer": [
            (
                {"ifname": "v1", "mtu": "9000", "address": "02-00-00-00-00-0A", "ifindex": 12},
                {"ifname": "v1", "mtu": 9000, "address": "02:00:00:00:00:0a", "ifindex": 12},
            ),
            ({"ifname": "v1", "net_ns_fd": 4}, {"ifname": "v1", "net_ns_fd": 4}),
        ]
    },
    "vlan": {
        "id": [("4094", 4094)],
        "flags": [(["gvrp", "reorder_hdr"], ["REORDER_HDR", "GVRP"]), ("MVRP", ["MVRP"]), ([], [])],
        "egress_qos": QOS,
        "ingress_qos": QOS,
        "protocol": [("802.1ad", "802.1ad"), (0x8100, "802.1Q")],
    },
    "vrf": {"table": [("100", 100)]},
    "vti": {**VTI, "local": ANY4, "remote": ANY4},
    "vti6": {**VTI, "local": ANY6, "remote": ANY6},
    "vxlan": {
        "id": [("0xffffff", 0xFFFFFF)],
        "remote": IPV4,
        "remote6": IPV6,
        "group": [("239.1.1.1", "239.1.1.1")],
        "group6": [("FF05::1", "ff05::1")],
        "link": LINK,
        "local": IPV4,
        "local6": IPV6,
        "ttl": [("auto", 0), (64, 64)],
        "tos": TOS,
        "ageing": [("none", 0), (300, 300)],
        "limit": [("unlimited", 0), ("5", 5)],
        "port_range": [({"low": "1", "high": 65535}, {"low": 1, "high": 65535})],
        "port": [("4789", 4789)],
        "label": LABEL,
        "df": DF,
        **UDP,
        **booleans(
            "learning proxy rsc l2miss l3miss remcsum_tx remcsum_rx remcsum_nopartial gbp gpe"
            " external ttl_inherit vnifilter localbypass"
        ),
    },
    "xfrm": {"link": LINK, "if_id": [(5, "0x5"), ("0xffffffff", "0xffffffff")], "external": BOOLEANS},
}

FLAT = [
    pytest.param(kind, name, given, shown, id=f"{kind}-{name}-{given}")
    for kind, names in SAMPLES.items()
    for name, pairs in names.items()
    for given, shown in pairs
]


def find(name: str) -> Kind:
    master, _unused, port = name.partition(" ")
    return registry.port(master) if port else registry.find(master)


def through(kind: Kind, values: dict) -> dict:
    raw = kind.table.encode(values)
    return kind.table.decode(raw, 0, len(raw))


@pytest.mark.parametrize(("kind", "name", "given", "shown"), FLAT)
def test_an_option_reaches_the_kernel_and_comes_back(kind, name, given, shown):
    known = find(kind)
    assert options.canonical(known.table, name, given) == shown
    told = through(known, {name: given})
    assert options.differing(known, {name: shown}, told) == {} or known.write_only == {name}
    assert told.get(name, shown) == shown


@pytest.mark.parametrize(("kind", "name", "given", "shown"), FLAT)
def test_the_canonical_form_is_its_own(kind, name, given, shown):
    assert options.canonical(find(kind).table, name, shown) == shown


def test_every_option_of_every_kind_is_tried():
    known = {name: find(name) for name in registry.LOADERS}
    known.update({f"{name} port": registry.port(name) for name in registry.PORT_LOADERS})
    writable = {name: set(kind.table.rows) - kind.read_only for name, kind in known.items()}
    assert {name: names for name, names in writable.items() if names} == {
        kind: set(names) for kind, names in SAMPLES.items()
    }


@pytest.mark.parametrize("name", sorted({*registry.LOADERS, *SAMPLES}))
def test_what_is_said_about_options_is_about_options(name):
    kind = find(name)
    names = set(kind.table.rows)
    assert kind.name == name
    assert kind.fixed | kind.write_only | kind.rounded | set(kind.needs) <= names - kind.read_only
    assert set(kind.required) | set(kind.absent) <= names
    assert {word for words in kind.needs.values() for word in words} <= {"down", "up", "without ports"}
    assert kind.parent in ("required", "optional", "no")
    assert not kind.parent_option or kind.parent_option in link_options(kind.table)


# Options given together, or under another name.
NORMALISED = [
    ("vxlan", {"remote": "fd00::1", "local": "FD00::2"}, {"remote6": "fd00::1", "local6": "fd00::2"}),
    ("vxlan", {"group": "ff05::1", "link": 3}, {"group6": "ff05::1", "link": 3}),
    ("vxlan", {"id": None, "port": 4789}, {"port": 4789}),
    ("vxlan", {"gpe": "on", "external": True}, {"gpe": True, "external": True, "learning": False}),
    ("geneve", {"remote": "fd00::1"}, {"remote6": "fd00::1"}),
    ("gre", {"key": 5, "csum": True}, {"ikey": "0.0.0.5", "okey": "0.0.0.5", "icsum": True, "ocsum": True}),
    ("vti", {"key": "1.2.3.4"}, {"ikey": "1.2.3.4", "okey": "1.2.3.4"}),
    ("ip6tnl", {"encap_limit": "none"}, {"ip6_tnl_f_ign_encap_limit": True}),
    ("ip6tnl", {"encap_limit": 3}, {"encap_limit": 3, "ip6_tnl_f_ign_encap_limit": False}),
    ("ip6gre", {"tclass": "inherit", "seq": 0}, {"ip6_tnl_f_use_orig_tclass": True, "iseq": False, "oseq": False}),
    ("bond", {"mode": "802.3ad", "arp_interval": 0, "arp_validate": "none"}, {"mode": "802.3ad"}),
    ("bond", {"mode": "active-backup", "arp_interval": 0}, {"mode": "active-backup", "arp_interval": 0}),
]


@pytest.mark.parametrize(("kind", "given", "shown"), NORMALISED)
def test_friendlier_spellings(kind, given, shown):
    assert options.normalise(registry.find(kind), given) == shown


# Options that one attribute holds, told as the kernel tells them.
TOGETHER = [
    ("bridge", {"no_linklocal_learn": 1, "mst_enabled": 0}, {"no_linklocal_learn": 1, "mst_enabled": 0}),
    ("gre", {"ikey": 5, "icsum": True, "oseq": True}, {"ikey": "0.0.0.5", "icsum": True, "oseq": True}),
    ("ip6tnl", {"tclass": 8, "flowlabel": 0x123}, {"tclass": "0x08", "flowlabel": "0x00123"}),
    ("ip6tnl", {"encap_limit": 4, "ip6_tnl_f_ign_encap_limit": True}, {"ip6_tnl_f_ign_encap_limit": True}),
    ("macvlan", {"nopromisc": True, "nodst": True}, {"nopromisc": True, "nodst": True}),
    ("ipvlan", {"private": True}, {"private": True}),
    ("ipvlan", {"vepa": False}, {"bridge": True}),
    ("sit", {"isatap": True, "encap": GUE}, {"isatap": True, "encap": {**NO_ENCAP, **GUE}}),
    ("vxlan", {"gbp": False, "ttl_inherit": True, "gpe": None}, {"ttl_inherit": True}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "given", "shown"), TOGETHER)
def test_options_that_share_an_attribute(kind, given, shown):
    assert through(registry.find(kind), given) == shown


WRONG = [
    ("bridge", {"colour": 1}, "colour: not an option of bridge; options are "),
    ("dummy", {"id": 1}, "id: not an option of dummy; options are none"),
    ("bridge", {"root_id": "1"}, "root_id: set by the kernel alone"),
    ("bridge", {"hello_time": 99}, "hello_time: takes 100 to 1000, not 99"),
    ("bridge", {"max_age": 4001}, "max_age: takes 600 to 4000, not 4001"),
    ("bridge", {"forward_delay": 100, "stp_state": 1}, "forward_delay: takes 200 to 3000 while stp_state"),
    ("bridge", {"vlan_filtering": "perhaps"}, "vlan_filtering: takes true or false, not 'perhaps'"),
    ("bridge", {"vlan_filtering": 2}, "vlan_filtering: takes true or false, not 2"),
    ("bridge", {"stp_state": 3}, "stp_state: takes true or false, not 3"),
    ("bridge", {"vlan_protocol": "802.1x"}, "vlan_protocol: takes one of 802.1Q, 802.1ad, not '802.1x'"),
    ("bridge", {"vlan_protocol": 0x9100}, "vlan_protocol: takes one of 802.1Q, 802.1ad"),
    ("bridge", {"vlan_default_pvid": 4095}, "vlan_default_pvid: takes 0 to 4094, not 4095"),
    ("bridge", {"group_fwd_mask": 1}, "group_fwd_mask: takes a mask without the bits 0x7"),
    ("bridge", {"group_addr": "01:80:c2:00:00:01"}, "group_addr: takes 01:80:c2:00:00:00 or"),
    ("bridge", {"no_linklocal_learn": "x"}, "no_linklocal_learn: takes true or false"),
    ("bridge port", {"priority": 64}, "priority: takes 0 to 63, not 64"),
    ("bridge port", {"cost": 0}, "cost: takes 1 to 65535, not 0"),
    ("bridge port", {"state": "open"}, "state: takes one of disabled, listening"),
    ("bridge port", {"group_fwd_mask": 2}, "group_fwd_mask: takes a mask without the bit 0x2"),
    ("bond", {"mode": "lacp"}, "mode: takes one of balance-rr, active-backup"),
    ("bond", {"mode": 7}, "mode: takes one of balance-rr"),
    ("bond", {"miimon": 100, "arp_interval": 100}, "arp_interval: contradicts miimon"),
    ("bond", {"mode": "802.3ad", "arp_interval": 100}, "arp_interval: needs mode active-backup or "),
    ("bond", {"mode": "active-backup", "ad_lacp_rate": "fast"}, "ad_lacp_rate: needs mode 802.3ad, not active-backup"),
    ("bond", {"mode": "802.3ad", "primary": 3}, "primary: needs mode active-backup or balance-alb or balance-tlb"),
    ("bond", {"mode": "broadcast", "packets_per_slave": 2}, "packets_per_slave: needs mode balance-rr"),
    ("bond", {"miimon": 100, "updelay": 150}, "updelay: takes a multiple of miimon 100, not 150"),
    ("bond", {"miimon": 0, "downdelay": 150}, "downdelay: takes a multiple of miimon 0, not 150"),
    ("bond", {"ad_user_port_key": 1024}, "ad_user_port_key: takes 0 to 1023, not 1024"),
    ("bond", {"ad_actor_system": "01:00:00:00:00:01"}, "ad_actor_system: takes a unicast address"),
    ("bond", {"arp_ip_target": ["10.0.0.1"] * 17}, "arp_ip_target: takes at most 16"),
    ("bond", {"arp_ip_target": "fd00::1"}, "arp_ip_target: takes an IPv4 address"),
    ("bond", {"arp_ip_target": 5}, "arp_ip_target: "),
    ("vlan", {"id": 0}, "id: takes 1 to 4094, not 0"),
    ("vlan", {"id": 4095}, "id: takes 1 to 4094, not 4095"),
    ("vlan", {"id": "ten"}, "id: takes an integer, not 'ten'"),
    ("vlan", {"flags": ["WRONG"]}, "flags: takes a list of REORDER_HDR, GVRP"),
    ("vlan", {"egress_qos": [{"from": 1}]}, "egress_qos: takes a list of {from: PRIORITY, to: PRIORITY}"),
    ("vlan", {"ingress_qos": [{"from": 8, "to": 1}]}, "ingress_qos: takes mappings from 0..7"),
    ("vlan", {"egress_qos": [{"from": 1, "to": 2}, {"from": 1, "to": 3}]}, "egress_qos: takes one mapping from each"),
    ("vxlan", {"id": 1 << 24}, "id: takes 0 to 16777215, not 16777216"),
    ("vxlan", {"remote": "10.0.0.1", "group": "239.1.1.1"}, "group: contradicts remote"),
    ("vxlan", {"remote": "10.0.0.1", "group": "ff05::1"}, "group6: contradicts remote"),
    ("vxlan", {"remote": "239.1.1.1"}, "remote: takes a unicast address, not 239.1.1.1"),
    ("vxlan", {"group": "10.0.0.1"}, "group: takes a multicast address, not 10.0.0.1"),
    ("vxlan", {"remote": "0.0.0.0"}, "remote: takes an address other than that of zeros"),
    ("vxlan", {"remote": "10.0.0.1", "local": "fd00::1"}, "local6: is of another IP version than remote"),
    ("vxlan", {"remote": "host.example"}, "remote: takes an IP"),
    ("vxlan", {"external": True, "id": 5}, "id: contradicts external"),
    ("vxlan", {"gbp": True, "gpe": True}, "gpe: contradicts gbp"),
    ("vxlan", {"vnifilter": True, "external": False}, "vnifilter: needs external"),
    ("vxlan", {"gpe": True, "id": 5}, "gpe: needs external"),
    ("xfrm", {"if_id": 5, "external": True}, "if_id: contradicts external"),
    ("vxlan", {"port_range": {"low": 5, "high": 4}}, "port_range: takes ports from 0 to 65535, low first"),
    ("vxlan", {"port_range": "1-5"}, "port_range: takes {low: PORT, high: PORT}"),
    ("geneve", {"remote": "10.0.0.1", "external": True}, "remote: contradicts external"),
    ("geneve", {"remote": "ff02::1"}, "remote6: takes a unicast address"),
    ("geneve", {"remote": "10.0.0.1", "remote6": "fd00::1"}, "remote6: contradicts remote"),
    ("macvlan", {"mode": "hub"}, "mode: takes one of private, vepa, bridge, passthru, source, not 'hub'"),
    ("macvlan", {"mode": 3}, "mode: takes one of private"),
    ("macvlan", {"mode": "bridge", "nopromisc": True}, "nopromisc: needs mode passthru, not bridge"),
    ("macvlan", {"mode": "bridge", "macaddr_data": ["02:00:00:00:00:01"]}, "macaddr_data: needs mode source"),
    ("ipvlan", {"private": True, "vepa": True}, "vepa: contradicts private"),
    ("ipvlan", {"bridge": False}, "bridge: false leaves open"),
    ("ipvlan", {"mode": "l4"}, "mode: takes one of l2, l3, l3s"),
    ("vrf", {"table": 0}, "table: takes 1 to 4294967295, not 0"),
    ("tun", {"type": "tab"}, "type: takes one of tun, tap"),
    ("tun", {"user": "no-such-user"}, "user: takes a user of this host, by name or number, not 'no-such-user'"),
    ("gre", {"local": "fd00::1"}, "local: takes an IPv4 address, not 'fd00::1'"),
    ("gre", {"ikey": "1.2.3"}, "ikey: takes an IP"),
    ("gre", {"ignore_df": True}, "ignore_df: needs pmtudisc to be false"),
    ("gre", {"encap": {"type": "gre"}}, "encap.type: takes one of none, fou, gue"),
    ("gre", {"encap": "fou"}, "encap: takes none or {type: fou or gue"),
    ("sit", {"prefixlen": 48, "relay_prefixlen": 8}, "prefixlen: with the 32 bits"),
    ("ip6gre", {"flowlabel": 1 << 20}, "flowlabel: takes 0 to 1048575"),
    ("ip6tnl", {"remote": "10.0.0.1"}, "remote: takes an IPv6 address"),
    ("veth", {"peer": "v1"}, "peer: takes {ifname: NAME, ...}"),
    ("veth", {"peer": {"ifname": "a" * 16}}, "peer.ifname: takes up to 15 bytes"),
    ("xfrm", {"if_id": 0}, "if_id: takes 1 to 4294967295"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "given", "words"), WRONG)
def test_what_is_wrong_is_named(kind, given, words):
    with pytest.raises(NetlinkEncodeError) as caught:
        options.normalise(find(kind), given)
    assert str(caught.value).startswith(words)
    assert caught.value.attribute.split(".")[0] == words.split(":")[0].split(".")[0]


def test_what_a_kind_needs_to_be_created():
    assert options.missing(registry.find("vlan"), {"protocol": "802.1Q"}) == ["id"]
    assert options.missing(registry.find("vxlan"), {"external": "yes"}) == []
    assert options.missing(registry.find("geneve"), {"id": 5, "remote6": "fd00::1"}) == []
    assert options.missing(registry.find("geneve"), {"external": "no"}) == ["id", "remote"]
    assert options.missing(registry.find("dummy"), {}) == []


def test_a_difference_is_what_the_kernel_does_not_tell():
    bridge = registry.find("bridge")
    told = {"ageing_time": 30000, "mcast_startup_query_intvl": 3124, "vlan_filtering": 0}
    wanted = {"ageing_time": 30000, "mcast_startup_query_intvl": 3125, "vlan_filtering": 1}
    assert options.differing(bridge, wanted, told) == {"vlan_filtering": 1}
    assert options.differing(bridge, {"ageing_time": 30002}, told) == {"ageing_time": 30002}
    assert options.differing(bridge, {"fdb_max_learned": 0}, told) == {}  # an older kernel has none
    assert options.differing(bridge, {"fdb_max_learned": 5}, told) == {"fdb_max_learned": 5}
    assert options.differing(registry.find("veth"), {"peer": {"ifname": "v1"}}, {}) == {}
    assert options.differing(registry.find("macvlan"), {"bccutoff": 1}, {}) == {}
    assert options.differing(registry.find("gre"), {"encap": "none", "iseq": False}, {}) == {}


def test_a_change_of_a_tunnel_repeats_what_stays():
    told = {"remote": "10.0.0.2", "local": "10.0.0.1", "ttl": 64, "ikey": "0.0.0.5", "icsum": True}
    assert options.change(registry.find("gre"), told, {"ttl": 5}) == {**told, "ttl": 5}
    assert options.change(registry.find("bridge"), {"priority": 1}, {"ageing_time": 5}) == {"ageing_time": 5}


def test_a_change_of_flags_repeats_those_that_stay():
    macvlan = registry.find("macvlan")
    told = {"mode": "passthru", "nopromisc": True, "usedbcqueuelen": 1000}
    assert options.change(macvlan, told, {"nodst": True}) == {"nopromisc": True, "nodst": True}
    assert options.change(macvlan, told, {"bcqueuelen": 5}) == {"bcqueuelen": 5}


def test_mappings_of_a_vlan_that_are_not_wanted_any_more_are_taken_away():
    told = {"egress_qos": [{"from": 1, "to": 2}, {"from": 3, "to": 4}]}
    wanted = {"egress_qos": [{"from": 3, "to": 5}]}
    assert options.change(registry.find("vlan"), told, wanted) == {
        "egress_qos": [{"from": 3, "to": 5}, {"from": 1, "to": 0}]
    }


def test_options_that_name_links():
    assert link_options(registry.find("bond").table) == {"active_slave", "primary"}
    assert link_options(registry.find("vxlan").table) == {"link"}
    assert link_options(registry.port("bridge").table) == {"backup_port"}
    assert link_options(registry.find("bridge").table) == frozenset()


def test_a_kind_not_known_here_has_no_options():
    assert registry.find("sparkling") is None
    assert registry.get("sparkling").table.rows == {}
    assert registry.port_table("sparkling") is None


@pytest.mark.parametrize(
    ("kind", "given", "words"),
    [
        ("bridge", {"ageing_time": 5, "mst_enabled": "x"}, "mst_enabled: takes true or false, not 'x'"),
        ("ip6tnl", {"ttl": 5, "tclass": "much"}, "tclass: takes an integer"),
        ("gre", {"icsum": 7}, "icsum: takes true or false"),
        ("vxlan", {"gbp": "x"}, "gbp: takes true or false"),
        ("bridge", {"colour": 5}, "colour: unknown; known are "),
    ],
)
def test_encoding_what_was_not_normalised_names_it_too(kind, given, words):
    with pytest.raises(NetlinkEncodeError) as caught:
        registry.find(kind).table.encode(given)
    assert str(caught.value).startswith(words)
