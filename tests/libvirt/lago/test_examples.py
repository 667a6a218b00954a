# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The init file of the guide, with real guests, by the module: each step foretold with its diff, done, and asked again.

Its VMs run the tests' tiny guest instead of Debian, and are smaller; all else is as it is shown.
"""

from __future__ import annotations

import copy
import itertools
import json
import re
import shutil
import typing as t
from pathlib import Path

import pytest
import yaml

from tests.libvirt.lago.conftest import Host
from tests.libvirt.lago.inside import network_of
from tests.testbed.libvirt import tiny

LIMIT = 240.0  # seconds for two guests without KVM, on a machine that does other things too
OF_HOST = {"uri": "libvirt_url", "lease_dir": "lease_dir", "template_store": "template_store"}
GUIDE = (Path(__file__).parents[3] / "docs" / "labs.md").read_text(encoding="utf-8")
(SHOWN,) = (
    yaml.safe_load(text) for text in re.findall(r"^```yaml\n(domains:.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
)
PLUGGED = "for _ in $(seq 100); do test -d /sys/block/vdb && exit; sleep 0.1; done; exit 1"  # guests find out by and by
BOOT_ID = "/proc/sys/kernel/random/boot_id"
Result = t.Dict[str, t.Any]


class Lab:
    """`spec`: the guide's, of tiny guests, as its file on the host has it; `kept`: a folder for files."""

    def __init__(self, host: Host, task: t.Callable[..., t.Any], name: str = "lab", kept: Path | None = None) -> None:
        self.host, self.task, self.prefix, self.spec = host, task, host.prefix(name), copy.deepcopy(SHOWN)
        if kept is not None:
            self.kept = kept
            return
        self.kept = tiny.copied(host.folder / "kept")
        host.settings["template_store"] = str(self.kept / "store")
        (self.kept / "tools.iso").write_bytes(bytes(1 << 16))
        repository = json.loads((self.kept / "repository.json").read_text())
        repository["templates"]["debian12"] = repository["templates"].pop("tiny")
        (self.kept / "repository.json").write_text(json.dumps(repository))
        boot = {"kernel": str(self.kept / "kernel"), "initrd": str(self.kept / "initrd"), "cmdline": tiny.CMDLINE}
        for domain in self.spec["domains"].values():
            domain.update(boot, memory=128, vcpu=1, accel="tcg")
        self.spec["domains"]["server"]["disks"][1]["size"] = "16M"
        (self.kept / "lab.json").write_text(json.dumps(self.spec))

    def run(self, state: str, check: bool = False, **options: t.Any) -> Result:
        """What the module answers."""
        given: Result = {"path": self.prefix.paths.prefix(), "template_repo": str(self.kept / "repository.json")}
        if state in ("initialized", "started"):
            given["init_file"] = str(self.kept / "lab.json")
        settings = {option: self.host.settings[key] for option, key in OF_HOST.items()}
        found = self.task("lago_prefix", check=check, state=state, **{**given, **options, **settings}).result(LIMIT)
        assert not found.get("failed"), found
        return t.cast(Result, found)

    def step(self, state: str, *, every_time: bool = False, **options: t.Any) -> Result:
        """Foretold, which changes nothing; done as that was; and asked again: nothing to do, or done `every_time`."""
        self.leave()
        before = self.host.seen()
        foretold = self.run(state, check=True, **options)
        assert foretold["pending"] and self.host.seen() == before
        done = self.run(state, **options)
        for key in ("changed", "diff", "changes"):
            assert done[key] == foretold[key], key
        assert done["changed"] and not done["pending"]
        again = self.run(state, **options)
        assert again["changed"] is every_time
        if not every_time:
            assert again["diff"] == {"before": "", "after": ""} and again["changes"] == [] and not again["pending"]
        self.prefix.forget()
        return done

    def vms(self) -> list[str]:
        return list(self.spec["domains"])

    def add_disk(self, vm: str, disk: dict[str, t.Any]) -> None:
        """Its file says so from now on."""
        self.spec["domains"][vm]["disks"].append(disk)
        (self.kept / "lab.json").write_text(json.dumps(self.spec))

    def leave(self) -> None:
        """Ends the connections to the VMs."""
        for vm in self.prefix.virt_env.get_vms().values() if self.prefix.specified() else ():
            vm.disconnect()

    def say(self, vm: str, command: str) -> str:
        done = self.prefix.virt_env.get_vm(vm).ssh(command, timeout=60)
        assert done.code == 0, done
        return done.out.decode().strip()

    def check_peers(self) -> None:
        """Each VM comes by SSH to each, by all the names that it has in the lab."""
        for vm in self.prefix.virt_env.get_vms().values():
            vm.copy_to(self.prefix.paths.ssh_id_rsa(), "/root/key")
            self.say(vm.name(), "dropbearconvert openssh dropbear /root/key /root/.ssh/id_dropbear")
        for one, other in itertools.permutations(self.spec["domains"], 2):
            for name in (other, f"{other}.lab.local", f"{other}-storage"):
                assert self.say(one, f"ssh -y {name} hostname") == other, (one, name)


@pytest.fixture
def shown(host: Host, task: t.Callable[..., t.Any], monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Lab]:
    monkeypatch.setenv("LAGO_LIBVIRT_LOGS", host.settings["libvirt_logs"])
    with network_of(host.daemon):
        made = Lab(host, task)
        yield made
        made.leave()
        made.prefix.destroy()
    shutil.rmtree(made.kept)


