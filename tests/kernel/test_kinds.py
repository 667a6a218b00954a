# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of link on the real kernel: created, read back beside `ip`, each option changed, removed.

For every option two values are tried on an existing link. One that is `fixed` has to be refused or ignored, any other
has to take effect and to leave the rest of the options as they were. Values "P" and "Q" stand for two links.
"""

from __future__ import annotations

import errno
import json
import os
import subprocess
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.channel import NetlinkSocket
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.errors import NetlinkError
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.kinds import options, registry
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.kinds.kind import Kind, link_options
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl import link

KERNEL = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])


class Case(t.NamedTuple):
    kind: str
    base: dict  # what a link is created with
    changes: dict  # option: (first, then)
    beside: dict = {}  # option: what it is created with besides
    since: dict = {}  # option: the version of Linux that brought it


def without(changes: dict, name: str) -> dict:
    return {other: pair for other, pair in changes.items() if other != name}


TUNNEL = {
    "link": (0, "P"),
    "ttl": (5, "inherit"),
    "encap": ("none", {"type": "gue", "dport": 5, "csum": True}),
    "external": (False, True),
    "fwmark": (0, 5),
}
TUNNEL4 = {
    **TUNNEL,
    "local": ("10.0.0.5", "10.0.0.6"),
    "remote": ("10.0.0.7", "10.0.0.8"),
    "tos": (4, "inherit"),
    "pmtudisc": (True, False),
}
TUNNEL6 = {
    **TUNNEL,
    "local": ("fd00::5", "fd00::6"),
    "remote": ("fd00::7", "fd00::8"),
    "encap_limit": (4, 5),
    "tclass": (4, 8),
    "flowlabel": (0x123, 0x124),
    "ip6_tnl_f_ign_encap_limit": (False, True),
    "ip6_tnl_f_use_orig_tclass": (False, True),
    "ip6_tnl_f_use_orig_flowlabel": (False, True),
    "ip6_tnl_f_mip6_dev": (False, True),
    "ip6_tnl_f_rcv_dscp_copy": (False, True),
    "ip6_tnl_f_use_orig_fwmark": (False, True),
    "ip6_tnl_f_allow_local_remote": (False, True),
}
KEYS = {"ikey": (1, 2), "okey": ("1.2.3.4", 5)}
GRE = {**KEYS, "iseq": (True, False), "oseq": (False, True), "icsum": (False, True), "ocsum": (True, False)}
ENDS4 = {"local": "10.0.0.1", "remote": "10.0.0.2"}
ENDS6 = {"local": "fd00::1", "remote": "fd00::2"}
SIX_RD = {"local": "1.2.3.4", "prefix": "2001::", "prefixlen": 32, "relay_prefix": "10.0.0.0", "relay_prefixlen": 8}
QOS = ([{"from": 1, "to": 2}, {"from": 3, "to": 4}], [{"from": 2, "to": 3}, {"from": 3, "to": 5}])
MAIN = {"mode": "active-backup"}
LACP = {"mode": "802.3ad"}
ON, OFF = (False, True), (True, False)


def some(names: str, value: t.Any) -> dict:
    return dict.fromkeys(names.split(), value)


def only(changes: dict, names: str) -> dict:
    return {name: changes[name] for name in names.split()}


CASES = {
    "bond": Case(
        "bond",
        {},
        {
            "mode": ("balance-rr", "active-backup"),
            "miimon": (100, 200),
            **some("updelay downdelay peer_notify_delay", (0, 200)),
            "use_carrier": (1, 0) if KERNEL < (6, 18) else (1, 1),
            "arp_interval": (100, 200),
            "arp_ip_target": (["10.0.0.1"], ["10.0.0.3", "10.0.0.2"]),
            "arp_validate": ("none", "all"),
            "arp_all_targets": ("any", "all"),
            "primary_reselect": ("always", "failure"),
            "fail_over_mac": ("none", "active"),
            "xmit_hash_policy": ("layer2", "layer3+4"),
            "resend_igmp": (1, 5),
            "num_peer_notif": (1, 3),
            **some("all_slaves_active min_links", (0, 1)),
            "lp_interval": (1, 5),
            "packets_per_slave": (1, 4),
            "ad_lacp_rate": ("slow", "fast"),
            "ad_select": ("stable", "count"),
            "ad_actor_sys_prio": (65535, 1000),
            "ad_user_port_key": (0, 5),
            "ad_actor_system": ("02:00:00:00:00:02", "02:00:00:00:00:01"),
            "tlb_dynamic_lb": (1, 0),
            "ad_lacp_active": ("on", "off"),
            "arp_missed_max": (2, 3),
            "ns_ip6_target": (["fe80::1"], ["fe80::3", "fe80::2"]),
            "coupled_control": ("on", "off"),
            "broadcast_neighbor": ("off", "on"),
        },
        {
            **some("updelay downdelay peer_notify_delay", {"miimon": 100}),
            **some("ad_lacp_rate ad_select ad_actor_sys_prio ad_user_port_key ad_actor_system", LACP),
            **some("ad_lacp_active coupled_control broadcast_neighbor", LACP),
            "arp_validate": {**MAIN, "arp_interval": 100, "arp_ip_target": ["10.0.0.9"]},
            "arp_interval": {"arp_ip_target": ["10.0.0.9"]},
            "tlb_dynamic_lb": {"mode": "balance-tlb"},
        },
        {"coupled_control": (6, 9), "broadcast_neighbor": (6, 17)},
    ),
    "bridge": Case(
        "bridge",
        {},
        {
            "forward_delay": (1500, 2000),
            "hello_time": (200, 301),
            "max_age": (2000, 1001),
            "ageing_time": (30000, 0),
            "priority": (32768, 4096),
            "group_fwd_mask": (0, "0x4000"),
            "group_addr": ("01:80:c2:00:00:00", "01:80:c2:00:00:05"),
            "mcast_router": (1, 2),
            "mcast_snooping": (1, 0),
            "mcast_hash_max": (4096, 512),
            **some("mcast_last_member_cnt mcast_startup_query_cnt", (2, 3)),
            "mcast_last_member_intvl": (100, 201),
            "mcast_membership_intvl": (26000, 20001),
            "mcast_querier_intvl": (25500, 20001),
            "mcast_query_intvl": (12500, 10001),
            "mcast_query_response_intvl": (1000, 501),
            "mcast_startup_query_intvl": (3124, 3001),
            "mcast_igmp_version": (2, 3),
            "mcast_mld_version": (1, 2),
            **some("stp_state mcast_query_use_ifaddr mcast_querier mcast_stats_enabled", (0, 1)),
            **some("nf_call_iptables nf_call_ip6tables nf_call_arptables no_linklocal_learn", (0, 1)),
            "fdb_max_learned": (0, 5),
            "mdb_offload_fail_notification": (0, 1),
        },
        since={"fdb_max_learned": (6, 7), "mdb_offload_fail_notification": (6, 16)},
    ),
    "bridge with vlans": Case(
        "bridge",
        {"vlan_filtering": 1},
        {
            "vlan_filtering": (0, 1),
            "vlan_protocol": ("802.1Q", "802.1ad"),
            "vlan_default_pvid": (1, 7),
            **some("vlan_stats_enabled vlan_stats_per_port mcast_vlan_snooping mst_enabled", (0, 1)),
            "fdb_local_vlan_0": (0, 1),
        },
        since={"fdb_local_vlan_0": (6, 18)},
    ),
    "geneve": Case(
        "geneve",
        {"id": 7, "remote": "10.0.0.1"},
        {
            "id": (7, 8),
            "remote": ("10.0.0.1", "10.0.0.2"),
            "ttl": (5, 6),
            "tos": (4, 8),
            "port": (6081, 6082),
            "label": (0, "0x12"),
            "df": ("unset", "set"),
            **some("udp_csum ttl_inherit inner_proto_inherit", ON),
            **some("udp_zero_csum6_tx udp_zero_csum6_rx", ON),
        },
        some("label udp_zero_csum6_tx udp_zero_csum6_rx", {"remote": "fd00::9"}),
    ),
    "gre": Case("gre", ENDS4, {**TUNNEL4, **GRE, "ignore_df": OFF}, {"ignore_df": {"pmtudisc": False}}),
    "gretap": Case("gretap", ENDS4, {**TUNNEL4, **GRE, "ignore_df": OFF}, {"ignore_df": {"pmtudisc": False}}),
    "ip6gre": Case("ip6gre", ENDS6, {**TUNNEL6, **GRE}),
    "ip6gretap": Case("ip6gretap", ENDS6, {**TUNNEL6, **GRE}),
    "ip6tnl": Case("ip6tnl", ENDS6, {**TUNNEL6, "proto": ("any", "ipip6")}),
    "ipip": Case("ipip", ENDS4, {**TUNNEL4, "proto": ("ipip", "any")}),
    "ipvlan": Case("ipvlan", {}, {"mode": ("l2", "l3s"), **some("private vepa", ON)}),
    "ipvtap": Case("ipvtap", {}, {"mode": ("l2", "l3"), **some("private vepa", ON)}),
    "macvlan": Case(
        "macvlan",
        {},
        {
            "mode": ("private", "bridge"),
            "nodst": ON,
            "macaddr_data": (["02:00:00:00:00:01"], ["02:00:00:00:00:03", "02:00:00:00:00:02"]),
            "bcqueuelen": (1000, 2000),
            "bccutoff": (1, 2),
        },
        {"macaddr_data": {"mode": "source"}},
        {"bccutoff": (6, 4)},
    ),
    "macvtap": Case("macvtap", {}, {"mode": ("vepa", "private"), "nodst": ON, "bcqueuelen": (1000, 2000)}),
    "sit": Case(
        "sit",
        ENDS4,
        {
            **without(TUNNEL4, "external"),
            "proto": ("ip6ip", "any"),
            "isatap": ON,
            "prefix": ("2001:db8::", "2001:db9::"),
            "prefixlen": (16, 32),
            "relay_prefix": ("10.0.0.0", "11.0.0.0"),
            "relay_prefixlen": (8, 16),
        },
        some("prefix prefixlen relay_prefix relay_prefixlen", SIX_RD),
    ),
    "vlan": Case(
        "vlan",
        {"id": 5},
        {
            "id": (5, 6),
            "flags": (["REORDER_HDR"], ["GVRP", "LOOSE_BINDING"]),
            "protocol": ("802.1Q", "802.1ad"),
            "egress_qos": QOS,
            "ingress_qos": QOS,
        },
    ),
    "vrf": Case("vrf", {"table": 10}, {"table": (10, 11)}),
    "vti": Case("vti", ENDS4, {**only(TUNNEL4, "local remote link fwmark"), **KEYS}),
    "vti6": Case("vti6", ENDS6, {**only(TUNNEL6, "local remote link fwmark"), **KEYS}),
    "vxlan": Case(
        "vxlan",
        {"id": 7, "port": 4789},
        {
            "id": (7, 8),
            "remote": ("10.0.0.1", "10.0.0.2"),
            "remote6": ("fd00::1", "fd00::2"),
            "group": ("239.1.1.1", "239.1.1.2"),
            "group6": ("ff05::1", "ff05::2"),
            "link": ("P", "Q"),
            "local": ("10.0.0.1", "10.0.0.2"),
            "local6": ("fd00::1", "fd00::2"),
            "ttl": (5, 6),
            "tos": (4, 8),
            "ageing": (300, 100),
            "limit": (0, 10),
            "port_range": ({"low": 1, "high": 5}, {"low": 2, "high": 7}),
            "port": (4789, 4790),
            "label": (0, "0x12"),
            "df": ("unset", "set"),
            **some("learning udp_csum localbypass", OFF),
            **some("proxy rsc l2miss l3miss udp_zero_csum6_tx udp_zero_csum6_rx remcsum_tx remcsum_rx", ON),
            **some("gbp remcsum_nopartial gpe ttl_inherit vnifilter", ON),
        },
        {
            **some("group group6", {"link": "P"}),
            **some("local6 label udp_zero_csum6_tx", {"remote6": "fd00::9"}),
            **some("gpe vnifilter", {"external": True, "id": None, "learning": False}),
        },
        {"localbypass": (6, 5)},
    ),
    "xfrm": Case("xfrm", {"if_id": 5, "link": "P"}, {"link": ("P", "Q"), "if_id": (5, 6)}),
}


class Lab:
    """Links of a case in a namespace, with two pairs beside them to stand on."""

    def __init__(self, sock: NetlinkSocket, netns: str) -> None:
        self.sock, self.netns = sock, netns
        for name in ("P", "Q"):
            peer = {"ifname": f"{name}-peer"}
            sock.ask(link.new(name, "veth", up=True, linkinfo={"info_data": {"peer": peer}}))
        self.indexes = {found["ifindex"]: found["ifname"] for found in sock.dump(link.dump(), link.decode)}

    def normal(self, kind: Kind, values: dict) -> dict:
        numbers = {name: index for index, name in self.indexes.items()}
        named = link_options(kind.table)
        return options.normalise(
            kind, {name: numbers.get(value, value) if name in named else value for name, value in values.items()}
        )

    def create(self, kind: Kind, values: dict, **attributes: t.Any) -> dict:
        if kind.parent == "required":
            attributes["link"] = next(index for index, name in self.indexes.items() if name == "P")
        self.sock.ask(link.new("it", kind.name, linkinfo={"info_data": values}, **attributes))
        return self.read()

    def read(self, name: str = "it") -> dict:
        return self.sock.ask(link.get(name=name), link.decode)[0]

    def told(self) -> dict:
        return self.read()["linkinfo"].get("info_data", {})

    def change(self, kind: Kind, wanted: dict) -> None:
        sent = options.change(kind, self.told(), wanted)
        info = {"info_kind": kind.name, "info_data": sent}
        self.sock.ask(link.change(self.read()["ifindex"], "it", linkinfo=info))

    def up(self, up: bool) -> None:
        self.sock.ask(link.change(self.read()["ifindex"], "it", up=up))

    def delete(self) -> None:
        self.sock.ask(link.delete(self.read()["ifindex"], "it"))

    def shown_by_ip(self, part: str, name: str = "it") -> dict:
        command = ["ip", "-n", self.netns, "-j", "-d", "link", "show", "dev", name]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return json.loads(done.stdout)[0].get("linkinfo", {}).get(part, {})

    def as_ip_shows(self, kind: Kind, told: dict) -> dict:
        named = link_options(kind.table) & set(told)
        return {**told, **{name: self.indexes.get(told[name]) for name in named}}


@pytest.fixture(scope="module", autouse=True)
def encapsulations() -> None:
    """Unlike a kind's, the kernel does not load by itself the module of an encapsulation."""
    if os.environ.get("FLEET_KERNEL") == "guest":
        subprocess.run(["modprobe", "-a", "fou", "fou6"], check=True)


