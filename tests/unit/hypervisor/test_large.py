# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of a host of 1 TiB, eight cells and 256 CPUs with SR-IOV, mediated devices and SEV: figure by figure."""

from __future__ import annotations

import json
import random
from xml.etree import ElementTree

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.document import parse, to_dict, to_element
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.errors import Denied, KvmError
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.facts import (
    acceleration,
    cpu,
    devices,
    documents,
    domcaps,
    host,
    memory,
    read,
    security,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.facts.node import Node, Options

from tests.unit.hypervisor import large


@pytest.fixture
def node():
    return Node(large.Large())


@pytest.fixture
def rooted(tmp_path, monkeypatch):
    """A node that is this host, with /proc and /sys made up."""
    monkeypatch.setattr("socket.gethostname", lambda: "hv1.example")

    def make(files, **more):
        for name, text in files.items():
            path = tmp_path / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return Node(large.Large(**more), Options(root=str(tmp_path)))

    return make


def test_the_node(node):
    found = host.node(node)
    assert found["memory_kib"] == 1 << 30 and found["cpus"] == 256
    assert found["cpu"] == {
        "model": "EPYC-Milan",
        "mhz": 2445,
        "vendor": "AMD",
        "microcode": 167776725,
        "signature": {"family": 25, "model": 1, "stepping": 1},
        "tsc_hz": 2445406000,
        "physical_address_bits": 48,
        "features": ["aes", "invtsc", "svm"],
        "page_sizes_kib": [4, 2048, 1048576],
    }
    assert found["topology"] == {"numa_cells": 8, "sockets": 1, "cores_per_socket": 16, "threads_per_core": 2}
    assert len(found["cells"]) == 8
    assert found["cells"][1] == {
        "id": 1,
        "memory_kib": 128 << 20,
        "cpus": "16-31,144-159",
        "cpu_count": 32,
        "pages": [
            {"size_kib": 4, "total": (128 << 20) // 4 - 8192 * 512 - 16 * 262144},
            {"size_kib": 2048, "total": 8192},
            {"size_kib": 1048576, "total": 16},
        ],
        "distances": {"0": 12, "1": 10, "2": 12, "3": 12, "4": 32, "5": 32, "6": 32, "7": 32},
    }
    assert [one["size_kib"] for one in found["caches"]] == [32768, 32768]  # once in MiB, once in KiB
    assert found["caches"][0]["allocation"] == [{"granularity": 2, "unit": "MiB", "type": "both", "maxAllocs": 16}]
    assert found["power_management"] == ["suspend_mem"]
    assert host.migration(node) == {"live": True, "uri_transports": ["tcp"]}
    assert host.guest_types(node)[0]["machine_aliases"] == {"pc": "pc-i440fx-rhel7.6.0", "q35": "pc-q35-rhel9.4.0"}


def test_the_facts_of_a_large_host_are_small(node):
    small = [host.node(node), memory.memory(node), cpu.cpu(node), devices.devices(node)]
    assert len(json.dumps(small)) < 8192
    assert len(json.dumps(documents.documents(Node(large.Large(listAllNetworks=[], listAllStoragePools=[]))))) > 30000


def test_cpus_that_are_offline(node):
    found = cpu.cpu(node)
    assert (found["present"], found["online"]) == (256, 248)
    assert found["online_cpus"].startswith("0-30,32-62,")
    each = cpu.cpus(node)
    assert len(each) == 248 and 31 not in [one["id"] for one in each]
    assert each[130] == {
        "id": 134,
        "cell": 0,
        "socket": 0,
        "die": 0,
        "cluster": 0,
        "core": 6,
        "siblings": "6,134",
        "kernel_ns": 1134,
        "user_ns": 2000,
        "idle_ns": 7000,
        "iowait_ns": 0,
    }


def test_memory_by_cell(node):
    found = memory.memory(node)
    assert found["total_kib"] == 1 << 30 and found["free_kib"] == 400 << 20
    assert [one["free_kib"] >> 20 for one in found["cells"]] == list(range(50, 58))
    assert found["cells"][3]["pages"][1] == {"size_kib": 2048, "total": 8192, "free": 2051}


def test_domain_capabilities_differ_by_machine_and_accelerator(node):
    found = {(one["machine"][:6], one["virttype"]): one for one in domcaps.domain_capabilities(node)}
    assert set(found) == {("pc-i44", "kvm"), ("pc-q35", "kvm"), ("pc-i44", "qemu"), ("pc-q35", "qemu")}
    kvm = found["pc-q35", "kvm"]
    assert kvm["cpu"] == {
        "modes": ["host-passthrough", "host-model", "custom"],
        "host_model": "EPYC-Milan",
        "usable_models": ["EPYC", "EPYC-Milan", "kvm64", "qemu64"],
        "unusable_models": 1,
    }
    assert kvm["devices"] == {"disk": {"bus": ["virtio", "scsi"]}}  # no TPM: it is not supported
    assert kvm["firmware"]["secure_boot"] is True and found["pc-i44", "kvm"]["firmware"]["secure_boot"] is False
    assert kvm["features"] == {"vmcoreinfo": True, "sev": True, "sgx": False}
    assert found["pc-q35", "qemu"]["features"]["sev"] is False


def test_security(node):
    found = security.security(node)
    assert found["models"] == [{"model": "selinux", "doi": "0"}, {"model": "dac", "doi": "0"}]
    assert found["iommu"] is True
    assert found["sev"] == {
        "supported": True,
        "cbitpos": 51,
        "reducedPhysBits": 1,
        "maxGuests": 410,
        "maxESGuests": 99,
        "platform": {"cbitpos": 51, "reduced_phys_bits": 1, "max_guests": 410},
    }
    assert found["sev_snp"] == {"supported": True} and found["sgx"] == {"supported": False}
    assert "tdx" not in found  # this libvirt does not know it
    assert "AAAA" not in json.dumps(found)


def test_devices(node):
    found = devices.devices(node)
    assert found["count"] == 22
    assert found["by_capability"] == {"mdev": 1, "net": 1, "pci": 19, "storage": 1}
    assert found["pci_classes"] == {"display": 1, "network": 18}
    assert found["iommu_groups"]["30"] == ["0000:41:00.0"] and found["iommu_groups"]["115"] == ["0000:41:02.7"]
    first, second = found["sriov"]
    assert (first["address"], first["driver"], first["numa_node"], first["max_vfs"]) == (
        "0000:41:00.0",
        "mlx5_core",
        3,
        16,
    )
    assert first["vfs"][9] == "0000:41:02.1" and second["vfs"] == []
    assert found["mdev_types"][1] == {
        "address": "0000:a1:00.0",
        "id": "nvidia-701",
        "name": "GRID A100D-8C",
        "api": "vfio-pci",
        "available": 10,
    }
    assert found["storage"][0]["size_bytes"] == 3840755982336 and found["storage"][0]["serial"] == "0012"
    assert found["net"][0]["speed_mbit"] == 100000
    assert devices.mediated(node) == [
        {
            "name": "mdev_c60cc60c_c60c_c60c_c60c_c60cc60cc60c_0000_a1_00_0",
            "parent": "pci_0000_a1_00_0",
            "uuid": "c60cc60c-c60c-c60c-c60c-c60cc60cc60c",
            "type": "nvidia-700",
            "iommu_group": 45,
        }
    ]
    virtual = [one for one in devices.pci(node) if "physical_function" in one]
    assert len(virtual) == 16 and {one["physical_function"] for one in virtual} == {"0000:41:00.0"}


def test_a_document_is_read_once(node):
    for ask in (host.node, host.migration, security.security, domcaps.domain_capabilities, acceleration.acceleration):
        ask(node)
    assert node.connection.asked.count("getCapabilities") == 1
    assert node.connection.asked.count("getDomainCapabilities") == 4


@pytest.mark.parametrize("text", [large.CAPABILITIES, *large.DEVICES, large.domain_capabilities("q35", "kvm")])
def test_every_document_comes_back_without_loss(text):
    def plain(element):
        return element.tag, dict(element.attrib), (element.text or "").strip(), [plain(child) for child in element]

    root = parse(text)
    assert plain(to_element(json.loads(json.dumps(to_dict(root))))) == plain(root)


def test_lists_follow_the_place_and_not_the_count():
    found = to_dict(parse(large.CAPABILITIES))["capabilities"]
    assert isinstance(found["host"]["cpu"], dict)
    cells = found["host"]["topology"]["cells"]
    assert cells["@num"] == 8 and cells["cell"][0]["cpus"]["cpu"][1]["@siblings"] == "1,129"
    assert cells["cell"][0]["memory"] == {"@unit": "KiB", "#text": 128 << 20}
    assert isinstance(found["guest"], list) and len(found["guest"]) == 1
    assert found["host"]["migration_features"]["uri_transports"]["uri_transport"] == ["tcp"]


# The verdict on KVM

STOCK = {
    "/dev/kvm": "",
    "/proc/cpuinfo": "processor : 0\nflags\t\t: fpu svm aes\n",
    "/sys/module/kvm_amd/parameters/nested": "1\n",
}


def verdicts(found):
    return {one["what"]: one["verdict"] for one in found["evidence"]}


def test_kvm_on_bare_metal(rooted):
    found = acceleration.acceleration(rooted(STOCK))
    assert (found["kvm"], found["recommended"], found["nested"]) == (True, "kvm", True)
    assert verdicts(found) == {
        "the hypervisor lists kvm": "neutral",
        "there is /dev/kvm": "neutral",
        "the CPU has svm, and the kernel drives it with kvm_amd": "for",
        "4 of 5 CPU models are usable under kvm, kvm64 among them": "for",
    }


def test_a_paravirtual_kvm_is_seen_through(rooted):
    """Listed, with a device, and yet no stock guest runs."""
    few = large.domain_capabilities("q35", "kvm").replace("usable='yes'", "usable='no'")
    files = {**STOCK, "/proc/cpuinfo": "flags : fpu aes hypervisor\n"}
    del files["/sys/module/kvm_amd/parameters/nested"]
    found = acceleration.acceleration(rooted(files, getDomainCapabilities=few))
    assert (found["kvm"], found["kvm_listed"], found["recommended"]) == (False, True, "qemu")
    assert [one["what"] for one in found["evidence"] if one["verdict"] == "against"] == [
        "the CPU shows neither vmx nor svm, and neither kvm_intel nor kvm_amd is there",
        "no CPU model that x86-64 needs is usable under kvm, of 5 only: none",
    ]


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("/dev/kvm", "there is no /dev/kvm"),
        ("/sys/module/kvm_amd/parameters/nested", "the CPU has svm, but neither kvm_intel nor kvm_amd is there"),
    ],
)
def test_what_is_missing_speaks_against(rooted, missing, said):
    found = acceleration.acceleration(rooted({name: text for name, text in STOCK.items() if name != missing}))
    assert found["kvm"] is False and verdicts(found)[said] == "against"


