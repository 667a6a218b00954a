# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of a node that has guests, networks, pools and volumes, beside virsh; of drivers that cannot say much."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path
from xml.etree import ElementTree

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.connection import Connection
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.document import parse, to_dict, to_element
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.facts import read
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.facts.node import Options

from tests.libvirt.conftest import TEST_DRIVER
from tests.libvirt.test_seed import NODE

if t.TYPE_CHECKING:
    from tests.libvirt.conftest import World
    from tests.testbed.libvirt.daemon import Daemon


def facts(connection: Connection, *gather: str, **options: t.Any) -> dict[str, t.Any]:
    return read.gather(connection, read.chosen(gather or ("default",)), Options(**options))


def test_everything_of_a_real_node_is_json_and_small_by_default(world: World) -> None:
    small, large = facts(world.connection), facts(world.connection, "all")
    assert list(small) == ["uri", *read.DEFAULT]
    assert set(large) == {"uri", *read.SUBSETS}
    assert len(json.dumps(small)) < 8192 < len(json.dumps(large))
    refused = {name for name, one in large.items() if isinstance(one, dict) and one.get("supported") is False}
    assert refused == {"sysinfo"}  # no /dev/mem here


def test_pools_and_volumes(world: World, daemon: Daemon) -> None:
    found = facts(world.connection, "pools", "volumes")
    (pool,) = found["pools"]
    root = ElementTree.fromstring(daemon.virsh("pool-dumpxml", "images").stdout)
    assert pool["uuid"] == root.findtext("uuid") and pool["path"] == str(world.images)
    assert pool["capacity_bytes"] == int(root.findtext("capacity", ""))
    assert (pool["state"], pool["volumes"], pool["persistent"]) == ("running", 2, False)
    one, two = found["volumes"]["images"]
    assert one["name"] == "disk 1.qcow2" and one["path"] == str(world.images / "disk 1.qcow2")
    assert two == {
        "name": "disk2.qcow2",
        "type": "file",
        "path": str(world.images / "disk2.qcow2"),
        "format": "qcow2",
        "physical_bytes": two["physical_bytes"],
        "capacity_bytes": 16 << 20,
        "allocation_bytes": two["allocation_bytes"],
    }


def test_networks_and_leases(world: World) -> None:
    found = facts(world.connection, "networks", "leases")
    idle, lab = found["networks"]
    assert (idle["name"], idle["active"], idle["persistent"]) == ("idle", False, True)
    assert lab == {
        "name": "lab",
        "uuid": lab["uuid"],
        "active": True,
        "autostart": False,
        "persistent": False,
        "forward": "nat",
        "bridge": "virbr-lab",
        "mtu": 1400,
        "addresses": ["198.51.100.1/24"],
        "dhcp": True,
    }
    assert found["leases"] == {"lab": []}


def test_a_lease_that_dnsmasq_wrote_down(world: World, daemon: Daemon) -> None:
    status = daemon.folder / "lib" / "dnsmasq" / "virbr-lab.status"
    before = status.read_text() if status.exists() else None
    lease = {
        "ip-address": "198.51.100.12",
        "mac-address": "52:54:00:aa:bb:cc",
        "hostname": "web1",
        "expiry-time": 1 << 31,
    }
    status.write_text(json.dumps([lease]))
    try:
        (found,) = facts(world.connection, "leases")["leases"]["lab"]
    finally:
        status.unlink() if before is None else status.write_text(before)
    assert found == {
        "mac": "52:54:00:aa:bb:cc",
        "address": "198.51.100.12/24",
        "family": "ipv4",
        "hostname": "web1",
        "expires_s": 1 << 31,
    }


def test_sums_of_guests(world: World) -> None:
    found = facts(world.connection, "guests")["guests"]
    assert (found["defined"], found["active"], found["running"]) == (1, 1, 0)  # it is paused
    assert (found["vcpus"], found["memory_kib"]) == (1, 64 << 10)
    cpus = world.connection.ask("getInfo")[2]
    assert found["cpu_overcommit"] == round(1 / cpus, 3)


def test_domain_capabilities_are_asked_for_each_machine_and_accelerator(world: World) -> None:
    found = facts(world.connection, "domain_capabilities")["domain_capabilities"]
    listed = {(one["virttype"], (one["machine"] or "").split("-")[1]) for one in found if "supported" not in one}
    assert {("qemu", "i440fx"), ("qemu", "q35")} <= listed
    for one in found:
        if "supported" not in one:
            assert one["max_vcpus"] > 0 and "virtio" in one["devices"]["disk"]["bus"]
    chosen = facts(world.connection, "domain_capabilities", machines=("q35", "c64"), virttypes=("qemu",))
    good, bad = chosen["domain_capabilities"]
    assert good["machine"].startswith("pc-q35") and good["features"]["vmcoreinfo"] is True
    assert bad["supported"] is False and "c64" in bad["reason"]