@pytest.fixture
def lab(rtnl: NetlinkSocket, netns: str) -> Lab:
    return Lab(rtnl, netns)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, lab: Lab, lacking: t.Callable[[str], None]) -> Case:
    wanted = CASES[request.param]
    kind = registry.find(wanted.kind)
    try:
        lab.create(kind, lab.normal(kind, wanted.base))
    except NetlinkError as error:
        if error.errno == errno.EOPNOTSUPP:
            lacking(request.param)
        raise
    lab.delete()
    return wanted


def assert_as_ip_shows(ours: dict, theirs: dict) -> None:
    """Every key of ip's with its value; what we have besides is off or nothing, or newer than this ip."""
    for name, value in theirs.items():
        if name.endswith("_timer"):
            assert ours[name] == pytest.approx(value, abs=2), name
        elif name == "macaddr_data":  # the kernel has no order of its own
            assert ours[name] == sorted(value)
        else:
            assert ours[name] == ("none" if name == "arp_validate" and value is None else value), name


def tried(case: Case) -> dict:
    return {name: pair for name, pair in case.changes.items() if case.since.get(name, KERNEL) <= KERNEL}


def test_created_read_back_as_ip_shows_it_and_removed(case, lab):
    kind = registry.find(case.kind)
    failures = {}
    for name, (_unused, then) in tried(case).items():
        wanted = lab.normal(kind, {**case.base, **case.beside.get(name, {}), name: then})
        lab.create(kind, wanted)
        told = lab.told()
        differing = options.differing(kind, wanted, told)
        if differing:
            failures[name] = (differing, told)
        assert_as_ip_shows(lab.as_ip_shows(kind, told), lab.shown_by_ip("info_data"))
        lab.delete()
    assert failures == {}
    with pytest.raises(NetlinkError, match="No such device"):
        lab.read()


