# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's documents of networks and VMs."""

from __future__ import annotations

import ipaddress
import string
from xml.etree import ElementTree

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago import identity
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.addressing import Subnets, allocate
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.dns import names_of
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.documents import domain as domains
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.documents import network as networks
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.documents.domain import DiskFile, Machine, bus
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.errors import AddressError, InitFileError
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.initfile.reading import read

PREFIX = "0f5c1a9e0d6b4f0bb9a2f3c0de5a1e77"
SPEC = {
    "domains": {
        "vm0": {"memory": 256, "vcpu": 1, "nics": [{"net": "mgmt"}, {"net": "data"}]},
        "vm1": {"nics": [{"net": "raw"}, {"net": "mgmt"}], "kernel": "/k", "initrd": "/i", "cmdline": "a=1 <&> b"},
    },
    "nets": {
        "mgmt": {
            "management": True,
            "dns_domain_name": "lab.local",
            "dhcp": {"start": 100, "end": 254},
            "dns_records": {"www.example.com": "10.0.0.1", "alias": "192.168.203.2"},
        },
        "data": {"mtu": 9000},
        "raw": {"type": "bridge"},
    },
}
LAB = read(SPEC, {})
NET = ipaddress.ip_network
ADDRESSES = allocate(
    LAB,
    {"mgmt": Subnets(NET("192.168.203.0/24"), NET("fd00::/64")), "data": Subnets(NET("192.168.204.0/24"))},
)
KVM = Machine("kvm", "x86_64", "q35")
TCG = Machine("qemu", "x86_64", "pc", "/usr/bin/qemu-system-x86_64")
DISKS = (
    DiskFile("root", "vda", False, (("/p/a.qcow2", "qcow2"), ("/p/below", "qcow2"), ("/store/c", "raw"))),
    DiskFile("a-name-that-is-longer-than-20", "sda", False, (("/p/d", "raw"),)),
    DiskFile("seed", "hdc", True, (("/p/s.iso", "raw"),)),
)


def network(name):
    return ElementTree.fromstring(networks.build(PREFIX, LAB.nets[name], ADDRESSES[name], names_of(ADDRESSES)))


def domain(name, machine=KVM, lab=LAB):
    text = domains.build(PREFIX, lab.domains[name], machine, lab.nets, DISKS, "/p/logs/console")
    return ElementTree.fromstring(text)


def attributes(found):
    return [dict(one.attrib) for one in found]


def test_a_network_says_whose_it_is():
    root = network("mgmt")
    assert identity.network_owner(root.findtext("name"), root.findtext("uuid")) == (PREFIX, "mgmt")
    assert root.find("bridge").attrib == {"name": identity.bridge_name(PREFIX, "mgmt"), "stp": "off", "delay": "0"}


def test_a_management_network_gives_addresses_and_knows_all_names():
    root = network("mgmt")
    assert root.find("forward").attrib == {"mode": "nat"} and root.find("domain").get("name") == "lab.local"
    four, six = root.findall("ip")
    assert four.attrib == {"family": "ipv4", "address": "192.168.203.1", "prefix": "24"}
    assert four.find("dhcp/range").attrib == {"start": "192.168.203.100", "end": "192.168.203.254"}
    assert attributes(four.findall("dhcp/host")) == [
        {"mac": identity.mac(PREFIX, "vm0", 0), "name": "vm0", "ip": "192.168.203.2"},
        {"mac": identity.mac(PREFIX, "vm1", 1), "name": "vm1", "ip": "192.168.203.3"},
    ]
    assert six.find("dhcp/range").attrib == {"start": "fd00::64", "end": "fd00::fe"}
    assert attributes(six.findall("dhcp/host")) == [{"name": "vm0", "ip": "fd00::2"}, {"name": "vm1", "ip": "fd00::3"}]
    names = {one.get("ip"): [name.text for name in one] for one in root.findall("dns/host")}
    assert names["192.168.203.2"] == ["vm0", "vm0-eth0", "vm0-mgmt", "vm0-mgmt-0", "alias"]
    assert names["192.168.204.2"] == ["vm0-eth1", "vm0-data", "vm0-data-0"], "of the other networks too"
    assert names["10.0.0.1"] == ["www.example.com"]


def test_the_other_networks_have_no_dns_and_what_they_do_not_say_they_do_not_have():
    root = network("data")
    assert root.find("dns").attrib == {"enable": "no"} and root.find("mtu").attrib == {"size": "9000"}
    assert root.find("ip/dhcp") is None and root.find("ip").get("address") == "192.168.204.1"
    assert [one.tag for one in network("raw")] == ["name", "uuid", "bridge"]


def test_a_network_on_a_bridge_of_the_host_s_leaves_that_as_it_is():
    """Its addresses are known to the lab, and none is given to the bridge."""
    on_bridge = {"type": "bridge", "bridge": "br-lab", "management": True, "subnet": "10.9.0.0/24", "gw": "10.9.0.7"}
    lab = read({"domains": {"vm": {"nics": [{"net": "mgmt"}]}}, "nets": {"mgmt": on_bridge}}, {})
    addresses = allocate(lab, {})
    assert addresses["mgmt"].mapping["vm"] == "10.9.0.1"
    root = ElementTree.fromstring(networks.build(PREFIX, lab.nets["mgmt"], addresses["mgmt"], names_of(addresses)))
    assert [one.tag for one in root] == ["name", "uuid", "forward", "bridge"]
    assert root.find("forward").attrib == {"mode": "bridge"} and root.find("bridge").attrib == {"name": "br-lab"}


