# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real guests: held still by their agents, back with what they had in memory and on disk, collected, and elsewhere."""

from __future__ import annotations

import shutil
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.importing import import_lab
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.prefix import Prefix

from tests.libvirt.lago.conftest import Host
from tests.libvirt.lago.inside import guests, network_of
from tests.libvirt.lago.test_snapshots import killed_at
from tests.testbed.libvirt import tiny

BOOT = 150.0  # seconds for two guests without KVM, on a machine that does other things too
NAMES = ("one", "two")
BOOT_ID = "/proc/sys/kernel/random/boot_id"
# Records of a revert: its files are made, a VM is stopped, one is restored, both are.
KILLED = (3, 6, 10, 13)
LATE = 2.5  # seconds; a guest whose clock was not set is late by more
STARTED = 5  # records of a start of one VM: it runs, and nobody knows yet that this was all
UP = b"is up after"  # a guest's last words as it boots


@pytest.fixture
def lab(host: Host) -> t.Iterator[Prefix]:
    folder = tiny.copied(host.folder / "kept")
    host.settings["template_store"] = str(folder / "store")
    prefix = host.prefix()
    artifacts = ["/root/on-disk", "/etc/init.d", "/root/nothing"]
    with network_of(host.daemon):
        prefix.virt_conf(guests(folder, *NAMES, artifacts=artifacts), template_repo=str(folder / "repository.json"))
        prefix.start()
        ready(prefix)
        yield prefix
        prefix.destroy()
    shutil.rmtree(folder)


def ready(prefix: Prefix) -> None:
    for vm in prefix.virt_env.get_vms().values():
        vm.wait_for_ssh(timeout=BOOT)


def run(prefix: Prefix, vm: str, command: str) -> str:
    done = prefix.virt_env.get_vm(vm).ssh(command, timeout=60)
    assert done.code == 0, done
    return done.out.decode().strip()


def write(prefix: Prefix, text: str) -> None:
    for vm in NAMES:
        run(prefix, vm, f"echo {text} > /root/on-disk && echo {text} > /run/in-memory && sync")


def state(prefix: Prefix) -> dict[str, str]:
    """What the guests say that they have on disk and in memory, and which boot it is."""
    return {vm: run(prefix, vm, f"cat /root/on-disk /run/in-memory {BOOT_ID}") for vm in NAMES}


def late(prefix: Prefix) -> float:
    """The most seconds by which a guest's clock is behind."""
    return max(time.time() - int(run(prefix, vm, "date +%s")) for vm in NAMES)


class Consoles:
    """What the VMs have ever said on their consoles, of which nothing is to be lost."""

    def __init__(self, prefix: Prefix) -> None:
        self._prefix, self.said = prefix, dict.fromkeys(NAMES, b"")

    def kept(self) -> dict[str, int]:
        """How often each VM has said that it is up."""
        for vm, before in self.said.items():
            now = Path(self._prefix.paths.console(vm)).read_bytes()
            assert now.startswith(before) and now, vm
            self.said[vm] = now
        return {vm: said.count(UP) for vm, said in self.said.items()}


def test_two_guests_go_back_and_elsewhere(host: Host, lab: Prefix) -> None:
    consoles = Consoles(lab)
    assert consoles.kept() == {"one": 1, "two": 1}
    write(lab, "before")
    boots = {vm: run(lab, vm, f"cat {BOOT_ID}") for vm in NAMES}
    assert lab.create_snapshots("still", quiesce=True)
    assert lab.virt_env.snapshots["taken"]["still"]["frozen"] == list(NAMES)
    assert lab.create_snapshots("warm", memory=True)
    write(lab, "after")
    time.sleep(LATE)

    start = time.monotonic()
    lab.revert_snapshots("warm")
    found = state(lab)
    back = time.monotonic() - start
    wanted = {vm: f"before\nbefore\n{boot}" for vm, boot in boots.items()}
    assert found == wanted, "they run on from there"
    assert late(lab) < LATE, "they know what time it is"

    for at in KILLED:
        write(lab, "after")
        assert killed_at(lab, at, "record", lambda it: it.revert_snapshots("warm"))
        lab.forget()
        assert lab.resume() == "revert"
        assert state(lab) == wanted, at
        assert late(lab) < LATE, at
    assert consoles.kept() == {"one": 1, "two": 1}, "none was booted"

    write(lab, "elsewhere")
    collected = lab.collect(str(host.folder / "kept" / "collected"))
    with open(collected["two"]["files"]["/root/on-disk"], encoding="utf-8") as file:
        assert file.read() == "elsewhere\n"
    assert collected["two"]["files"].keys() == {"/root/on-disk", "/etc/init.d"}
    assert collected["two"]["missing"].keys() == {"/root/nothing"}
    for vm in NAMES:
        assert Path(collected[vm]["console"]).read_bytes() == Path(lab.paths.console(vm)).read_bytes()
    assert b"tiny: two is up after" in Path(collected["two"]["console"]).read_bytes()

    start = time.monotonic()
    lab.revert_snapshots("still")
    ready(lab)
    booted = time.monotonic() - start
    assert run(lab, "one", "cat /root/on-disk") == "before"
    assert run(lab, "one", f"cat {BOOT_ID}") != boots["one"], "what has no memory is booted"
    assert consoles.kept() == {"one": 2, "two": 2}
    paused = {name: one["paused"] for name, one in lab.virt_env.snapshots["taken"].items()}
    print(f"back with memory in {back:.1f} s, by booting in {booted:.1f} s; paused for {paused} s")

    write(lab, "elsewhere")
    archive = str(host.folder / "kept" / "lab.tar")
    lab.export(archive)
    address = lab.virt_env.get_vm("one").ip()
    lab.stop()
    assert killed_at(lab, STARTED, "record", lambda it: it.start(["one"]))
    lab.forget()
    assert lab.resume() == "converge"
    lab.virt_env.get_vm("one").wait_for("console", BOOT, UP.decode())
    assert consoles.kept() == {"one": 3, "two": 2}, "what was said before is there after a stop and a killed start"
    lab.stop()
    other = host.prefix("other")
    import_lab(other.paths.prefix(), archive, host.settings)
    other.start()
    ready(other)
    assert other.virt_env.get_vm("one").ip() != address
    assert run(other, "one", "cat /root/on-disk; hostname") == "elsewhere\none"
    other.revert_snapshots("still")
    ready(other)
    assert run(other, "two", "cat /root/on-disk") == "before"
    other.destroy()