def test_what_the_guide_shows_is_raised_and_has_the_files_that_it_is_to_have(shown: Lab) -> None:
    shown.step("initialized")
    up = shown.step("started", timeout=LIMIT, copy=_site(shown))
    assert [vm["state"] for vm in up["prefix"]["vms"]] == ["running", "running"]
    assert "\nfile client:/srv/site/run  750 " in up["diff"]["after"]
    shown.check_peers()
    _copied(shown)
    _collected(shown)


def test_what_the_guide_shows_is_changed_goes_back_and_is_elsewhere_too(shown: Lab) -> None:
    shown.step("started", timeout=LIMIT)
    boots = {vm: shown.say(vm, f"echo before | tee /root/disk /run/memory; cat {BOOT_ID}") for vm in shown.vms()}
    shown.step("snapshotted", snapshot="warm", memory=True)
    for vm in shown.vms():
        shown.say(vm, "echo after | tee /root/disk /run/memory")
    shown.add_disk("client", {"name": "more", "type": "empty", "size": "16M", "dev": "vdb"})
    changed = shown.step("started", timeout=LIMIT)
    assert changed["changes"] == ["disk client/more: make", "domain client: change disks more"]
    shown.say("client", PLUGGED)
    shown.step("reverted", every_time=True, snapshot="warm")
    for vm in shown.vms():
        found = shown.say(vm, f"cat /root/disk /run/memory {BOOT_ID}").split()
        assert found == ["before", "before", boots[vm].split()[-1]], "disk, and what runs on"
    assert shown.say("client", "ls /sys/block").split() == ["sr0", "vda"], "it has what it had then"
    assert shown.step("started", timeout=LIMIT)["changes"] == ["domain client: change disks more"]
    shown.say("client", PLUGGED)
    _elsewhere(shown)


def _elsewhere(shown: Lab) -> None:
    """An archive of it, on another path with other subnets, beside the lab that it was made of."""
    archive = str(shown.kept / "lab.tar")
    shown.step("exported", every_time=True, archive=archive)
    subnets = {net.name(): net.gw() for net in shown.prefix.virt_env.get_nets().values()}
    shown.step("stopped")
    other = Lab(shown.host, shown.task, "other", shown.kept)
    try:
        other.step("imported", archive=archive, new_subnets=True)
        other.step("started", timeout=LIMIT, init_file=None)
        assert not subnets.items() & {net.name(): net.gw() for net in other.prefix.virt_env.get_nets().values()}.items()
        other.check_peers()
        assert {other.say(vm, "cat /root/disk") for vm in other.vms()} == {"before"}
        other.leave()
        other.step("absent")
    finally:
        other.leave()
        other.prefix.destroy()
    shown.step("absent")


def _site(shown: Lab) -> list[dict[str, str]]:
    """A folder and a file for the VMs."""
    site = shown.kept / "site"
    if not site.exists():
        (site / "deep").mkdir(parents=True)
        (site / "deep" / "page").write_text("hello\n")
        (site / "run").write_text("#!/bin/sh\necho it runs\n")
        (site / "run").chmod(0o750)
        (site / "link").symlink_to("deep/page")
    return [{"src": str(site), "dest": "/srv/site"}, {"src": str(site / "link"), "dest": "/root/page"}]


def _copied(shown: Lab) -> None:
    """What differs in one VM is told of it alone, and mended; what else is there stays."""
    for vm in shown.spec["domains"]:
        assert shown.say(vm, "/srv/site/run; cat /srv/site/link; readlink /srv/site/link; cat /root/page").split() == [
            *("it", "runs", "hello", "deep/page", "hello")
        ]
    shown.say("client", "echo other > /srv/site/deep/page; echo mine > /srv/site/mine; chmod 644 /srv/site/run")
    told = shown.step("started", timeout=LIMIT, copy=_site(shown))
    assert told["changes"] == ["file client:/srv/site/run: copy", "file client:/srv/site/deep/page: copy"]
    assert told["diff"]["before"].startswith("file client:/srv/site/run  644 ")
    assert shown.say("client", "cat /srv/site/mine /srv/site/deep/page; /srv/site/run") == "mine\nhello\nit runs"


def _collected(shown: Lab) -> None:
    """Files, a folder, and what is not there, of all VMs and of one."""
    dest = shown.kept / "collected"
    paths = ["/srv/site/deep/page", "/etc/init.d", "/root/nothing"]
    told = shown.step("collected", every_time=True, dest=str(dest), paths=paths)
    for vm in shown.spec["domains"]:
        found = told["collected"][vm]
        assert found["files"] == {path: f"{dest}/{vm}{path}" for path in paths[:2]}
        assert (dest / vm / "srv/site/deep/page").read_text() == "hello\n"
        assert sorted(path.name for path in (dest / vm / "etc/init.d").iterdir()) == [
            *("dropbear", "functions", "network", "qemu-guest-agent")
        ]
        assert f"tiny: {vm} is up after" in (dest / vm / "console").read_text()
        assert list(found["missing"]) == ["/root/nothing"]
    shutil.rmtree(dest)
    told = shown.run("collected", dest=str(dest), vms=["client"], paths=["/etc/hostname"])
    assert (dest / "client/etc/hostname").read_text() == "client\n" and list(told["collected"]) == ["client"]
    assert [path.name for path in dest.iterdir()] == ["client"]
    shutil.rmtree(dest)