def outcome(lab: Lab, kind: Kind, wanted: dict) -> str:
    """How a change went: "done", "refused", "ignored", or what else it changed."""
    before = lab.told()
    try:
        lab.change(kind, wanted)
    except NetlinkError as error:
        return "refused" if error.errno != errno.EMSGSIZE else str(error)
    after = lab.told()
    if options.differing(kind, wanted, after):
        return "ignored"
    # A flag that takes over what an option says hides the option, and ipvlan has one of three flags.
    # A bridge's group address goes with its vlan_protocol.
    hidden = {"encap_limit", "tclass", "flowlabel", "fwmark", "bridge", "group_addr"}
    others = set(before) - set(wanted) - kind.read_only - hidden
    changed = {name: (before[name], after.get(name)) for name in others if before[name] != after.get(name)}
    return f"changed {changed} as well" if changed else "done"


def test_what_an_existing_link_can_change(case, lab):
    kind = registry.find(case.kind)
    failures = {}
    for name, (first, then) in tried(case).items():
        lab.create(kind, lab.normal(kind, {**case.base, **case.beside.get(name, {}), name: first}))
        wanted = lab.normal(kind, {name: then})
        for up in (True, False):
            lab.up(up)
            refused = name in kind.fixed or (up and "down" in kind.needs.get(name, ()))
            went = outcome(lab, kind, wanted)
            if went not in (("refused", "ignored") if refused else ("done",)):
                failures[name, "up" if up else "down"] = went
        lab.delete()
    assert failures == {}


