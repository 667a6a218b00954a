# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two real guests, raised once: commands, files, services, the agent, and what is told of one that does not come up."""

from __future__ import annotations

import os
import subprocess
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago import extracting
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.errors import GuestError, NotReady
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.prefix import Prefix
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.services import ServiceState
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.ssh import Ssh
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.vm import VM
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.waiting import seem_ready, wait_for_all
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.wish import Wish

from tests.libvirt.lago.conftest import a_host
from tests.libvirt.lago.inside import guests, network_of
from tests.testbed.libvirt import tiny
from tests.testbed.libvirt.daemon import Daemon

BOOT = 120.0  # seconds; an idle machine needs 6 for one guest and 10 for two


@pytest.fixture(scope="module")
def lab(daemon: Daemon) -> t.Iterator[Prefix]:
    """Two guests that answer by SSH; this process is in their network."""
    for host in a_host(daemon):
        folder = tiny.copied(host.folder / "kept" / "tiny")
        host.settings["template_store"] = str(host.folder / "kept" / "store")
        prefix = host.prefix()
        spec = guests(folder, "one", "two")
        spec["domains"]["two"]["disks"] = []  # its system is the initial ram disk
        spec["domains"]["two"]["cmdline"] += " tiny.without=qemu-guest-agent"
        prefix.converge(Wish("started", spec, template_repo=str(folder / "repository.json")))
        with network_of(daemon):
            wait_for_all(list(prefix.virt_env.get_vms().values()), "ssh", BOOT)
            yield prefix


@pytest.fixture
def one(lab: Prefix) -> VM:
    return lab.virt_env.get_vm("one")


@pytest.fixture
def two(lab: Prefix) -> VM:
    return lab.virt_env.get_vm("two")


def said(vm: VM, command: str) -> str:
    done = vm.ssh(command, timeout=30)
    assert done.code == 0, done
    return done.out.decode().strip()


def test_each_guest_is_who_the_lab_says(lab: Prefix, one: VM, two: VM) -> None:
    for vm in (one, two):
        assert said(vm, "hostname") == vm.name()
        assert f"{vm.ip()}/24" in said(vm, "ip -4 address show eth0")
        assert said(vm, "cat /sys/class/net/eth0/address") == vm.nics()[0]["mac"]
        assert vm.uuid in said(vm, "cat /run/seed/meta-data"), "it has found the CD of its first boot"
    assert " / ext4 " in said(one, "cat /proc/mounts")
    assert said(two, "cat /proc/mounts").startswith("rootfs / rootfs")


def test_a_guest_without_its_cd_is_told_by_smbios(lab: Prefix, two: VM) -> None:
    """The CD is taken out of it, and its name and keys are forgotten: it finds out once more who it is."""
    key = Path(lab.paths.ssh_id_rsa_pub()).read_text().strip()
    forget = "echo 1 > /sys/block/sr0/device/delete; mv /run/seed /run/kept; hostname nobody; rm /root/.ssh/*"
    told = said(two, f"{forget}; sh /etc/identity; hostname; cat /root/.ssh/authorized_keys; ls /run/seed")
    said(two, "rmdir /run/seed && mv /run/kept /run/seed")
    assert told.splitlines() == ["two", key]


def test_they_know_each_other_by_name(one: VM, two: VM) -> None:
    one.copy_to(one.virt_env().prefix.paths.ssh_id_rsa(), "/root/key")
    said(one, "dropbearconvert openssh dropbear /root/key /root/.ssh/id_dropbear")
    for name in ("two", "two.lab.local"):
        assert said(one, f"ssh -y {name} hostname") == "two"


def test_a_command_s_status_and_output(one: VM) -> None:
    done = one.ssh(["sh", "-c", 'cat; echo "$1" >&2; exit 7', "sh", "a  b'$HOME"], data=b"in\0put")
    assert (done.code, done.out, done.err) == (7, b"in\0put", b"a  b'$HOME\n")
    assert one.ssh("exit 255").code == 255
    assert one.ssh("echo $((6*7))").out == b"42\n"
    big = os.urandom(1 << 20)
    assert one.ssh(["cat"], data=big).out == big


def test_a_command_that_does_not_end(one: VM) -> None:
    began = time.monotonic()
    with pytest.raises(GuestError, match=r"running sleep in one: it had not ended after 0\.5 s"):
        one.ssh("sleep 60", timeout=0.5)
    assert time.monotonic() - began < 5
    assert one.ssh("exit 0").code == 0


def test_the_second_call_uses_the_first_s_connection(one: VM) -> None:
    began = time.monotonic()
    for _again in range(5):
        one.ssh("exit 0")
    shared = (time.monotonic() - began) / 5
    assert said(one, "pidof dropbear").count(" ") <= 2  # the server, this connection, and no others
    one.disconnect()
    began = time.monotonic()
    one.ssh("exit 0")
    assert shared < time.monotonic() - began