def test_the_verdict_on_kvm_has_its_reasons(world: World) -> None:
    found = facts(world.connection, "acceleration")["acceleration"]
    assert found["emulation"] is True
    against = [one["what"] for one in found["evidence"] if one["verdict"] == "against"]
    flags = Path("/proc/cpuinfo").read_text()
    stock = any(f" {name} " in flags for name in ("vmx", "svm")) and any(
        Path("/sys/module", name).exists() for name in ("kvm_intel", "kvm_amd")
    )
    assert found["kvm"] is (stock and not against)
    assert found["recommended"] == ("kvm" if found["kvm"] else "qemu")
    if found["kvm_listed"] and not stock:
        assert any("neither vmx nor svm" in one for one in against)


def test_percent_is_sampled_for_as_long_as_was_said(world: World) -> None:
    found = facts(world.connection, "cpu", "cpus", percent=0.4)
    assert 0.4 <= found["cpu"]["percent_seconds"] < 1.5
    shares = found["cpu"]["percent"]
    assert sum(shares[kind] for kind in ("user", "kernel", "idle", "iowait")) == pytest.approx(100, abs=0.25)
    assert [one["id"] for one in found["cpus"]] == list(range(found["cpu"]["online"]))
    assert all(set(one["percent"]) == set(shares) for one in found["cpus"])


def test_documents_come_back_as_they_were(world: World, daemon: Daemon) -> None:
    for method, arguments in (
        ("getCapabilities", ()),
        ("getDomainCapabilities", (None, "x86_64", "q35", "qemu", 0)),
        ("getStoragePoolCapabilities", (0,)),
    ):
        root = parse(world.connection.ask(method, *arguments))
        assert _plain(to_element(to_dict(root))) == _plain(root)
    for device in world.connection.ask("listAllDevices", 0):
        root = parse(device.XMLDesc(0))
        assert _plain(to_element(to_dict(root))) == _plain(root)
    guest = parse(daemon.virsh("dumpxml", "guest1").stdout)
    assert _plain(to_element(to_dict(guest))) == _plain(guest)


def _plain(element: t.Any) -> t.Any:
    text = (element.text or "").strip()
    return element.tag, dict(element.attrib), text, [_plain(child) for child in element]


def test_what_a_connection_that_only_reads_may_not_ask(daemon: Daemon) -> None:
    with Connection(daemon.uri) as connection:
        found = facts(connection, "default", "domain_capabilities")
    assert found["domain_capabilities"][0]["supported"] is False
    assert "read only access" in found["firmware"]["reason"]
    assert found["acceleration"]["recommended"] in ("kvm", "qemu")
    assert {"node", "cpu", "memory", "ksm", "pools"} <= {
        name for name, one in found.items() if not (isinstance(one, dict) and one.get("supported") is False)
    }


def test_the_test_driver_says_what_it_can() -> None:
    with Connection(TEST_DRIVER) as connection:
        found = facts(connection, "all")
    assert found["cpu"]["online_cpus"] == "0,2,4" and found["cpu"]["present"] == 8
    assert [cell["cpus"] for cell in found["node"]["cells"]] == ["0-7", "8-15"]
    assert [cell["free_kib"] for cell in found["memory"]["cells"]] == [2048, 4096]
    for name in ("ksm", "nwfilters", "secrets"):
        assert found[name]["supported"] is False and found[name]["reason"]
    assert found["domain_capabilities"][0]["supported"] is False and found["firmware"]["by_machine"] == []
    assert found["acceleration"]["recommended"] is None
    assert [one["name"] for one in found["scsi_hosts"]] == ["scsi_host1", "scsi_host11", "scsi_host2"]
    assert found["scsi_hosts"][0]["wwnn"] == "2000000012341234"
    assert found["leases"]["default"]["supported"] is False


def test_a_node_of_four_cells_and_twelve_cores() -> None:
    with Connection(f"test://{NODE}") as connection:
        found = facts(connection, "node", "pools", "volumes", "networks", "guests")
    assert found["node"]["topology"] == {
        "numa_cells": 4,
        "sockets": 1,
        "cores_per_socket": 12,
        "threads_per_core": 2,
    }
    assert (found["node"]["cpus"], found["node"]["memory_kib"]) == (96, 536870912)
    assert found["volumes"]["images"][0]["name"] == "web 1.qcow2"
    assert found["networks"][0]["addresses"] == ["192.0.2.1/24"]
    assert found["guests"] == {
        "defined": 2,
        "running": 1,
        "active": 1,
        "vcpus": 4,
        "memory_kib": 4194304,
        "cpu_overcommit": 0.042,
        "memory_overcommit": 0.008,
    }