@pytest.mark.parametrize("kind", ["dummy", "ifb", "nlmon", "team", "wireguard", "veth"])
def test_kinds_without_options(kind, lab, lacking):
    try:
        lab.create(registry.find(kind), {})
    except NetlinkError as error:
        if error.errno == errno.EOPNOTSUPP:
            lacking(kind)
        raise
    assert lab.read()["linkinfo"] == {"info_kind": kind}
    lab.delete()
    with pytest.raises(NetlinkError, match="No such device"):
        lab.read()


@pytest.mark.parametrize("kind", ["geneve", "gre", "gretap", "ip6gretap", "ip6tnl", "ipip", "vxlan", "xfrm"])
def test_links_whose_packets_say_where_they_go(kind, lab, lacking):
    found = registry.find(kind)
    try:
        lab.create(found, options.normalise(found, {"external": True}))
    except NetlinkError as error:
        if error.errno == errno.EOPNOTSUPP:
            lacking(kind)
        raise
    assert lab.told()["external"] is True
    assert outcome(lab, found, {"external": False}) in ("refused", "ignored")
    assert_as_ip_shows(lab.as_ip_shows(found, lab.told()), lab.shown_by_ip("info_data"))


def test_a_peer_is_made_in_another_namespace(lab, make_netns):
    other = make_netns()
    peer = {"ifname": "inside", "mtu": 9000, "address": "02:00:00:00:00:0a", "ifindex": 77}
    file = os.open(f"/run/netns/{other}", os.O_RDONLY)
    try:
        lab.create(registry.find("veth"), {"peer": {**peer, "net_ns_fd": file}}, mtu=1400, index=76)
    finally:
        os.close(file)
    with NetlinkSocket(netns=other) as sock:
        inside = sock.ask(link.get(name="inside"), link.decode)[0]
    assert {name: inside[name] for name in peer} == peer
    assert lab.read()["mtu"] == 1400
    assert (lab.read()["ifindex"], lab.read()["link"]) == (76, 77)
    lab.delete()
    with NetlinkSocket(netns=other) as sock:
        assert "inside" not in [found["ifname"] for found in sock.dump(link.dump(), link.decode)]


