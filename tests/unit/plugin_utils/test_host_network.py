# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One dictionary, three spellings: for the kernel, for networkd and for ifupdown."""

from __future__ import annotations

import configparser

import pytest
from ansible_collections.fleet.hypervisor.plugins.plugin_utils.host_network.ifupdown import interfaces
from ansible_collections.fleet.hypervisor.plugins.plugin_utils.host_network.network import WrongNetwork, read
from ansible_collections.fleet.hypervisor.plugins.plugin_utils.host_network.networkd import files
from ansible_collections.fleet.hypervisor.plugins.plugin_utils.host_network.transaction import transaction

CONFIG = {
    "nics": [{"name": "eth4", "addresses": ["10.4.0.1/24"], "mtu": None}],
    "bonds": [{"name": "bond0", "ports": ["eth1", "eth2"], "mode": "active-backup", "miimon": 100, "primary": "eth2"}],
    "vlans": [{"name": "bond0.10", "link": "bond0", "id": 10}],
    "bridges": [
        {"name": "br10", "ports": ["bond0.10"], "addresses": ["192.0.2.1/24"], "stp": True, "forward_delay": 4},
        {
            "name": "trunk",
            "ports": ["eth3"],
            "vlan_filtering": True,
            "vlans": [
                {"port": "eth3", "vid": "100-110", "pvid": False},
                {"port": "trunk", "vid": "5", "pvid": True, "untagged": True},
            ],
        },
    ],
    "routes": [
        {"dst": "default", "gateway": "192.0.2.254", "table": "100"},
        {"dst": "203.0.113.0/24", "type": "blackhole"},
    ],
    "rules": [{"priority": 1000, "src": "192.0.2.0/24", "table": "100"}],
}


def test_for_the_kernel():
    wanted = transaction(CONFIG)
    links = {link["name"]: link for link in wanted["interfaces"]}
    assert list(links) == ["eth1", "eth2", "eth3", "eth4", "bond0", "bond0.10", "br10", "trunk"]
    assert links["eth1"] == {"name": "eth1", "state": "up", "master": "bond0", "addresses": []}
    assert links["eth4"] == {"name": "eth4", "state": "up", "addresses": ["10.4.0.1/24"]}
    assert links["bond0"]["options"] == {"mode": "active-backup", "miimon": 100, "primary": "eth2"}
    assert links["bond0.10"] == {
        "name": "bond0.10",
        "state": "up",
        "link": "bond0",
        "master": "br10",
        "addresses": [],
        "kind": "vlan",
        "options": {"id": 10},
    }
    assert links["br10"]["options"] == {"stp_state": 1, "forward_delay": 400}
    assert links["trunk"]["options"] == {"stp_state": 0, "vlan_filtering": True, "vlan_default_pvid": 0}
    assert wanted["routes"][0] == {"dst": "default", "gateway": "192.0.2.254", "table": "100", "dev": "br10"}
    assert wanted["routes"][1] == {"dst": "203.0.113.0/24", "type": "blackhole"}
    assert wanted["rules"] == [{"protocol": "static", "priority": 1000, "src": "192.0.2.0/24", "table": "100"}]
    assert wanted["bridge_vlans"] == [
        {"dev": "eth3", "vlans": [{"vid": "100-110", "pvid": False}]},
        {"dev": "trunk", "vlans": [{"vid": "5", "pvid": True, "untagged": True}]},
    ]


def test_a_port_keeps_the_addresses_that_it_is_given_and_other_links_what_they_have():
    config = {
        "nics": [{"name": "eth0", "addresses": ["10.0.0.1/24"]}, {"name": "eth2"}],
        "bridges": [{"name": "br0", "ports": ["eth0", "eth1"]}],
    }
    links = {link["name"]: link for link in transaction(config)["interfaces"]}
    assert {name: links[name].get("addresses") for name in links} == {
        "eth0": ["10.0.0.1/24"],
        "eth1": [],
        "eth2": None,
        "br0": None,
    }


def sections(text: str) -> dict[str, dict[str, str]]:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read_string(text)
    return {name: dict(parser[name]) for name in parser.sections()}


