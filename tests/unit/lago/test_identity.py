# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, ids and addresses that follow from a prefix's uuid; where the parts of a prefix lie."""

from __future__ import annotations

import ipaddress
import random
import string
import uuid

from ansible_collections.fleet.hypervisor.plugins.module_utils.lago import identity
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.paths import Paths

ONE = "0f5c1a9e0d6b4f0bb9a2f3c0de5a1e77"
OTHER = "0f5c1a9e0d6b4f0bb9a2f3c0de5a1e78"  # the same first letters, as Lago's of one moment had


def test_all_stays_as_it_is_in_labs_that_exist():
    """Of a lab that was made by an earlier release, the same has to be found."""
    assert identity.object_uuid(ONE, "domain", "vm0") == str(uuid.uuid5(uuid.UUID(ONE), "domain/vm0"))
    assert identity.bridge_name(ONE, "mgmt") == "lgdcsyatrdvpu7n"
    assert identity.tap_name(ONE, "vm0", 0) == "ltu667xakjsjxfp"
    assert identity.mac(ONE, "vm0", 0) == "52:88:b3:c8:82:c0"
    assert identity.ula(ONE) == "fd64:61cd:2950::/48"
    assert identity.domain_name(ONE, "vm0") == "0f5c1a9e-vm0"


def test_a_uuid_is_the_same_however_it_is_written():
    written = str(uuid.UUID(ONE)).upper()
    for of in (identity.bridge_name, identity.network_name, identity.domain_name):
        assert of(written, "mgmt") == of(ONE, "mgmt")


def test_names_that_begin_alike_do_not_collide():
    names = ["storage-a", "storage-b", "storage", "s" * 99 + "a", "s" * 99 + "b"]
    bridges = {identity.bridge_name(prefix, name) for prefix in (ONE, OTHER) for name in names}
    assert len(bridges) == 2 * len(names)
    assert {len(name) for name in bridges} == {identity.IFNAMSIZ}


def test_ten_thousand_random_ones_do_not_collide():
    source = random.Random(7)
    names = {"".join(source.choices(string.ascii_lowercase, k=8)) for _unused in range(10000)}
    assert len({identity.bridge_name(ONE, name) for name in names}) == len(names)
    assert len({identity.tap_name(OTHER, name, 1) for name in names}) == len(names)
    assert not {identity.bridge_name(ONE, name) for name in names} & {identity.tap_name(ONE, name, 0) for name in names}


def test_mac_addresses_are_unicast_local_and_different():
    addresses = {
        identity.mac(prefix, f"vm{vm}", nic) for prefix in (ONE, OTHER) for vm in range(50) for nic in range(9)
    }
    assert len(addresses) == 2 * 50 * 9
    for one in addresses:
        first = bytes.fromhex(one.replace(":", ""))[0]
        assert first & 0b11 == 0b10


def test_a_vm_s_tenth_interface_is_not_another_vm_s():
    assert identity.mac(ONE, "vm1", 1) != identity.mac(ONE, "vm", 11)
    assert identity.tap_name(ONE, "vm1", 1) != identity.tap_name(ONE, "vm", 11)


def test_a_network_s_owner_is_proved_by_its_name_and_id():
    name, of = identity.network_name(ONE, "a-b"), identity.object_uuid(ONE, identity.NETWORK, "a-b")
    assert identity.network_owner(name, of) == (ONE, "a-b")
    assert identity.network_owner(name, str(uuid.uuid4())) is None
    assert identity.network_owner(identity.network_name(OTHER, "a-b"), of) is None
    assert identity.network_owner("default", of) is None


def test_a_prefix_has_an_ipv6_network_of_its_own():
    network = ipaddress.ip_network(identity.ula(ONE))
    assert network.subnet_of(ipaddress.ip_network("fd00::/8"))
    assert network.prefixlen == 48
    assert identity.ula(ONE) != identity.ula(OTHER)


def test_new_uuids_share_nothing():
    made = [identity.new_uuid() for _unused in range(100)]
    assert len({one[:8] for one in made}) == 100
    assert all(uuid.UUID(one).version == 4 for one in made)


def test_paths_are_lago_s():
    paths = Paths("/lab/default")
    assert paths.prefix() == "/lab/default"
    assert [paths.uuid(), paths.metadata(), paths.logs(), paths.ssh_id_rsa(), paths.ssh_id_rsa_pub()] == [
        f"/lab/default/{name}" for name in ("uuid", "metadata", "logs", "id_rsa", "id_rsa.pub")
    ]
    assert paths.virt("env") == "/lab/default/virt/env"
    assert paths.images() == "/lab/default/images"
    assert paths.disk("vm0", "root", "qcow2") == "/lab/default/images/vm0_root.qcow2"
    assert paths.console("vm0") == "/lab/default/logs/vm0.console"