PORT_CHANGES = {
    "state": ("learning", "forwarding"),
    "priority": (32, 8),
    "cost": (100, 7),
    "multicast_router": (1, 2),
    "group_fwd_mask": ("0", "0x4000"),
    "backup_port": (0, "Q"),
    "mcast_eht_hosts_limit": (512, 100),
    **some(
        "hairpin guard root_block fastleave proxy_arp proxy_arp_wifi mcast_to_unicast neigh_suppress isolated locked",
        ON,
    ),
    **some("learning flood mcast_flood bcast_flood", OFF),
}


def set_port(lab: Lab, kind: Kind, name: str, values: dict) -> dict:
    info = {"info_slave_kind": kind.name.split()[0], "info_slave_data": lab.normal(kind, values)}
    lab.sock.ask(link.change(lab.read(name)["ifindex"], name, linkinfo=info))
    return lab.read(name)["linkinfo"]["info_slave_data"]


def test_ports_of_a_bridge(lab):
    kind = registry.port("bridge")
    bridge = lab.create(registry.find("bridge"), {}, mtu=1500)["ifindex"]
    lab.up(True)
    for name in ("P", "Q", "P-peer", "Q-peer"):
        lab.sock.ask(link.change(lab.read(name)["ifindex"], name, up=True))
    for name in ("P", "Q"):
        lab.sock.ask(link.change(lab.read(name)["ifindex"], name, master=bridge))
    failures = {}
    for name, (first, then) in PORT_CHANGES.items():
        for value in (first, then, first):
            wanted = lab.normal(kind, {name: value})
            told = set_port(lab, kind, "P", {name: value})
            if options.differing(kind, wanted, told):
                failures[name] = (wanted, told.get(name))
    assert failures == {}
    told = set_port(lab, kind, "P", {"backup_port": "Q", "group_fwd_mask": 0x4005})
    theirs = lab.shown_by_ip("info_slave_data", "P")
    assert_as_ip_shows(lab.as_ip_shows(kind, told), theirs)
    assert told["group_fwd_mask_str"] == theirs["group_fwd_mask_str"] == "stp,lacp,lldp"
    assert lab.indexes[told["backup_port"]] == "Q"