def test_for_networkd():
    found = {name: sections(text) for name, text in files(CONFIG).items()}
    assert {name for name in found if name.endswith(".netdev")} == {
        f"10-fleet-{name}.netdev" for name in ("bond0", "bond0.10", "br10", "trunk")
    }
    assert found["10-fleet-bond0.netdev"]["Bond"] == {"Mode": "active-backup", "MIIMonitorSec": "100ms"}
    assert found["10-fleet-bond0.10.netdev"]["VLAN"] == {"Id": "10"}
    assert found["10-fleet-br10.netdev"]["Bridge"] == {"STP": "yes", "ForwardDelaySec": "4"}
    assert found["10-fleet-trunk.netdev"]["Bridge"] == {"STP": "no", "VLANFiltering": "yes", "DefaultPVID": "none"}
    assert found["10-fleet-eth2.network"]["Network"]["PrimarySlave"] == "yes"
    assert found["10-fleet-eth1.network"]["Network"]["Bond"] == "bond0"
    assert "PrimarySlave" not in found["10-fleet-eth1.network"]["Network"]
    assert found["10-fleet-bond0.network"]["Network"]["VLAN"] == "bond0.10"
    assert found["10-fleet-bond0.10.network"]["Network"]["Bridge"] == "br10"
    assert found["10-fleet-eth3.network"]["BridgeVLAN"] == {"VLAN": "100-110"}
    assert found["10-fleet-trunk.network"]["BridgeVLAN"] == {"VLAN": "5", "PVID": "5", "EgressUntagged": "5"}
    assert found["10-fleet-br10.network"]["Route"] == {
        "Destination": "0.0.0.0/0",
        "Gateway": "192.0.2.254",
        "Table": "100",
    }
    rules = [about for about in found.values() if "RoutingPolicyRule" in about]
    assert [about["RoutingPolicyRule"] for about in rules] == [
        {"Priority": "1000", "From": "192.0.2.0/24", "Table": "100"}
    ]
    assert rules[0]["Route"] == {"Destination": "203.0.113.0/24", "Type": "blackhole"}


def test_for_ifupdown():
    text = interfaces(CONFIG)
    autos = [line.split()[1] for line in text.splitlines() if line.startswith("auto ")]
    assert autos == list(read(CONFIG).links)
    lines = [line.strip() for line in text.splitlines()]
    assert lines.index("pre-up ip link delete bond0.10 2>/dev/null || true") < lines.index(
        "pre-up ip link add link bond0 name bond0.10 type vlan id 10"
    )  # ifupdown makes it by itself, seeing its name
    for line in (
        "pre-up ip link add name bond0 type bond mode active-backup miimon 100",
        "pre-up ip link set bond0 type bond primary eth2",
        "pre-up ip link add link bond0 name bond0.10 type vlan id 10",
        "pre-up bridge vlan add vid 5 dev trunk pvid untagged self",
        "up ip link set bond0 up",
        "up ip route replace default via 192.0.2.254 dev br10 table 100 proto static",
        "up ip route replace blackhole 203.0.113.0/24 proto static",
        "up ip rule add from 192.0.2.0/24 priority 1000 table 100 protocol static",
    ):
        assert line in lines


def test_what_is_to_be_down_is_brought_down_again_after_ifupdown_brought_it_up():
    assert "    up ip link set eth1 down" in interfaces({"nics": [{"name": "eth1", "state": "down"}]}).splitlines()


@pytest.mark.parametrize(
    "config,message",
    [
        ({"links": []}, "^links: unknown"),
        ({"bridges": [{"name": "a"}, {"name": "a"}]}, r"^bridges\[1\].name: a is there before, at bridges\[0\]"),
        (
            {"bridges": [{"name": "a", "ports": ["p"]}, {"name": "b", "ports": ["p"]}]},
            r"^bridges\[1\].ports\[0\]: p is a port of a already",
        ),
        (
            {"nics": [{"name": "p", "addresses": ["10.0.0.1/8"]}], "bonds": [{"name": "b", "ports": ["p"]}]},
            r"^bonds\[0\].ports\[0\]: p has addresses",
        ),
        (
            {"bridges": [{"name": "a", "vlan_filtering": True, "vlans": [{"port": "x", "vid": "1"}]}]},
            r"^bridges\[0\].vlans\[0\].port: x is not a, nor one of its ports",
        ),
        ({"routes": [{"dst": "default"}]}, r"^routes\[0\].gateway: None is not an address"),
        (
            {"routes": [{"dst": "default", "gateway": "10.0.0.1"}]},
            r"^routes\[0\].dev: 10.0.0.1 is in the network of no",
        ),
        ({"nics": [{"name": "a;reboot"}]}, r"^nics\[0\]: 'a;reboot' cannot be in files as it is"),
        ({"bridges": [{"name": "a", "ports": ["$(reboot)"]}]}, r"^ports: '\$\(reboot\)' cannot be in files"),
        ({"vlans": [{"name": "v", "link": "eth*", "id": 1}]}, r"'eth\*' cannot be in files"),
        ({"routes": [{"dst": "default", "dev": "a\nb"}]}, r"^routes\[0\].dev: 'a\\nb' cannot be in files"),
        ({"rules": [{"priority": 1, "table": "1", "oif": "`a`"}]}, r"^rules\[0\].oif: '`a`' cannot be in files"),
    ],
)
def test_what_cannot_be_meant_is_named(config, message):
    with pytest.raises(WrongNetwork, match=message):
        read(config)


def test_nothing_is_wanted_of_an_empty_one():
    assert transaction({}) == {}
    assert files({}) == {}
