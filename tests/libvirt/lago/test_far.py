# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab on a managed host, by the collection's playbooks over SSH; its VMs as hosts, by way of that host."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from tests.libvirt.lago import leftovers
from tests.libvirt.lago.far import Far
from tests.libvirt.lago.inside import guests
from tests.testbed.libvirt.daemon import Daemon

Variables = t.Dict[str, t.Any]
EMBEDDED = Path(__file__).parents[2] / "testbed" / "libvirt" / "embedded.py"
AGENT = "/sbin/service qemu-guest-agent"


BRIDGE = {"bridges": [{"name": "br-lab", "addresses": ["203.0.113.1/24"]}]}
ON_BRIDGE = {"type": "bridge", "bridge": "br-lab", "management": True, "subnet": "203.0.113.0/24", "gw": "203.0.113.1"}


class World(t.NamedTuple):
    far: Far
    lab: Variables  # of the role

    def role(self, playbook: str, **more: t.Any) -> str:
        """What a playbook of the collection printed, which has to succeed."""
        done = self.far.ansible(
            "ansible-playbook", f"fleet.hypervisor.{playbook}", "-e", json.dumps({**self.lab, **more})
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def failure(self, **more: t.Any) -> Variables:
        """What the role's task says that fails."""
        found, play = self.far.folder / "failure.json", self.far.folder / "play.json"
        failed = {"content": "{{ ansible_failed_result | to_json }}", "dest": str(found), "mode": "0600"}
        tried = {
            "block": [{"include_role": {"name": "fleet.hypervisor.virtual_lab"}}],
            "rescue": [{"copy": failed, "delegate_to": "localhost", "vars": {"ansible_connection": "local"}}],
        }
        play.write_text(json.dumps([{"hosts": "hv", "gather_facts": False, "tasks": [tried]}]))
        done = self.far.ansible("ansible-playbook", str(play), "-e", json.dumps({**self.lab, **more}))
        assert done.returncode == 0, done.stdout + done.stderr
        return t.cast(Variables, json.loads(found.read_text()))

    def vm(self, *words: str) -> str:
        """Of a command of `ansible` for the VM."""
        done = self.far.ansible("ansible", "server", *words, sources=[self.far.folder / "labs.lago.yml"])
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def world(daemon: Daemon, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[World]:
    """A managed host with a lab of one VM."""
    place = daemon.folder / "far"
    place.mkdir(mode=0o755)
    before = leftovers.look(daemon, place)
    far = Far(daemon, tmp_path_factory.mktemp("far") / "controller")
    try:
        subprocess.run(
            [sys.executable, str(EMBEDDED), "guest", str(place)], check=True, capture_output=True, timeout=180
        )
        spec = guests(place / "guest", "server", memory=384, disks=[], groups=["servers"])
        lab = {
            "virtual_lab_path": str(place / "labs" / "one"),
            "virtual_lab_spec": spec,
            "virtual_lab_lease_dir": str(place / "leases"),
            "virtual_lab_template_store": str(place / "store"),
            "virtual_lab_uri": "qemu:///system",
            "virtual_lab_timeout": 120,
        }
        source = {"plugin": "fleet.hypervisor.lago", "prefixes": [str(place / "labs")], "hypervisors": ["hv"]}
        (far.folder / "labs.lago.yml").write_text(json.dumps(source))
        made = World(far, lab)
        made.role("lab_up")
        yield made
        made.role("lab_down")
    finally:
        far.close()
    kept = frozenset(one for one in leftovers.look(daemon, place) if re.search("far/(guest/|labs$|leases$)", one))
    leftovers.check(daemon, before | kept, place)


def recap(printed: str) -> str:
    return printed.split("PLAY RECAP")[1]


def test_the_system_s_libvirtd_has_it_and_a_second_run_changes_nothing(world: World) -> None:
    assert "changed=0" in recap(world.role("lab_up"))
    networks = world.far.daemon.virsh("net-list", "--name").stdout.split()
    assert [name.split("-", 1)[1] for name in networks] == ["mgmt"]


def test_its_vm_answers_by_way_of_the_host_at_once(world: World) -> None:
    assert '"ping": "pong"' in world.vm("-m", "ping", "-e", "ansible_python_interpreter=/usr/bin/python3")
    told = world.vm("-m", "debug", "-a", "msg={{ lago_hypervisor }}:{{ lago_name }}:{{ ansible_host }}")
    (address,) = [line.split(":")[-1].strip(' "\n') for line in told.splitlines() if '"msg"' in line]
    assert "hv:server:192.168." in told
    direct = world.far.here("ip", "route", "get", address)
    assert "unreachable" in direct.stderr, "the controller has no way of its own to the VM"


def test_ready_is_when_the_agent_answers(world: World) -> None:
    assert "failed=0" in recap(world.role("lab_up", virtual_lab_wait_for="agent"))
    world.vm("-m", "raw", "-a", f"{AGENT} stop")
    try:
        told = world.failure(virtual_lab_wait_for="agent", virtual_lab_timeout=3)
    finally:
        world.vm("-m", "raw", "-a", f"{AGENT} start")
    (evidence,) = told["evidence"]
    assert (evidence["vm"], evidence["waiting_for"], evidence["step"]) == ("server", "agent", "agent")
    assert list(evidence["passed"]) == ["running"]
    assert evidence["lease"]["ipaddr"].startswith("192.168.")
    assert any("tiny: server is up after" in line for line in evidence["console"])
    assert told["msg"].startswith("server: agent stalls at agent after ")


def test_ready_is_when_the_console_says_so(world: World) -> None:
    printed = world.role("lab_up", virtual_lab_wait_for="console", virtual_lab_console=r"server is up after [0-9.]+ s")
    assert "changed=0" in recap(printed)
    told = world.failure(virtual_lab_wait_for="console", virtual_lab_console="login:", virtual_lab_timeout=1)
    assert told["evidence"][0]["step"] == "console"
    assert "its console has not said 'login:'" in told["msg"]


def test_snapshot_and_back_by_the_playbooks(world: World) -> None:
    assert "changed=1" in recap(world.role("lab_snapshot", virtual_lab_snapshot="fresh", virtual_lab_memory=True))
    world.vm("-m", "raw", "-a", "touch /root/later")
    assert "changed=1" in recap(world.role("lab_revert", virtual_lab_snapshot="fresh"))
    assert "later" not in world.vm("-m", "raw", "-a", "ls /root")
    forget = {"virtual_lab_snapshot": "fresh", "virtual_lab_state": "snapshot_absent"}
    assert "changed=1" in recap(world.role("lab_snapshot", **forget))
    assert "changed=0" in recap(world.role("lab_snapshot", **forget))


def test_on_a_network_of_the_host_s(world: World) -> None:
    """Made by the role host_network just before, it outlives the lab."""

    def inside(*argv: str) -> str:
        return subprocess.run(world.far.daemon.enter(*argv), check=True, capture_output=True, text=True).stdout

    place = Path(world.lab["virtual_lab_path"]).parents[1]
    spec = {**guests(place / "guest", "edge", memory=384, disks=[]), "nets": {"mgmt": ON_BRIDGE}}
    lab = {"virtual_lab_path": str(place / "edge"), "virtual_lab_spec": spec, "virtual_lab_host_network": BRIDGE}
    try:
        printed = world.role("lab_up", **lab)
        assert "changed=2" in recap(printed)
        assert re.search(r"^    hv: \[[# ]{20}\] +\d+% edge: SSH answers$", printed, re.MULTILINE), "a person sees it"
        assert "changed=0" in recap(world.role("lab_up", **lab))
        (port,) = json.loads(inside("ip", "-j", "link", "show", "master", "br-lab"))
        assert port["ifname"].startswith("lt")
        assert "lladdr" in inside("ip", "neighbour", "show", "203.0.113.2", "dev", "br-lab")
        assert "changed=1" in recap(world.role("lab_down", virtual_lab_path=lab["virtual_lab_path"]))
        assert json.loads(inside("ip", "-j", "link", "show", "br-lab"))
    finally:
        inside("ip", "link", "delete", "br-lab")
