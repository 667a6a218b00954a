# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real guest whose lab changes while it runs: it sees what comes and goes, and is never restarted for it."""

from __future__ import annotations

import copy
import time

from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.vm import VM
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.waiting import wait_for_all
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.wish import Wish

from tests.libvirt.lago.conftest import Host
from tests.libvirt.lago.inside import guests, network_of
from tests.testbed.libvirt import tiny

BOOT = 120.0  # seconds
FOUND = 20.0


def said(vm: VM, command: str) -> str:
    done = vm.ssh(command, timeout=30)
    assert done.code == 0, done
    return done.out.decode().strip()


def sees(vm: VM, command: str, what: str) -> None:
    """It takes a guest a moment to find what was plugged in."""
    deadline = time.monotonic() + FOUND
    while said(vm, f"{command} 2>&1; true") != what:
        assert time.monotonic() < deadline, said(vm, f"{command}; dmesg | tail -20")
        time.sleep(0.2)


def test_devices_come_and_go(host: Host) -> None:
    folder = tiny.copied(host.folder / "kept" / "tiny")
    host.settings["template_store"] = str(host.folder / "kept" / "store")
    spec = guests(folder, "one")
    prefix = host.prefix()
    prefix.converge(Wish("started", spec, template_repo=str(folder / "repository.json")))
    with network_of(host.daemon):
        wait_for_all([prefix.virt_env.get_vm("one")], "ssh", BOOT)
        boot = said(prefix.virt_env.get_vm("one"), "cat /proc/sys/kernel/random/boot_id")
        more = copy.deepcopy(spec)
        more["nets"]["wire"] = {"type": "bridge"}
        more["domains"]["one"]["nics"].append({"net": "wire"})
        more["domains"]["one"]["disks"].append({"name": "data", "type": "empty", "size": "3M", "format": "raw"})
        prefix.converge(Wish("", more))  # the repository is needed no more: no disk is made of it
        one = prefix.virt_env.get_vm("one")
        mac = one.nics()[1]["mac"]
        sees(one, "cat /sys/class/net/eth1/address", mac)
        sees(one, "cat /sys/block/vdb/size", str((3 << 20) // 512))
        more["domains"]["one"]["disks"][1]["size"] = "5M"
        prefix.converge(Wish("", more))
        sees(one, "cat /sys/block/vdb/size", str((5 << 20) // 512))
        prefix.converge(Wish("", spec))
        one = prefix.virt_env.get_vm("one")
        assert mac not in said(one, "cat /sys/class/net/*/address")
        assert said(one, "ls /sys/block | grep -c vdb; true") == "0"
        assert said(one, "cat /proc/sys/kernel/random/boot_id") == boot
        assert not prefix.plan(Wish("", spec))
        said(one, "echo kept > /root/kept; sync")
        assert one.shutdown(30)
        assert one.state() == "missing"
        prefix.start()
        one = prefix.virt_env.get_vm("one")
        wait_for_all([one], "ssh", BOOT)
        assert said(one, "cat /root/kept") == "kept"
        assert said(one, "cat /proc/sys/kernel/random/boot_id") != boot