def test_nobody_is_let_in_with_another_key(one: VM, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    with Ssh(one.ip(), str(tmp_path / "key"), name="one") as stranger:
        with pytest.raises(GuestError, match=r"reaching one by SSH as root@.*: .*Permission denied"):
            stranger.run("exit 0", timeout=30)


def test_a_script_in_any_language(one: VM, tmp_path: Path) -> None:
    script = tmp_path / "greet"
    script.write_text("#!/bin/awk -f\nBEGIN { print 6 * 7; exit 3 }\n")
    done = one.ssh_script(str(script))
    assert (done.code, done.out) == (3, b"42\n")
    script.write_text("echo plain; ls /tmp | wc -l\n")
    assert one.ssh_script(str(script)).out.startswith(b"plain\n")
    assert said(one, "ls /tmp") == ""


def test_files_and_folders_there_and_back(one: VM, tmp_path: Path) -> None:
    there = tmp_path / "there"
    (there / "deep" / "er").mkdir(parents=True)
    (there / "deep" / "a b'c").write_bytes(os.urandom(300_000))
    (there / "deep" / "run").write_text("#!/bin/sh\n")
    (there / "deep" / "run").chmod(0o750)
    (there / "link").symlink_to("deep/run")
    one.copy_to(str(there), "/root/got")
    one.copy_to(str(there), "/root/got")  # it is there now: it goes inside
    assert said(one, "find /root/got -type f | sort").splitlines() == [
        "/root/got/deep/a b'c",
        "/root/got/deep/run",
        "/root/got/there/deep/a b'c",
        "/root/got/there/deep/run",
    ]
    back = tmp_path / "back"
    one.copy_from("/root/got/there", str(back))
    assert (back / "deep" / "a b'c").read_bytes() == (there / "deep" / "a b'c").read_bytes()
    assert (back / "deep" / "run").stat().st_mode & 0o777 == 0o750
    assert os.readlink(back / "link") == "deep/run"
    assert (back / "deep" / "er").is_dir()


def test_one_file(one: VM, tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.write_bytes(b"x" * 100_000)
    one.copy_to(str(here), "/root/new/name")
    one.copy_to(str(here), "/root/new/")
    one.copy_to(str(here), "/root/new/name")  # another time: it is replaced
    assert said(one, "ls -A /root/new").split() == ["here", "name"]
    one.copy_from("/root/new/name", str(tmp_path / "a" / "b"))
    assert (tmp_path / "a" / "b").read_bytes() == here.read_bytes()
    one.copy_from("/root/new/name", f"{tmp_path}/a/")
    assert (tmp_path / "a" / "name").read_bytes() == here.read_bytes()
    assert sorted(os.listdir(tmp_path / "a")) == ["b", "name"]


def test_what_cannot_be_copied(one: VM, tmp_path: Path) -> None:
    with pytest.raises(GuestError, match=r"copying /nowhere of one to .*: /nowhere is no file or folder there"):
        one.copy_from("/nowhere", str(tmp_path / "x"))
    with pytest.raises(GuestError, match=r"copying .* to /proc/new/x of one: "):
        one.copy_to(__file__, "/proc/new/x")
    with pytest.raises(FileNotFoundError):
        one.copy_to(str(tmp_path / "missing"), "/root/")
    assert not list(tmp_path.iterdir())


def test_services_by_sysv(one: VM) -> None:
    service = one.service("qemu-guest-agent")
    assert type(service).__name__ == "_SysVInitService"
    assert service.exists() and service.alive()
    service.stop()
    assert service.state() == ServiceState.INACTIVE
    assert not one.agent_answers(1)
    service.stop()
    service.start()
    assert service.state() == ServiceState.ACTIVE
    assert one.wait_for("agent", 30)["agent"] >= 0
    missing = one.service("nothing")
    assert missing.state() == ServiceState.MISSING and not missing.exists()
    with pytest.raises(GuestError, match="start of the service nothing in one: there is no such service"):
        missing.start()


def test_the_guest_agent(one: VM) -> None:
    assert one.agent_answers()
    assert one.guest_agent().alive()
    assert one.domain().fsFreeze() >= 1
    assert one.domain().fsThaw() >= 1


def test_paths_of_a_running_guest(one: VM, tmp_path: Path) -> None:
    one.extract_paths([("/etc/inittab", str(tmp_path / "inittab")), ("/etc/init.d", str(tmp_path / "services"))])
    assert "sysinit" in (tmp_path / "inittab").read_text()
    assert (tmp_path / "services" / "dropbear").exists()


def test_what_is_told_of_an_agent_that_does_not_come(two: VM) -> None:
    with pytest.raises(NotReady, match=r"two: agent stalls at agent after \d s: .*agent") as caught:
        two.wait_for("agent", 1.5)
    (found,) = caught.value.evidence
    assert found.step == "agent" and list(found.passed) == ["running"]
    assert found.lease["ipaddr"] == two.ip()
    assert any("tiny: two is up after" in line for line in found.console)
    assert "tiny: without qemu-guest-agent" in str(caught.value)


def test_what_a_console_says(two: VM) -> None:
    assert two.wait_for("console", 5, r"^tiny: (\w+) is up after")["console"] < 5
    with pytest.raises(NotReady, match="its console has not said 'kernel panic'"):
        two.wait_for("console", 0.3, "kernel panic")


def test_a_server_of_ssh_that_is_stopped_and_a_guest_that_goes(
    lab: Prefix, two: VM, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last test: what it takes away does not come back."""
    monkeypatch.setattr(extracting, "TOOL", "virt-copy-out-of-nowhere")
    both = list(lab.virt_env.get_vms().values())
    assert any(seem_ready(both, "ssh", "") for _again in range(10))  # a busy host can be late for one look
    assert not seem_ready(both, "agent", ""), "one of them has none"
    two.ssh("/sbin/service dropbear stop", timeout=30)
    two.disconnect()
    with pytest.raises(NotReady, match=r"two: ssh stalls at port after \d s: TCP port 22 of .*: Connection refused"):
        two.wait_for_ssh(timeout=1)
    assert not seem_ready(both, "ssh", "")
    two.domain().destroy()
    began = time.monotonic()
    with pytest.raises(NotReady, match=r"two: ssh stalls at running after 0 s: the VM does not run any more"):
        two.wait_for_ssh()
    assert time.monotonic() - began < 5
    with pytest.raises(GuestError, match=r"^two does not run; and to read its disk instead, virt-copy-out"):
        two.extract_paths([("/etc/passwd", "/nowhere")])
