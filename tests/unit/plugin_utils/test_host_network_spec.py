# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role `host_network` takes, by the specification that Ansible checks before any of its tasks."""

from __future__ import annotations

import copy
import pathlib
import sys

import pytest

if sys.version_info < (3, 11):
    pytest.skip("roles run on the controller, whose Python is 3.11 or newer", allow_module_level=True)

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.fleet.hypervisor.plugins.plugin_utils.host_network.ifupdown import interfaces
from ansible_collections.fleet.hypervisor.plugins.plugin_utils.host_network.networkd import files
from ansible_collections.fleet.hypervisor.plugins.plugin_utils.host_network.transaction import transaction

ROLE = pathlib.Path(__file__).parents[3] / "roles" / "host_network"
OPTIONS = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]


def told(config: object, **more: object) -> list[str]:
    return ArgumentSpecValidator(OPTIONS).validate({"host_network_config": config, **more}).error_messages


def test_what_the_guide_shows_is_taken():
    assert told({
        "bonds": [{"name": "bond0", "ports": ["eth1", "eth2"], "mode": "802.3ad"}],
        "vlans": [{"name": "bond0.10", "link": "bond0", "id": 10}],
        "bridges": [{"name": "br10", "ports": ["bond0.10"], "addresses": ["198.51.100.1/24"]}],
        "routes": [{"dst": "default", "gateway": "198.51.100.254"}],
    }) == []  # fmt: skip


@pytest.mark.parametrize(
    "config,words",
    [
        (
            {"bridges": [{"ports": ["eth1"]}]},
            "missing required arguments: name found in host_network_config -> bridges",
        ),
        ({"vlans": [{"name": "v", "link": "eth1", "id": 10, "speed": 1}]}, "host_network_config.vlans.speed"),
        ({"bonds": [{"name": "b", "ports": ["eth1"], "mode": "fastest"}]}, "value of mode must be one of: balance-rr"),
        ({"bonds": [{"name": "b"}]}, "missing required arguments: ports"),
        ({"teams": []}, "host_network_config.teams"),
        ({"nics": [{"name": "eth1", "mtu": "large"}]}, "mtu"),
        ("br0", "host_network_config"),
    ],
)
def test_a_wrong_dictionary_is_refused_by_what_is_wrong(config, words):
    assert any(words in message for message in told(config))


def test_the_defaults_are_those_of_the_specification():
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
    assert set(defaults) == set(OPTIONS)
    assert {name: OPTIONS[name].get("default") for name in defaults} == defaults
    assert told(defaults["host_network_config"], host_network_persist="systemd") != []


PLAIN = {
    "nics": [{"name": "eth4"}],
    "bonds": [{"name": "bond0", "ports": ["eth1", "eth2"]}],
    "vlans": [{"name": "bond0.10", "link": "bond0", "id": 10}],
    "bridges": [{"name": "br0", "ports": ["eth3"], "vlan_filtering": True, "vlans": [{"port": "eth3", "vid": "5"}]}],
    "routes": [{"dst": "default", "gateway": "192.0.2.1", "dev": "br0"}],
    "rules": [{"priority": 5, "table": "100"}],
}
OTHER = yaml.safe_load("""
{name: new0, state: down, mtu: 1400, mac: "02:00:00:00:00:01", addresses: [10.0.0.1/24], link: eth4, id: 11,
 mode: 802.3ad, miimon: 50, lacp_rate: fast, xmit_hash_policy: layer2, primary: eth1, protocol: 802.1ad,
 stp: true, forward_delay: 7, vlan_filtering: null, vlans: [{port: eth3, vid: "7"}],
 port: br0, vid: "6", pvid: true, untagged: true,
 gateway: 192.0.2.9, dev: eth4, table: "200", metric: 9, prefsrc: 10.9.9.9, onlink: true, type: blackhole,
 family: inet6, priority: 77, src: 10.7.0.0/16, dst: 10.8.0.0/16, iif: lo, oif: eth4, fwmark: 3}
""")
SECTIONS = OPTIONS["host_network_config"]["options"]
PLACES = [(section, option) for section, about in SECTIONS.items() for option in about["options"]]
OF_VLANS = SECTIONS["bridges"]["options"]["vlans"]["options"]


@pytest.mark.parametrize("spelling", [transaction, files, interfaces])
@pytest.mark.parametrize("place", [*PLACES, *(("vlans of bridges", option) for option in OF_VLANS)])
def test_each_option_says_something_in_each_spelling(place, spelling):
    section, option = place
    config = copy.deepcopy(PLAIN)
    bridge = config["bridges"][0]
    if (section, option) in (("bridges", "name"), ("bridges", "vlan_filtering")):
        del bridge["vlans"]
    before = spelling(config)
    item = bridge["vlans"][0] if section == "vlans of bridges" else config[section][0]
    item[option] = [*item["ports"], "eth5"] if option == "ports" else OTHER[option]
    assert spelling(config) != before
