# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of real guests: held still by their agents, and back with what they had in memory and on disk."""

from __future__ import annotations

import subprocess
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.prefix import Prefix
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.templates.repository import TemplateRepository

from tests.libvirt.lago.conftest import Conf, Host
from tests.testbed.libvirt import tiny

BOOT = 150.0  # seconds for two guests without KVM, on a machine that does other things too


def guests(folder: Path) -> Conf:
    domain = {
        "memory": 128,
        "vcpu": 1,
        "accel": "tcg",
        "kernel": str(folder / "kernel"),
        "initrd": str(folder / "initrd"),
        "cmdline": tiny.CMDLINE,
        "nics": [{"net": "mgmt"}],
        "disks": [{"name": "root", "type": "template", "template_name": "tiny", "dev": "vda", "format": "qcow2"}],
    }
    return {
        "domains": {"one": domain, "two": domain},
        "nets": {"mgmt": {"management": True, "dhcp": {"start": 100, "end": 200}}},
    }


class Guests:
    def __init__(self, host: Host, prefix: Prefix) -> None:
        self._host, self.prefix = host, prefix

    def run(self, vm: str, command: str) -> str:
        """What a command in the guest prints; it is tried for as long as the guest does not answer."""
        paths = self.prefix.paths
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes", "ConnectTimeout=5"]
        words = [word for option in (*options, "LogLevel=ERROR") for word in ("-o", option)]
        address = self.prefix.virt_env.get_vm(vm).ip()
        argv = self._host.daemon.enter("ssh", *words, "-i", paths.ssh_id_rsa(), f"root@{address}", command)
        deadline = time.monotonic() + BOOT
        while True:
            done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
            if done.returncode != 255 or time.monotonic() > deadline:
                assert done.returncode == 0, done
                return done.stdout.strip()
            time.sleep(0.1)


@pytest.fixture
def up(host: Host) -> t.Iterator[Guests]:
    folder = tiny.copied(host.folder / "tiny")
    prefix = host.prefix()
    repository = TemplateRepository.from_file(str(folder / "repository.json"))
    try:
        prefix.virt_conf(guests(folder), template_repo=repository)
        prefix.start()
        yield Guests(host, prefix)
    finally:
        prefix.destroy()
        for path in sorted(host.folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()


def test_two_guests_go_on_from_where_they_were(up: Guests) -> None:
    start = time.monotonic()
    for vm in ("one", "two"):
        up.run(vm, "echo before > /root/on-disk && echo before > /run/in-memory && sync")
    booted = time.monotonic() - start
    boots = {vm: up.run(vm, "cat /proc/sys/kernel/random/boot_id") for vm in ("one", "two")}
    prefix = up.prefix
    assert prefix.create_snapshots("still", quiesce=True)
    assert prefix.virt_env.snapshots["taken"]["still"]["frozen"] == ["one", "two"]
    assert prefix.create_snapshots("warm", memory=True)
    for vm in ("one", "two"):
        up.run(vm, "echo after > /root/on-disk && echo after > /run/in-memory && sync")
    start = time.monotonic()
    prefix.revert_snapshots("warm")
    found = {vm: up.run(vm, "cat /root/on-disk /run/in-memory /proc/sys/kernel/random/boot_id") for vm in boots}
    back = time.monotonic() - start
    assert found == {vm: f"before\nbefore\n{boot}" for vm, boot in boots.items()}
    paused = {name: one["paused"] for name, one in prefix.virt_env.snapshots["taken"].items()}
    print(f"booted in {booted:.1f} s, back in {back:.1f} s, paused {paused}")
    assert back < booted
    up.run("one", "echo after > /root/on-disk && sync")
    prefix.revert_snapshots("still")
    assert up.run("one", "cat /root/on-disk") == "before"
    assert up.run("one", "cat /proc/sys/kernel/random/boot_id") != boots["one"], "it has no memory, and is booted"