def test_a_pool_that_does_not_fit_into_the_leased_subnet():
    small = allocate(LAB, {"mgmt": Subnets(NET("10.0.0.0/25"))})["mgmt"]
    with pytest.raises(AddressError, match=r"^nets\.mgmt\.dhcp\.end: 10\.0\.0\.0/25 has no host 254$"):
        networks.build(PREFIX, LAB.nets["mgmt"], small, {})


def test_a_domain_says_whose_it_is():
    root = domain("vm0")
    assert (root.get("type"), root.findtext("name")) == ("kvm", "0f5c1a9e-vm0")
    assert root.findtext("uuid") == identity.object_uuid(PREFIX, "domain", "vm0")
    assert root.find("metadata")[0].tag == "{urn:fleet.hypervisor:lago}vm"
    assert root.find("metadata")[0].attrib == {"prefix": PREFIX, "name": "vm0"}
    assert (root.findtext("memory"), root.find("memory").get("unit"), root.findtext("vcpu")) == ("256", "MiB", "1")


def test_interfaces_are_on_the_networks_with_names_of_their_own():
    found = domain("vm0").findall("devices/interface")
    assert [one.find("source").get("network") for one in found] == [
        identity.network_name(PREFIX, "mgmt"),
        identity.network_name(PREFIX, "data"),
    ]
    assert [one.find("mac").get("address") for one in found] == [identity.mac(PREFIX, "vm0", n) for n in (0, 1)]
    assert [one.find("target").get("dev") for one in found] == [identity.tap_name(PREFIX, "vm0", n) for n in (0, 1)]
    assert [one.find("mtu") is not None for one in found] == [False, True]


def test_every_format_of_a_chain_is_said():
    disk, raw, cd = domain("vm0").findall("devices/disk")
    formats = [disk.find("driver").get("type")]
    at = disk.find("backingStore")
    while len(at):
        formats.append(at.find("format").get("type"))
        at = at.find("backingStore")
    assert formats == ["qcow2", "qcow2", "raw"]
    assert raw.find("backingStore") is None and raw.findtext("serial") == "a-name-that-is-longe"
    assert (cd.get("device"), cd.find("readonly") is not None) == ("cdrom", True)
    assert [one.find("target").get("bus") for one in (disk, raw, cd)] == ["virtio", "scsi", "sata"]
    assert domain("vm0").find("devices/controller").attrib == {"type": "scsi", "index": "0", "model": "virtio-scsi"}


def test_scsi_disks_are_all_on_one_controller_of_ours():
    """What libvirt adds for those without a place on the first is of a model that clouds' kernels do not know."""
    names = [f"sd{letter}" for letter in string.ascii_lowercase]
    found = [domains.disk_element(DiskFile("one", dev, False, (("/one", "raw"),)), TCG) for dev in names]
    addresses = [one.find("address") for one in found]
    assert {one.get("controller") for one in addresses} == {"0"}
    assert len({one.get("target") for one in addresses}) == len(names)


@pytest.mark.parametrize(
    ("machine", "expected"), [("pc", "ide"), ("pc-i440fx-7.2", "ide"), ("pc-q35-7.2", "sata"), ("virt", "sata")]
)
def test_what_was_ide_is_sata_today(machine, expected):
    assert bus("hda", Machine("kvm", "x86_64", machine)) == expected


def test_a_guest_without_a_boot_loader():
    found = domain("vm1").find("os")
    assert [one.tag for one in found] == ["type", "kernel", "initrd", "cmdline"]
    assert found.findtext("cmdline") == "a=1 <&> b"
    assert [one.tag for one in domain("vm0").find("os")] == ["type", "boot"]


def test_without_kvm_the_emulator_chooses_the_cpu():
    assert domain("vm0").find("cpu").get("mode") == "host-passthrough"
    root = domain("vm0", TCG)
    assert root.find("cpu") is None and root.findtext("devices/emulator") == "/usr/bin/qemu-system-x86_64"
    assert domain("vm0", Machine("qemu", "aarch64", "virt")).find("features") is None


def with_cpu(**cpu):
    spec = {"domains": {"vm0": {**SPEC["domains"]["vm0"], **cpu}}, "nets": SPEC["nets"]}
    return domain("vm0", lab=read(spec, {})).find("cpu")


def test_cpus_as_the_file_says_them():
    model = with_cpu(cpu_model="Westmere")
    assert model.attrib == {"mode": "custom", "match": "exact"} and model.findtext("model") == "Westmere"
    custom = with_cpu(cpu_custom={"@mode": "custom", "model": {"#text": "Westmere"}, "feature": [{"@name": "vmx"}]})
    assert custom.get("mode") == "custom" and custom.find("feature").get("name") == "vmx"
    with pytest.raises(InitFileError, match=r"^domains\.vm0\.cpu_custom: is no element of libvirt"):
        with_cpu(cpu_custom={"model": None})


def test_consoles_are_kept():
    root = domain("vm0")
    assert root.find("devices/serial/log").attrib == {"file": "/p/logs/console", "append": "on"}
    assert root.find("devices/channel/target").get("name") == "org.qemu.guest_agent.0"
    assert root.find("devices/graphics").get("listen") == "127.0.0.1"


def test_the_same_lab_has_the_same_documents():
    again = read(SPEC, {})
    for name, machine in (("vm0", KVM), ("vm1", TCG)):
        one, other = (domains.build(PREFIX, lab.domains[name], machine, lab.nets, DISKS, "/c") for lab in (LAB, again))
        assert one == other