def test_a_connection_that_only_reads_decides_by_the_processor(rooted):
    refused = Denied("read only access prevents virConnectGetDomainCapabilities", 29)
    found = acceleration.acceleration(rooted(STOCK, getDomainCapabilities=refused))
    assert found["kvm"] is True
    away = acceleration.acceleration(Node(large.Large(getDomainCapabilities=refused, getHostname="elsewhere")))
    assert away["kvm"] is None and away["recommended"] == "qemu"


# Firmware


def test_firmware_descriptors_of_the_host(rooted):
    ovmf = {
        "description": "OVMF with Secure Boot",
        "interface-types": ["uefi"],
        "mapping": {"device": "flash", "executable": {"filename": "/usr/share/OVMF/OVMF_CODE.fd", "format": "raw"}},
        "targets": [{"architecture": "x86_64", "machines": ["pc-q35-*"]}],
        "features": ["secure-boot", "enrolled-keys"],
    }
    folder = "/usr/share/qemu/firmware"
    files = {
        f"{folder}/40-ovmf.json": json.dumps(ovmf),
        f"{folder}/50-broken.json": "[]",
        f"{folder}/60-hidden.json": json.dumps(ovmf),
        "/etc/qemu/firmware/60-hidden.json": "",
    }
    refused = Denied("read only access", 29)
    found = security.firmware(rooted(files, getDomainCapabilities=refused))
    assert found["efi"] is True and found["secure_boot"] is True and found["reason"] == "read only access"
    good, broken = found["descriptors"]
    assert good["image"] == "/usr/share/OVMF/OVMF_CODE.fd" and good["machines"] == ["pc-q35-*"]
    assert broken["file"] == f"{folder}/50-broken.json" and "not a firmware descriptor" in broken["error"]


