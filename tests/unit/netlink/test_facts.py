# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decoded links, addresses and routes in, Ansible's facts out.

The integration target netlink_facts compares with what `ansible.builtin.setup` gathers on the same host.
"""

from __future__ import annotations

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink import facts_read
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.facts import Device, Route, facts

ETH0 = {
    "ifindex": 2,
    "ifname": "eth0",
    "type": 1,
    "flags": 0x1,
    "mtu": 1500,
    "operstate": "UP",
    "address": "52:54:00:00:00:02",
    "promiscuity": 1,
}


def gathered(links=(ETH0,), addresses=(), local=(), routes=None, devices=None):
    return facts(links, addresses, local, routes or {}, devices or {})


def inet(local, prefixlen=24, index=2, label="eth0", **more):
    return {"index": index, "family": "inet", "local": local, "prefixlen": prefixlen, "label": label, **more}


def inet6(local, prefixlen=64, index=2, scope="global", **more):
    return {"index": index, "family": "inet6", "local": local, "prefixlen": prefixlen, "scope": scope, **more}


def test_a_nic():
    found = gathered(devices={2: Device("virtio_net", "virtio0", 10000)})
    assert found["interfaces"] == ["eth0"]
    assert found["eth0"] == {
        "device": "eth0",
        "macaddress": "52:54:00:00:00:02",
        "mtu": 1500,
        "active": True,
        "type": "ether",
        "promisc": True,
        "module": "virtio_net",
        "pciid": "virtio0",
        "speed": 10000,
    }


@pytest.mark.parametrize(
    ("link", "fact"),
    [
        ({"operstate": "DOWN"}, {"active": False}),
        ({"operstate": "LOWERLAYERDOWN"}, {"active": True}),
        ({"operstate": "UNKNOWN"}, {"active": True}),
        ({"promiscuity": 0}, {"promisc": False}),
        ({"type": 772}, {"type": "loopback"}),
        ({"type": 0xFFFE}, {"type": "tunnel"}),
        ({"type": 776}, {"type": "unknown"}),
    ],
    ids=str,
)
def test_words_for_numbers(link, fact):
    found = gathered([{**ETH0, **link}])["eth0"]
    assert {name: found[name] for name in fact} == fact


def test_an_address_of_zeros_is_none():
    assert "macaddress" not in gathered([{**ETH0, "address": "00:00:00:00:00:00"}])["eth0"]


def test_a_speed_of_nobody_knows_is_told_and_none_is_not():
    assert gathered(devices={2: Device(speed=-1)})["eth0"]["speed"] == -1
    assert gathered(devices={2: Device(speed=0)})["eth0"]["speed"] == 0
    assert "speed" not in gathered(devices={2: Device()})["eth0"]


def test_a_bridge():
    info = {"info_kind": "bridge", "info_data": {"bridge_id": "8000.4e:a4:1:4f:7f:c", "stp_state": 1}}
    found = gathered([{**ETH0, "master": 3}, {**ETH0, "ifindex": 3, "ifname": "br0", "linkinfo": info}])["br0"]
    assert found["type"] == "bridge"
    assert found["interfaces"] == ["eth0"]
    assert found["id"] == "8000.4ea4014f7f0c"
    assert found["stp"] is True


def test_a_bond_and_its_port():
    options = {"mode": "active-backup", "miimon": 100, "primary": 2, "ad_lacp_rate": "slow", "all_slaves_active": 1}
    port = {**ETH0, "master": 3, "linkinfo": {"info_slave_kind": "bond", "info_slave_data": {"perm_hwaddr": "a:b"}}}
    bond = {**ETH0, "ifindex": 3, "ifname": "bond0", "linkinfo": {"info_kind": "bond", "info_data": options}}
    found = gathered([port, bond])
    assert found["eth0"]["perm_macaddress"] == "a:b"
    expected = {
        "type": "bonding",
        "slaves": ["eth0"],
        "mode": "active-backup",
        "miimon": "100",
        "lacp_rate": "slow",
        "primary": "eth0",
        "all_slaves_active": True,
    }
    assert {name: found["bond0"][name] for name in expected} == expected


def test_ipv4():
    first, second = inet("192.0.2.10", broadcast="192.0.2.255"), inet("192.0.2.11", secondary=True)
    third = inet("198.51.100.1", 25, broadcast="198.51.100.127")
    found = gathered(addresses=[first, second, third])
    assert found["eth0"]["ipv4"] == {
        "address": "192.0.2.10",
        "broadcast": "192.0.2.255",
        "netmask": "255.255.255.0",
        "network": "192.0.2.0",
        "prefix": "24",
    }
    assert [one["address"] for one in found["eth0"]["ipv4_secondaries"]] == ["198.51.100.1", "192.0.2.11"]
    assert found["eth0"]["ipv4_secondaries"][0]["netmask"] == "255.255.255.128"
    assert found["all_ipv4_addresses"] == ["192.0.2.10", "198.51.100.1", "192.0.2.11"]


@pytest.mark.parametrize(
    ("length", "netmask", "network"),
    [(0, "0.0.0.0", "0.0.0.0"), (1, "128.0.0.0", "128.0.0.0"), (31, "255.255.255.254", "192.0.2.10")],
)
def test_lengths_at_the_edges(length, netmask, network):
    found = gathered(addresses=[inet("192.0.2.11", length)])["eth0"]["ipv4"]
    assert (found["netmask"], found["network"], found["prefix"]) == (netmask, network, str(length))


def test_towards_a_peer_an_address_stands_alone():
    found = gathered(addresses=[inet("192.0.2.1", 30, address="192.0.2.2", broadcast="192.0.2.3")])["eth0"]["ipv4"]
    assert (found["prefix"], found["netmask"], found["broadcast"]) == ("32", "255.255.255.255", "")


def test_labels_make_interfaces():
    found = gathered(addresses=[inet("192.0.2.1", label="eth0:1"), inet("192.0.2.2", label="eth0:1", secondary=True)])
    assert found["interfaces"] == ["eth0", "eth0_1"]
    assert found["eth0_1"]["ipv4"]["address"] == "192.0.2.1"
    assert found["eth0_1"]["ipv4_secondaries"][0]["address"] == "192.0.2.2"
    assert "ipv4" not in found["eth0"]
    assert found["eth0"]["ipv4_secondaries"][0]["address"] == "192.0.2.2"


def test_ipv6():
    addresses = [inet6("2001:db8::1"), inet6("fe80::1", scope="link"), inet6("::1", 128, scope="host")]
    found = gathered(addresses=addresses)
    assert found["eth0"]["ipv6"] == [
        {"address": "2001:db8::1", "prefix": "64", "scope": "global"},
        {"address": "fe80::1", "prefix": "64", "scope": "link"},
        {"address": "::1", "prefix": "128", "scope": "host"},
    ]
    assert found["all_ipv6_addresses"] == ["2001:db8::1", "fe80::1"]


def test_loopback_addresses_are_not_listed():
    assert gathered(addresses=[inet("127.0.0.1", 8)])["all_ipv4_addresses"] == []


def test_default_routes():
    routes = {"inet": Route("eth0", "192.0.2.10", "192.0.2.1"), "inet6": Route("eth0", "2001:db8::1", None)}
    found = gathered(addresses=[inet("192.0.2.10", broadcast="192.0.2.255"), inet6("2001:db8::1")], routes=routes)
    assert found["default_ipv4"] == {
        "interface": "eth0",
        "address": "192.0.2.10",
        "gateway": "192.0.2.1",
        "broadcast": "192.0.2.255",
        "netmask": "255.255.255.0",
        "network": "192.0.2.0",
        "prefix": "24",
        "macaddress": "52:54:00:00:00:02",
        "mtu": 1500,
        "type": "ether",
        "alias": "eth0",
    }
    assert found["default_ipv6"] == {
        "interface": "eth0",
        "address": "2001:db8::1",
        "prefix": "64",
        "scope": "global",
        "macaddress": "52:54:00:00:00:02",
        "mtu": 1500,
        "type": "ether",
    }


def test_without_routes_there_are_no_defaults():
    found = gathered(addresses=[inet("192.0.2.10")])
    assert found["default_ipv4"] == {} and found["default_ipv6"] == {}


def test_an_address_of_a_link_that_came_later_is_passed_over():
    assert gathered(addresses=[inet("192.0.2.10", index=77)])["all_ipv4_addresses"] == []


def test_locally_reachable():
    local = [
        {"family": "inet", "dst": "127.0.0.0/8"},
        {"family": "inet", "dst": "192.0.2.1"},
        {"family": "inet", "dst": "192.0.2.1"},
        {"family": "inet6", "dst": "::1"},
    ]
    assert gathered(local=local)["locally_reachable_ips"] == {"ipv4": ["127.0.0.0/8", "192.0.2.1"], "ipv6": ["::1"]}


def test_names_that_templates_cannot_say():
    found = gathered([{**ETH0, "ifname": "br-lan"}, {**ETH0, "ifindex": 3, "ifname": "eth0.20"}])
    assert found["interfaces"] == ["br-lan", "eth0.20"]
    assert found["br_lan"]["device"] == "br-lan"
    assert found["eth0.20"]["device"] == "eth0.20"


@pytest.mark.parametrize("name", ["interfaces", "default_ipv4", "all_ipv4_addresses", "locally_reachable_ips"])
def test_a_link_cannot_take_a_facts_name(name):
    honest, found = gathered([{**ETH0, "ifname": "eth1"}]), gathered([{**ETH0, "ifname": name}])
    assert type(found[name]) is type(honest[name])
    assert "mtu" not in found[name]


# Devices


@pytest.fixture
def sysfs(tmp_path):
    """A device with a driver that is a module, and one whose driver is built in, as sysfs has them."""
    modular, built_in = tmp_path / "virtio0", tmp_path / "0000:00:03.0"
    (modular / "driver").mkdir(parents=True)
    (tmp_path / "virtio_net").mkdir()
    (modular / "driver" / "module").symlink_to(tmp_path / "virtio_net")
    (built_in / "driver").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(
    ("directory", "module"), [("virtio0", "virtio_net"), ("0000:00:03.0", "")], ids=["module", "built in"]
)
def test_devices_by_their_directory(sysfs, monkeypatch, directory, module):
    monkeypatch.setattr(facts_read, "_directory", lambda _link: str(sysfs / directory))
    link = {**ETH0, "flags": 0}
    assert facts_read.devices([link], None) == {2: Device(module, directory, None)}


def test_the_bus_names_the_directory():
    assert facts_read._directory({"parentbus": "pci", "parentdev": "0000:00:03.0"}) == (
        "/sys/bus/pci/devices/0000:00:03.0"
    )
    assert facts_read._directory({**ETH0, "linkinfo": {"info_kind": "bridge"}}) == ""
    assert facts_read._directory({**ETH0, "ifname": "none-such"}) == ""
