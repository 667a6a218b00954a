# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `host_network` writes for ifupdown makes the network that it asks the kernel for: carried out, line by line."""

from __future__ import annotations

import subprocess

from ansible_collections.fleet.hypervisor.plugins.plugin_utils.host_network.ifupdown import interfaces
from ansible_collections.fleet.hypervisor.plugins.plugin_utils.host_network.transaction import transaction

from tests.kernel import iproute2
from tests.kernel.ipdb import tasks as txn

NETWORK = {
    "nics": [{"name": "v2", "addresses": ["10.4.0.1/24"], "mtu": 1400}],
    "bridges": [
        {"name": "br10", "ports": ["v0"], "addresses": ["192.0.2.1/24", "2001:db8::1/64"], "mtu": 1450},
        {"name": "stp", "stp": True, "forward_delay": 4},
    ],
    "routes": [
        {"dst": "203.0.113.0/25", "gateway": "192.0.2.254", "metric": 50},
        {"dst": "2001:db8:ffff::/48", "gateway": "2001:db8::254"},
        {"dst": "default", "gateway": "10.4.0.254", "table": "100"},
        {"dst": "203.0.113.128/25", "type": "blackhole"},
    ],
    "rules": [{"priority": 1000, "src": "192.0.2.0/24", "table": "100"}],
}
TRUNK = {
    "bridges": [
        {
            "name": "trunk",
            "ports": ["v4"],
            "vlan_filtering": True,
            "vlans": [
                {"port": "v4", "vid": "100-110"},
                {"port": "v4", "vid": "5", "pvid": True, "untagged": True},
                {"port": "trunk", "vid": "5", "pvid": True, "untagged": True},
            ],
        },
    ],
}
BONDED = {
    "bonds": [{"name": "bond0", "ports": ["v0", "v2"], "mode": "active-backup", "miimon": 100, "primary": "v2"}],
    "vlans": [{"name": "bond0.10", "link": "bond0", "id": 10, "mtu": 1400}],
    "bridges": [{"name": "br10", "ports": ["bond0.10"], "addresses": ["192.0.2.1/24"]}],
}


def brought_up(netns: str, text: str) -> None:
    """What ifup does with the file: for each link the commands before it is up, and after that."""
    for line in text.splitlines():
        phase, _unused, command = line.strip().partition(" ")
        if phase in ("pre-up", "up"):
            subprocess.run(["ip", "netns", "exec", netns, "sh", "-c", command], check=True)


def nics(netns: str) -> None:
    for number in (0, 2, 4):
        iproute2.pair(netns, f"v{number}", f"v{number + 1}", 10 + number)
    for number in (0, 2, 4):
        iproute2.run(netns, f"ip link set v{number} down")


def settled(netns: str, network: dict) -> list[str]:
    return txn.run(netns, check=True, **transaction(network))["review"]


def need(netns: str, lacking, what: str, kind: str) -> None:
    """Says so where this machine's kernel cannot make such a link."""
    made = subprocess.run(
        ["ip", "-n", netns, "link", "add", "x", "type", *kind.split()], capture_output=True, check=False
    )
    if made.returncode:
        lacking(what)
    iproute2.run(netns, "ip link delete x")


def both_make_the_same(make_netns, network) -> str:
    """The file's commands leave the transaction nothing to do, and it makes the same by itself; where it did."""
    by_file, by_transaction = make_netns(), make_netns()
    nics(by_file)
    nics(by_transaction)
    assert settled(by_file, network)
    brought_up(by_file, interfaces(network))
    assert settled(by_file, network) == []
    txn.run(by_transaction, **transaction(network))
    assert settled(by_transaction, network) == []
    return by_transaction


def test_bridges_routes_and_rules(make_netns):
    both_make_the_same(make_netns, NETWORK)


def test_a_bridge_that_tells_vlans_apart(make_netns, lacking):
    need(make_netns(), lacking, "VLAN filtering of bridges", "bridge vlan_filtering 1")
    netns = both_make_the_same(make_netns, TRUNK)
    assert iproute2.vlans(netns)["trunk"] == [{"vlan": 5, "flags": ["PVID", "Egress Untagged"]}]


def test_a_bond_with_vlans(make_netns, lacking):
    need(make_netns(), lacking, "bond", "bond")
    both_make_the_same(make_netns, BONDED)


def test_an_address_that_moves_to_a_bridge_is_no_longer_the_nics(make_netns):
    netns = make_netns()
    nics(netns)
    iproute2.run(netns, "ip link set v0 up", "ip address add 192.0.2.1/24 dev v0", "ip address add 10.1.0.1/24 dev v2")
    txn.run(netns, **transaction({"bridges": [{"name": "brm", "ports": ["v0"], "addresses": ["192.0.2.1/24"]}]}))
    found = {
        one["ifname"]: [address["local"] for address in one["addr_info"] if address["family"] == "inet"]
        for one in iproute2.shown(netns, "ip address")
    }
    assert (found["v0"], found["brm"], found["v2"]) == ([], ["192.0.2.1"], ["10.1.0.1"])
