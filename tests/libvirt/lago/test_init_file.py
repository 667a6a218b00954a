# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks: with an init file that lies on the host, of some of the VMs, and of a host. What is foretold is done, once."""

from __future__ import annotations

import copy
import json
import shutil
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.prefix import Prefix
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.wish import Wish

from tests.libvirt.lago.conftest import Host, lab

OF_HOST = {"uri": "libvirt_url", "lease_dir": "lease_dir", "template_store": "template_store"}


def test_a_file_on_the_host_and_some_of_its_vms(
    host: Host, task: t.Callable[..., t.Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAGO_LIBVIRT_LOGS", host.settings["libvirt_logs"])
    folder = host.folder / "kept"
    folder.mkdir()
    (folder / "tools.raw").write_bytes(bytes(1 << 20))
    conf = lab("one", "two")
    tools = {"name": "tools", "type": "file", "path": "$LAGO_INITFILE_PATH/tools.raw", "dev": "vdb", "format": "raw"}
    conf["domains"]["one"]["disks"].append(tools)
    (folder / "lab.json").write_text(json.dumps(conf))
    prefix = host.prefix()

    def run(state: str, check: bool = False, **more: t.Any) -> dict[str, t.Any]:
        given = {"path": prefix.paths.prefix(), "init_file": str(folder / "lab.json"), "wait_for": "none", **more}
        settings = {option: host.settings[key] for option, key in OF_HOST.items()}
        found = task("lago_prefix", check=check, state=state, **given, **settings).result()
        assert not found.get("failed"), found
        return t.cast(t.Dict[str, t.Any], found)

    def running() -> dict[str, str]:
        prefix.forget()
        return {name: vm.state() for name, vm in prefix.virt_env.get_vms().items()}

    for state, more, states in (
        ("initialized", {}, ("missing", "missing")),
        ("started", {"vms": ["two"]}, ("missing", "running")),
        ("started", {}, ("running", "running")),
        ("stopped", {"vms": ["one"]}, ("missing", "running")),
        ("initialized", {}, ("missing", "running")),
    ):
        foretold = run(state, check=True, **more)
        done = run(state, **more)
        again = run(state, **more)
        assert (done["changed"], done["diff"], done["changes"]) == tuple(
            foretold[key] for key in ("changed", "diff", "changes")
        )
        assert not again["changed"] and again["changes"] == []
        assert tuple(running()[name] for name in ("one", "two")) == states
        assert done["changed"] or state == "initialized"
    assert prefix.virt_env.get_vm("one").disks()[1].chain[0][0] == str(folder / "tools.raw")


def test_every_change_is_foretold_exactly_and_done_once(
    host: Host, task: t.Callable[..., t.Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A VM, a network, an interface, a disk and memory come and go; snapshots and archives are made and used."""
    monkeypatch.setenv("LAGO_LIBVIRT_LOGS", host.settings["libvirt_logs"])
    prefix, other = host.prefix(), host.prefix("other")
    (host.folder / "kept").mkdir()
    archive = str(host.folder / "kept" / "lab.tar")

    def run(state: str, check: bool, more: dict[str, t.Any]) -> dict[str, t.Any]:
        settings = {option: host.settings[key] for option, key in OF_HOST.items()}
        given = {"path": prefix.paths.prefix(), "wait_for": "none", **more, **settings}
        found = task("lago_prefix", check=check, state=state, **given).result()
        assert not found.get("failed"), found
        return t.cast(t.Dict[str, t.Any], found)

    def step(state: str, every_time: bool = False, **more: t.Any) -> dict[str, t.Any]:
        before = host.seen()
        foretold = run(state, True, more)
        assert foretold["changed"] and foretold["pending"] and host.seen() == before
        done = run(state, False, more)
        assert [done[key] for key in ("changed", "diff", "changes")] == [
            foretold[key] for key in ("changed", "diff", "changes")
        ]
        again = run(state, False, more)
        assert again["changed"] is every_time and (again["changes"] == []) is not every_time
        return done

    conf = lab("one", "two", bootstrap=False)
    step("started", spec=conf)
    changed = copy.deepcopy(conf)
    changed["domains"]["three"] = lab("three")["domains"]["three"]
    changed["nets"]["more"] = {"type": "bridge"}
    changed["domains"]["one"]["nics"].append({"net": "more"})
    data = {"name": "data", "type": "empty", "size": "1M", "dev": "vdb", "format": "raw"}
    changed["domains"]["one"]["disks"].append(data)
    changed["domains"]["two"]["memory"] = 48
    come = step("initialized", spec=changed)
    assert sorted(line.partition(" hosts ")[0] for line in come["changes"]) == [
        "disk one/data: make",
        "disk three/root: make",
        "domain one: change disks data, nics 2",
        "domain three: start",
        "domain two: start again",
        "domain two: stop",
        "network mgmt: change",
        "network more: start",
        "seed three: make",
    ]
    assert "memory 32" in come["diff"]["before"] and "memory 48" in come["diff"]["after"]
    step("stopped")
    gone = step("initialized", spec=conf)
    assert sorted(gone["changes"]) == ["disk one/data: remove", "disk three/root: remove", "seed three: remove"]
    step("started")
    step("snapshotted", snapshot="first")
    back = step("reverted", every_time=True, snapshot="first")
    assert back["diff"] == {"before": "what was written since first\n", "after": "snapshot first\n"}
    step("exported", every_time=True, archive=archive)
    made = step("imported", path=other.paths.prefix(), archive=archive)
    assert [net["subnets"] for net in made["prefix"]["networks"]] != [
        net["subnets"] for net in back["prefix"]["networks"]
    ]
    step("snapshot_absent", snapshot="first")
    step("absent", path=other.paths.prefix())
    step("absent")


def test_a_host_is_pruned_as_foretold_and_once(
    host: Host, task: t.Callable[..., t.Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAGO_LIBVIRT_LOGS", host.settings["libvirt_logs"])
    lost, lives = host.prefix("labs/lost"), host.prefix("labs/lives")
    for prefix in (lost, lives):
        prefix.converge(Wish("started", lab("one")))
    gone = prefix_things(lost)
    shutil.rmtree(lost.paths.prefix())

    def prune(check: bool = False) -> dict[str, t.Any]:
        settings = {option: host.settings[key] for option, key in OF_HOST.items()}
        found = task("lago_prefix", check=check, state="pruned", path=str(host.folder / "labs"), **settings).result()
        assert not found.get("failed"), found
        return t.cast(t.Dict[str, t.Any], found)

    before = host.seen()
    foretold = prune(check=True)
    assert host.seen() == before and foretold["pending"]
    done = prune()
    assert (done["changed"], done["diff"], done["changes"]) == (True, foretold["diff"], foretold["changes"])
    assert sorted(change.split()[0] for change in done["changes"]) == ["domain", "lease", "network", "network"]
    assert all(name in done["diff"]["before"] for name in gone) and done["diff"]["after"] == ""
    assert prune()["changes"] == [] and lives.virt_env.get_vm("one").alive()


def prefix_things(prefix: Prefix) -> list[str]:
    """As libvirt names them."""
    nets = [net.libvirt_name for net in prefix.virt_env.get_nets().values()]
    return [*nets, prefix.virt_env.get_vm("one").libvirt_name]
