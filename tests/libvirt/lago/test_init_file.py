# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task with an init file that lies on the host: its folder, what is foretold is done, and some of the VMs."""

from __future__ import annotations

import json
import typing as t

import pytest

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
