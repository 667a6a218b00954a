# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seed's IPRoute on the real kernel: the session of its document, and its other verbs."""

from __future__ import annotations

import errno
import threading

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.errors import (
    NetlinkEncodeError,
    NetlinkError,
    NetlinkTimeout,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.iproute import IPRoute, iproute

from tests.kernel import iproute2


@pytest.fixture
def ip(netns):
    iproute2.pair(netns, "tap0", "peer0")
    with iproute(netns) as it:
        yield it


def test_the_session_of_the_document(netns, ip):
    assert iproute is IPRoute
    dev = ip.link_lookup(ifname="tap0")[0]
    ip.link("set", dev, state="down")
    (shown,) = iproute2.shown(netns, "ip link show dev tap0")
    assert "UP" not in shown["flags"]
    ip.link("set", dev, address="00:11:22:33:44:55", ifname="vpn")
    ip.addr("add", dev, address="10.0.0.1", mask=24)
    ip.addr("add", dev, address="10.0.0.2", mask=24)
    ip.link("set", dev, state="up")
    (shown,) = iproute2.shown(netns, "ip addr show dev vpn")
    assert shown["ifindex"] == dev
    assert shown["address"] == "00:11:22:33:44:55"
    assert "UP" in shown["flags"]
    ipv4 = [(one["local"], one["prefixlen"]) for one in shown["addr_info"] if one["family"] == "inet"]
    assert ipv4 == [("10.0.0.1", 24), ("10.0.0.2", 24)]


def test_link_lookup(ip):
    assert ip.link_lookup(ifname="tap0") == [10]
    assert ip.link_lookup(ifname="nosuch") == []
    assert ip.link_lookup(operstate="UP") == [10, 11]
    assert ip.link_lookup(kind="veth") == [10, 11]
    (tap0,) = ip.get_links("tap0")
    assert ip.link_lookup(address=tap0["address"]) == [10]
    assert ip.link_lookup(ifname="tap0", operstate="DOWN") == []


def test_links_of_kinds_and_ports(netns, ip):
    ip.link("add", ifname="br0", kind="bridge", br_forward_delay=400, state="up")
    ip.link("set", "br0", ageing_time=1000)
    ip.link("set", dev="tap0", master="br0")
    ip.brport("set", "tap0", cost=77)
    (bridge,) = iproute2.shown(netns, "ip -d link show dev br0")
    assert (bridge["linkinfo"]["info_data"]["forward_delay"], bridge["linkinfo"]["info_data"]["ageing_time"]) == (
        400,
        1000,
    )
    (port,) = iproute2.shown(netns, "ip -d link show dev tap0")
    assert (port["master"], port["linkinfo"]["info_slave_data"]["cost"]) == ("br0", 77)
    ip.link("add", ifname="p0", kind="veth", peer="p1")
    ip.link_rename("p1", "p2")
    ip.link_up("p0", "p2")
    assert ip.get_links("p2")[0]["flags"] & 1 == 1
    ip.link_down("p2")
    assert ip.get_links("p2")[0]["flags"] & 1 == 0
    ip.link_remove("p0", "br0")
    assert ip.link_lookup(ifname="p2") == ip.link_lookup(ifname="br0") == []


def test_a_link_moves_to_a_namespace_by_name(make_netns, ip):
    other = make_netns()
    ip.link("set", "tap0", net_ns_fd=other)
    assert ip.link_lookup(ifname="tap0") == []
    assert "tap0" in iproute2.indexes(other)


def test_addresses(ip):
    ip.addr("add", "tap0", local="10.8.0.1", address="10.8.0.2", mask="255.255.255.252")
    ip.addr("add", "tap0", address="10.9.0.1/24", label="tap0:x")
    ip.addr("add", "tap0", address="10.7.0.1", peer="10.7.0.2", prefixlen=32)
    found = {one["local"]: one for one in ip.get_addr("tap0", family="inet")}
    assert (found["10.8.0.1"]["address"], found["10.8.0.1"]["prefixlen"]) == ("10.8.0.2", 30)
    assert found["10.7.0.1"]["address"] == "10.7.0.2"
    assert [one["local"] for one in ip.get_addr(label="tap0:x")] == ["10.9.0.1"]
    ip.addr("delete", "tap0", address="10.9.0.1", mask=24)
    assert ip.get_addr(label="tap0:x") == []
    ip.flush_addr("tap0")
    assert ip.addr("dump", "tap0") == []


def test_routes_and_rules(ip):
    ip.addr("add", "tap0", address="10.8.0.1", mask=24)
    ip.route(
        "add",
        prefix="10.55.0.0",
        mask=16,
        gateway="10.8.0.2",
        rtproto="RTPROT_BGP",
        rtscope="RT_SCOPE_UNIVERSE",
        table=254,
    )
    (found,) = ip.get_routes(table=254, dst="10.55.0.0/16")
    assert (found["gateway"], found["protocol"], found["scope"]) == ("10.8.0.2", "bgp", "global")
    ip.route("add", dst="10.56.0.0/16", multipath=[{"gateway": "10.8.0.2", "hops": 3}, {"gateway": "10.8.0.3"}])
    (found,) = ip.route("dump", dst="10.56.0.0/16")
    assert [hop["weight"] for hop in found["nexthops"]] == [4, 1]
    assert {one["protocol"] for one in ip.get_routes(protocol="bgp")} == {"bgp"}
    ip.route("del", dst="10.56.0.0/16")
    assert ip.get_routes(dst="10.56.0.0/16") == []
    assert ip.get_routes(table=4711, family="inet") == []
    ip.rule("add", table=100, priority=5, src="10.1.0.0", src_len=16)
    assert [(one["src"], one["srclen"], one["table"]) for one in ip.get_rules(priority=5)] == [("10.1.0.0", 16, 100)]
    ip.rule("delete", priority=5)
    assert ip.rule("dump", priority=5) == []


def test_neighbours_and_forwarding_entries(ip):
    ip.neigh("add", dst="10.8.0.2", lladdr="02:00:00:00:00:99", ifindex=10, state="permanent")
    (found,) = ip.get_neighbours("tap0", dst="10.8.0.2")
    assert (found["lladdr"], found["state"]) == ("02:00:00:00:00:99", ["PERMANENT"])
    ip.neigh("del", dst="10.8.0.2", ifindex="tap0")
    assert ip.get_neighbors("tap0", state="PERMANENT") == []
    ip.link("add", ifname="br0", kind="bridge")
    ip.link("set", "tap0", master="br0")
    ip.fdb("add", ifindex="tap0", lladdr="02:00:00:00:00:77", flags=["master"])
    assert {entry["index"] for entry in ip.fdb("dump", lladdr="02:00:00:00:00:77")} == {10}
    ip.fdb("del", ifindex="tap0", lladdr="02:00:00:00:00:77", flags=["master"])
    assert ip.fdb("dump", lladdr="02:00:00:00:00:77") == []


def test_vlans_of_ports(netns, ip, lacking):
    try:
        ip.link("add", ifname="br0", kind="bridge", vlan_filtering=1)
    except NetlinkError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        lacking("VLAN filtering of bridges")
    ip.link("set", "tap0", master="br0")
    ip.vlan_filter("add", "tap0", vlan_info={"vid": 500, "flags": ["pvid", "untagged"]})
    ip.vlan_filter("add", "tap0", vlan_info=[{"vid": 10, "vid_end": 20}])
    ip.vlan_filter("add", "br0", vlan_info={"vid": 40}, vlan_flags="self")
    shown = iproute2.vlans(netns)
    assert {"vlan": 500, "flags": ["PVID", "Egress Untagged"]} in shown["tap0"]
    assert {"vlan": 10, "vlanEnd": 20} in shown["tap0"]
    assert {"vlan": 40} in shown["br0"]
    ip.vlan_filter("del", "tap0", vlan_info={"vid": 500})
    assert all(one["vlan"] != 500 for one in ip.get_vlans(index=10)[0]["vlans"])


def test_traffic_control(ip):
    ip.tc("add", "tbf", "tap0", 0x10000, rate="220kbit", latency="50ms", burst=1540)
    (found,) = ip.get_qdiscs("tap0")
    assert (found["kind"], found["handle"], found["options"]["rate"]) == ("tbf", "1:", 27500)
    ip.tc("del", index="tap0")
    ip.tc("add", "htb", "tap0", "1:", default=0x10)
    ip.tc("add-class", "htb", "tap0", "1:10", parent="1:", rate="10mbit")
    assert [one["handle"] for one in ip.get_classes("tap0")] == ["1:10"]
    ip.tc("del-class", index="tap0", handle="1:10")
    assert ip.get_classes("tap0") == []


def test_poll_waits_for_what_comes_and_what_goes(netns, ip):
    later = threading.Timer(0.3, iproute2.run, (netns, "ip link add late type bridge"))
    later.start()
    (found,) = ip.poll(ip.link, ifname="late")
    later.join()
    assert found["ifname"] == "late"
    later = threading.Timer(0.3, iproute2.run, (netns, "ip link del late"))
    later.start()
    assert ip.poll(ip.link, present=False, ifname="late") == []
    later.join()
    with pytest.raises(NetlinkTimeout):
        ip.poll(ip.link, timeout=0.2, ifname="late")


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda ip: ip.link("paint", "tap0"), NetlinkEncodeError, "command: takes one of"),
        (lambda ip: ip.link("set", "nosuch", mtu=1500), NetlinkError, "nosuch"),
        (
            lambda ip: ip.link("set", "tap0", colour="red"),
            NetlinkEncodeError,
            "colour: no attribute of a link of kind veth",
        ),
        (lambda ip: ip.link("set", "tap0", state="sideways"), NetlinkEncodeError, "state"),
        (lambda ip: ip.link("add", ifname="x"), NetlinkEncodeError, "kind: is needed"),
        (lambda ip: ip.link("add", ifname="x", kind="tun"), NetlinkEncodeError, "/dev/net/tun"),
        (lambda ip: ip.addr("add", "tap0", mask=24), NetlinkEncodeError, "address"),
        (lambda ip: ip.addr("add", "tap0", address="10.0.0.1", mask="255.0.255.0"), NetlinkEncodeError, "netmask"),
        (lambda ip: ip.addr("add", address="10.0.0.1", mask=24), NetlinkEncodeError, "index: a link is needed"),
        (lambda ip: ip.rule("replace", priority=4), NetlinkEncodeError, "command: takes one of add, del"),
    ],
)
def test_what_cannot_be_is_said(ip, call, error, words):
    with pytest.raises(error, match=words):
        call(ip)
