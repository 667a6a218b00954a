# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules as Ansible runs them: guests with statistics, settings of the node, answers in place of facts."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.connection import Connection

from tests.libvirt.conftest import TEST_DRIVER
from tests.libvirt.test_seed import NODE

if t.TYPE_CHECKING:
    from tests.libvirt.conftest import Task, World
    from tests.testbed.libvirt.daemon import Daemon

Tasks = t.Callable[..., "Task"]
SCAN = Path("/sys/kernel/mm/ksm/pages_to_scan")
HUGE = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")


def test_a_guest_beside_virsh(world: World, daemon: Daemon, task: Tasks) -> None:
    result = task("kvm_domain_info", uri=daemon.uri).result()
    assert result["changed"] is False
    (guest,) = result["domains"]
    said = dict(
        line.strip().split("=", 1) for line in daemon.virsh("domstats", "guest1").stdout.splitlines() if "=" in line
    )
    assert guest["state"] == "paused" and guest["uuid"] == daemon.virsh("domuuid", "guest1").stdout.strip()
    assert guest["balloon"]["current_kib"] == int(said["balloon.current"])
    assert (guest["vcpu"]["current"], guest["vcpu"]["maximum"]) == (
        int(said["vcpu.current"]),
        int(said["vcpu.maximum"]),
    )
    assert guest["block"]["each"][0]["name"] == said["block.0.name"] == "vda"
    assert guest["block"]["each"][0]["capacity_bytes"] == int(said["block.0.capacity"]) == 16 << 20
    assert guest["block"]["each"][0]["path"] == said["block.0.path"]  # with its blank
    assert 0 < guest["cpu"]["time_ns"] <= int(said["cpu.time"])


def test_chosen_guests_and_their_documents(world: World, daemon: Daemon, task: Tasks) -> None:
    result = task("kvm_domain_info", uri=daemon.uri, names=["guest1"], gather=["configuration", "addresses"]).result()
    (guest,) = result["domains"]
    assert guest["configuration"]["vcpu"] == {"@placement": "static", "@current": 1, "#text": 2}
    assert guest["configuration"]["devices"]["disk"][0]["target"]["@dev"] == "vda"
    assert guest["addresses"] == [] and "block" not in guest
    missing = task("kvm_domain_info", uri=daemon.uri, names=["guest1", "nobody"]).result()
    assert missing["failed"] and "Domain not found" in missing["msg"] and "nobody" in missing["msg"]
    both = task("kvm_domain_info", uri=daemon.uri, names=["guest1"], state="running").result()
    assert both["failed"] and "names and state" in both["msg"]


def test_guests_of_a_driver_whose_bulk_call_says_little(task: Tasks) -> None:
    found = task("kvm_domain_info", uri=f"test://{NODE}").result()["domains"]
    assert [(one["name"], one["state"], one["id"]) for one in found] == [
        ("db1", "shutoff", None),
        ("web 1", "running", 1),
    ]
    assert found[0]["balloon"]["maximum_kib"] == 8388608 and found[1]["vcpu"]["current"] == 4
    running = task("kvm_domain_info", uri=f"test://{NODE}", state="running", query="domains[].name").result()
    assert running["answer"] == ["web 1"] and "domains" not in running


def test_only_the_answers_travel(task: Tasks) -> None:
    one = task("kvm_node_facts", uri=TEST_DRIVER, query="networks[?active].bridge").result()
    assert one["ansible_facts"] == {"kvm_node_answer": ["virbr0"]}
    several = task(
        "kvm_node_facts",
        uri=TEST_DRIVER,
        gather=["pools"],
        query={"space": "sum(pools[].available_bytes)", "none": "cpu"},
    ).result()
    assert several["ansible_facts"] == {"kvm_node_answer": {"space": 107374182400, "none": None}}


def test_facts_are_facts_and_nothing_else(task: Tasks) -> None:
    result = task("kvm_node_facts", check=True, uri=TEST_DRIVER, gather=["cpu"], percent="yes").result()
    assert set(result) - {"invocation", "warnings", "deprecations"} == {"ansible_facts"}
    assert result["ansible_facts"]["kvm_node"]["cpu"]["percent"] is None  # a driver whose clock stands still


@pytest.fixture
def kept() -> t.Iterator[None]:
    """The kernel's settings, as they were in the end."""
    before = {path: path.read_text() for path in (SCAN, HUGE)}
    yield
    for path, text in before.items():
        path.write_text(text)


def test_the_node_is_set_once(daemon: Daemon, task: Tasks, kept: None) -> None:
    was = int(SCAN.read_text())
    pages = int(HUGE.read_text())
    wanted = {"ksm": {"pages_to_scan": was + 5}, "huge_pages": [{"size_kib": 2048, "count": pages + 1, "cell": 0}]}
    predicted = task("kvm_node", check=True, uri=daemon.uri, **wanted).result()
    assert predicted["changed"] and int(SCAN.read_text()) == was and int(HUGE.read_text()) == pages
    made = task("kvm_node", uri=daemon.uri, **wanted).result()
    assert made["changes"] == predicted["changes"] and made["diff"] == predicted["diff"]
    assert made["changes"] == [
        f"ksm: set shm_pages_to_scan {was + 5}",
        f"cell 0 pages 2048 KiB: {pages} -> {pages + 1}",
    ]
    assert int(SCAN.read_text()) == was + 5 and int(HUGE.read_text()) == pages + 1
    assert made["ksm"]["pages_to_scan"] == was + 5
    assert made["huge_pages"] == [{"cell": 0, "size_kib": 2048, "count": pages + 1}]
    again = task("kvm_node", uri=daemon.uri, **wanted).result()
    assert again["changed"] is False and again["changes"] == []


def test_what_cannot_be_is_said_before_anything_is_changed(daemon: Daemon, task: Tasks, kept: None) -> None:
    was = int(SCAN.read_text())
    odd = {"size_kib": 64, "count": 1, "cell": 0}
    result = task("kvm_node", uri=daemon.uri, ksm={"pages_to_scan": was + 5}, huge_pages=[odd]).result()
    assert result["failed"] and "huge_pages[0]: cell 0 has no pages of 64 KiB" in result["msg"]
    assert int(SCAN.read_text()) == was
    refused = task("kvm_node", uri=daemon.uri, suspend={"target": "mem", "duration_s": 10}).result()
    assert refused["failed"] and "10 s are less than 60 s" in refused["msg"]
    unable = task("kvm_node", uri=TEST_DRIVER, ksm={"pages_to_scan": 1}).result()
    assert unable["failed"] and "not supported by the connection driver" in unable["msg"]
    nothing = task("kvm_node", uri=daemon.uri).result()
    assert nothing["failed"] and "one of the following is required" in nothing["msg"]


def test_suspend_is_refused_by_a_node_that_cannot(daemon: Daemon, task: Tasks) -> None:
    with Connection(daemon.uri) as connection:
        if "<suspend_mem/>" in connection.ask("getCapabilities"):
            return  # then this would be asked for too much
    result = task("kvm_node", check=True, uri=daemon.uri, suspend={"target": "mem", "duration_s": 60}).result()
    assert result["failed"] and "the host cannot suspend to mem; it can: nothing" in result["msg"]