@pytest.fixture
def bond(lab: Lab, lacking: t.Callable[[str], None]) -> dict:
    try:
        return lab.create(registry.find("bond"), {"mode": "active-backup", "miimon": 100})
    except NetlinkError as error:
        if error.errno == errno.EOPNOTSUPP:
            lacking("bond")
        raise


def enslave(lab: Lab, name: str, master: int) -> None:
    lab.sock.ask(link.change(lab.read(f"{name}-peer")["ifindex"], name, up=True))
    lab.sock.ask(link.change(lab.read(name)["ifindex"], name, up=False))
    lab.sock.ask(link.change(lab.read(name)["ifindex"], name, master=master))


def test_ports_of_a_bond(lab, bond):
    for name in ("P", "Q"):
        enslave(lab, name, bond["ifindex"])
    kind = registry.port("bond")
    told = set_port(lab, kind, "P", {"queue_id": 3, "prio": -7})
    assert (told["queue_id"], told["prio"], told["mii_status"]) == (3, -7, "UP")
    assert told["perm_hwaddr"] == lab.read("P")["permaddr" if "permaddr" in lab.read("P") else "address"]
    assert_as_ip_shows(told, lab.shown_by_ip("info_slave_data", "P"))
    if "actor_port_prio" in told:
        assert set_port(lab, kind, "P", {"actor_port_prio": 300})["actor_port_prio"] == 300
    master = registry.find("bond")
    lab.change(master, lab.normal(master, {"primary": "Q", "active_slave": "Q"}))
    assert lab.as_ip_shows(master, lab.told())["primary"] == "Q"
    assert_as_ip_shows(lab.as_ip_shows(master, lab.told()), lab.shown_by_ip("info_data"))


