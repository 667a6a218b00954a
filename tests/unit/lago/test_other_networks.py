# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lease keeps clear of besides the host's links: libvirt's other networks, those too that do not run."""

from __future__ import annotations

from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.errors import Gone
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago import identity
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.leasing import of_networks

LAB, OTHER = "0f5c1a9e0d6b4f0bb9a2f3c0de5a1e77", "0f5c1a9e0d6b4f0bb9a2f3c0de5a1e78"
FOREIGN = "11111111-2222-4333-8444-555555555555"


class Connection:
    """Networks as name, UUID and document."""

    def __init__(self, *networks):
        self.networks = networks

    def ask(self, _method, _flags):
        return self.networks

    def ask_of(self, network, method, *_flags):
        found = network[("name", "UUIDString", "XMLDesc").index(method)]
        if isinstance(found, Exception):
            raise found
        return found


def of_lab(uuid, *addresses):
    name = identity.network_name(uuid, "mgmt")
    return name, identity.object_uuid(uuid, identity.NETWORK, "mgmt"), document(*addresses)


def document(*addresses):
    return f"<network>{''.join(f'<ip {one}/>' for one in addresses)}</network>"


def seen(*networks):
    return [(str(one.network), one.why) for one in of_networks(Connection(*networks), LAB)]


def test_all_ways_to_say_a_subnet():
    texts = (
        "address='192.168.122.1' netmask='255.255.254.0'",
        "address='10.9.8.1' prefix='20'",
        "address='10.1.1.1'",
        "family='ipv6' address='fd00:1::1' prefix='48'",
        "family='ipv6' address='fd00:2::1'",
    )
    found = [subnet for subnet, _why in seen(("default", FOREIGN, document(*texts)))]
    assert found == ["192.168.122.0/23", "10.9.0.0/20", "10.1.1.0/24", "fd00:1::/48", "fd00:2::/64"]


def test_the_labs_own_are_not_in_its_way_and_those_of_others_are():
    mine, others = (of_lab(uuid, f"address='192.168.{n}.1' prefix='24'") for uuid, n in ((LAB, 200), (OTHER, 201)))
    forged = (mine[0], FOREIGN, document("address='192.168.202.1' prefix='24'"))
    found = seen(mine, others, forged)
    assert [subnet for subnet, _why in found] == ["192.168.201.0/24", "192.168.202.0/24"]
    assert found[0][1] == f"is of libvirt's network {others[0]}"


def test_a_network_without_addresses_and_one_that_goes_meanwhile():
    assert seen(("wire", FOREIGN, document()), ("gone", FOREIGN, Gone("it is gone"))) == []
