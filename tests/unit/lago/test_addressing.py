# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of a lab: Lago's rules, in subnets of any length, and kept when the lab changes."""

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.addressing import (
    Subnets,
    _create_ip,
    _ip_in_subnet,
    allocate,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.errors import AddressError
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.initfile.reading import read

V4 = Subnets(ipaddress.ip_network("192.168.203.0/24"))
BOTH = Subnets(V4.v4, ipaddress.ip_network("fd12:3456:789a:1::/64"))


def lab(nets=None, **nics):
    domains = {
        name: {"nics": [one if isinstance(one, dict) else {"net": one} for one in some]} for name, some in nics.items()
    }
    return read({"domains": domains, "nets": nets or {"mgmt": {"management": True}, "data": {}}}, {})


def test_gateway_and_the_lowest_numbers():
    found = allocate(lab(vm0=["mgmt", "data"], vm1=["mgmt"]), {"mgmt": BOTH, "data": V4})
    mgmt = found["mgmt"]
    assert (str(mgmt.gw), str(mgmt.gw6)) == ("192.168.203.1", "fd12:3456:789a:1::1")
    assert [(p.domain, p.nic, str(p.v4), str(p.v6)) for p in mgmt.places] == [
        ("vm0", 0, "192.168.203.2", "fd12:3456:789a:1::2"),
        ("vm1", 0, "192.168.203.3", "fd12:3456:789a:1::3"),
    ]
    assert [(p.nic, str(p.v4), p.v6) for p in found["data"].places] == [(1, "192.168.203.2", None)]


def test_names_are_those_of_lago():
    found = allocate(lab(vm0=["data", "mgmt", "data"]), {"mgmt": V4, "data": V4})
    assert found["mgmt"].mapping == dict.fromkeys(("vm0", "vm0-eth1", "vm0-mgmt", "vm0-mgmt-0"), "192.168.203.2")
    assert found["data"].mapping == {
        "vm0-eth0": "192.168.203.2",
        "vm0-data": "192.168.203.2",
        "vm0-data-0": "192.168.203.2",
        "vm0-eth2": "192.168.203.3",
        "vm0-data-1": "192.168.203.3",
    }


def test_a_wanted_address_counts_with_its_number_in_another_subnet():
    made = lab(vm0=[{"net": "mgmt", "ip": "192.168.200.5"}], vm1=["mgmt"], vm2=["mgmt"])
    places = allocate(made, {"mgmt": V4})["mgmt"].places
    assert [str(p.v4) for p in places] == ["192.168.203.5", "192.168.203.2", "192.168.203.3"]


def test_addresses_stay_when_the_lab_changes():
    nets = {"mgmt": {"management": True, "mapping": {"old": "192.168.203.7", "old-eth0": "192.168.203.7"}}}
    places = allocate(lab(nets, a=["mgmt"], old=["mgmt"]), {"mgmt": V4})["mgmt"].places
    assert {p.domain: str(p.v4) for p in places} == {"a": "192.168.203.2", "old": "192.168.203.7"}


def test_names_that_are_no_vm_s_keep_their_addresses():
    nets = {"mgmt": {"management": True, "mapping": {"printer": "192.168.203.2"}}}
    (place,) = allocate(lab(nets, a=["mgmt"]), {"mgmt": V4})["mgmt"].places
    assert str(place.v4) == "192.168.203.3"


def test_a_network_without_a_subnet_has_no_addresses():
    nets = {"mgmt": {"management": True}, "raw": {"type": "bridge"}}
    found = allocate(lab(nets, a=["mgmt", "raw"]), {"mgmt": V4})
    assert found["raw"].places == () and found["raw"].mapping == {}


def test_a_subnet_that_the_file_says_counts_without_a_lease():
    nets = {"mgmt": {"management": True, "gw": "10.9.8.254"}}
    found = allocate(lab(nets, a=["mgmt"]), {})["mgmt"]
    assert (str(found.gw), str(found.places[0].v4)) == ("10.9.8.254", "10.9.8.1")


def test_a_small_subnet_is_used_to_its_end_and_no_further():
    small = Subnets(ipaddress.ip_network("10.0.0.8/29"), BOTH.v6)
    vms = {f"vm{number}": ["mgmt"] for number in range(5)}
    places = allocate(lab(**vms), {"mgmt": small})["mgmt"].places
    assert [str(p.v4) for p in places] == [f"10.0.0.{last}" for last in range(10, 15)]
    with pytest.raises(AddressError, match=r"^nets\.mgmt: 10\.0\.0\.8/29 has no address left for vm5$"):
        allocate(lab(**vms, vm5=["mgmt"]), {"mgmt": small})


@pytest.mark.parametrize(
    ("nics", "message"),
    [
        ({"a": "192.168.1.1"}, r"domains\.a\.nics\[0\]: 192\.168\.1\.1 has the place of the gateway of mgmt in"),
        (
            {"a": "10.0.0.4", "b": "10.0.1.4"},
            r"b\.nics\[0\]: 10\.0\.1\.4 has the place of domains\.a\.nics\[0\]",
        ),
        ({"a": "10.0.0.255"}, r"10\.0\.0\.255 is no host's number in 192\.168\.203\.0/24"),
        ({"a": "fd00::9"}, r"fd00::9 is of IPv6, which the network does not have"),
    ],
)
def test_addresses_that_cannot_be(nics, message):
    with pytest.raises(AddressError, match=message):
        allocate(lab(**{name: [{"net": "mgmt", "ip": ip}] for name, ip in nics.items()}), {"mgmt": V4})


def test_lago_s_own_functions():
    assert _create_ip("192.168.200.0", 17) == "192.168.200.17"
    assert _create_ip("10.1.0.0/16", 300) == "10.1.1.44"
    assert _ip_in_subnet("192.168.200.0", "192.168.200.9")
    assert not _ip_in_subnet("192.168.200.0", "192.168.201.9")