def test_firmware_as_libvirt_has_it(node):
    found = security.firmware(node)
    assert (found["efi"], found["secure_boot"], found["descriptors"]) == (True, True, [])
    assert [one["secure_boot"] for one in found["by_machine"]] == [False, True, False, True]


# Documents that are not as they should be


def _spoiled(text, chance):
    """The document with some elements, attributes and texts missing or senseless."""
    root = parse(text)
    for element in list(root.iter()):
        for child in list(element):
            if chance.random() < 0.05:
                element.remove(child)
        for name in list(element.attrib):
            if chance.random() < 0.05:
                element.attrib[name] = chance.choice(["", "-", "x" * 9, "99999999999999999999", "0x", "é"])
            elif chance.random() < 0.05:
                del element.attrib[name]
        if chance.random() < 0.05:
            element.text = chance.choice(["", "no", "-1", "9" * 30, None])
    return ElementTree.tostring(root, encoding="unicode")


@pytest.mark.parametrize("seed", range(60))
def test_senseless_documents_fail_no_more_than_their_subset(seed):
    chance = random.Random(seed)
    host_like = large.Large(
        getCapabilities=_spoiled(large.CAPABILITIES, chance),
        getDomainCapabilities=_spoiled(large.domain_capabilities("q35", "kvm"), chance),
        listAllDevices=[large.Device(_spoiled(text, chance)) for text in large.DEVICES],
    )
    wanted = [name for name in read.SUBSETS if name not in ("versions", "pools", "volumes")]
    found = read.gather(host_like, wanted)
    assert set(found) == {"uri", *wanted}
    json.dumps(found)


def test_a_document_that_is_none_is_a_reason():
    found = read.gather(large.Large(getCapabilities="<capabilities>"), ["node", "cpu"])
    assert found["node"]["supported"] is False and "not well-formed" in found["node"]["reason"]
    assert found["cpu"]["present"] == 256


@pytest.mark.parametrize(
    ("everything", "cells", "kib"),
    [
        (8349908, [8349908], 8349908),
        (24684092, [8349908], 8349908),  # memory plugged in that no cell counts, as in virtual machines that grow
        (16699816, [4174954, 4174954], 8349908),
        (24684092, [1024, 1024], 8154 << 10),
        (None, [], 8154 << 10),
    ],
)
def test_memory_is_told_to_the_kib_where_anything_libvirt_says_fits(everything, cells, kib):
    class Source:
        def ask(self, method, cell):
            assert method == "getMemoryStats"
            if everything is None:
                raise KvmError("not told")
            return {"total": everything if cell == memory.ALL else cells[cell]}

    assert host.memory_kib(Source(), 8154, len(cells)) == kib