def unmoved(read: t.Callable[[], dict], lab: Lab, part: str, name: str) -> tuple[dict, dict]:
    """What we and ip read while LACP's states did not move on in between."""
    for _unused in range(50):
        before, theirs, after = read(), lab.shown_by_ip(part, name), read()
        if before == after:
            return after, theirs
    pytest.fail("the states of LACP never held still")


def test_ports_of_an_aggregation(lab, bond):
    lab.change(registry.find("bond"), {"mode": "802.3ad", "ad_lacp_rate": "fast"})
    enslave(lab, "P", bond["ifindex"])
    lab.up(True)
    told, theirs = unmoved(lambda: lab.read("P")["linkinfo"]["info_slave_data"], lab, "info_slave_data", "P")
    assert {"active", "short_timeout", "aggregating"} <= set(told["ad_actor_oper_port_state_str"])
    assert_as_ip_shows(told, theirs)
    told, theirs = unmoved(lab.told, lab, "info_data", "it")
    assert told["ad_info"]["num_ports"] == 1
    assert_as_ip_shows(told, theirs)


def test_what_a_bond_with_ports_cannot_change(lab, bond):
    enslave(lab, "P", bond["ifindex"])
    kind = registry.find("bond")
    needing = {name for name, words in kind.needs.items() if "without ports" in words}
    assert needing == {"mode", "fail_over_mac"}
    for wanted in ({"mode": "balance-rr"}, {"fail_over_mac": "active"}):
        with pytest.raises(NetlinkError, match="because the bond device has slaves"):
            lab.change(kind, wanted)


def test_modes_of_a_bond_that_an_option_is_refused_in(lab, lacking):
    """The modes that the options' check allows are those that the kernel allows."""
    from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.kinds import bond as family

    kind = registry.find("bond")
    try:
        lab.create(kind, {})
    except NetlinkError as error:
        if error.errno == errno.EOPNOTSUPP:
            lacking("bond")
        raise
    lab.delete()
    changes = {name: pair[1] for name, pair in CASES["bond"].changes.items() if name in family.ONLY_IN}
    since = CASES["bond"].since
    for name in set(changes) | {"primary"}:
        if since.get(name, KERNEL) > KERNEL:
            continue
        allowed = set()
        for mode in family.MODES:
            beside = {"arp_interval": 100, "arp_ip_target": ["10.0.0.9"]} if name == "arp_validate" else {}
            try:
                lab.create(kind, {"mode": mode, **beside, name: changes.get(name, 1)})
            except NetlinkError as error:
                assert error.errno == errno.EACCES, name
                continue
            allowed.add(mode)
            lab.delete()
        assert allowed == set(family.ONLY_IN[name]), name


def test_a_port_of_a_vrf_tells_its_table(lab, lacking):
    kind = registry.find("vrf")
    try:
        vrf = lab.create(kind, {"table": 100})
    except NetlinkError as error:
        if error.errno == errno.EOPNOTSUPP:
            lacking("vrf")
        raise
    lab.sock.ask(link.change(lab.read("P")["ifindex"], "P", master=vrf["ifindex"]))
    assert lab.read("P")["linkinfo"]["info_slave_data"] == {"table": 100}
    assert lab.shown_by_ip("info_slave_data", "P") == {"table": 100}


def test_the_flag_of_a_passthru_link_changes_while_it_is_up(lab):
    kind = registry.find("macvlan")
    lab.create(kind, {"mode": "passthru"})
    lab.up(True)
    lab.change(kind, {"nopromisc": True})
    assert lab.told()["nopromisc"] is True
