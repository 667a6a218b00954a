# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks about labs without a libvirt: what is kept from the result, and whose things in libvirt are proved to be."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import threading

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago import identity, orphans, task, waiting
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.errors import LagoError, NotReady
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.waiting import Evidence

LAB = "0123456789abcdef0123456789abcdef"
COLLECTIONS = pathlib.Path(task.__file__).parents[6]
UNCHANGED = """
import sys
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago import planning, status, task, virt_env, waiting
for name, module in list(sys.modules.items()):
    if "module_utils" in name and module.__file__:
        print(name.partition("module_utils.")[2], module.__file__)
"""
DOMAIN = """<domain><name>{name}</name><uuid>{uuid}</uuid>{metadata}
<devices><serial type="pty"><log file="{folder}/logs/vm.console"/></serial></devices></domain>"""
METADATA = '<metadata><l:vm xmlns:l="urn:fleet.hypervisor:lago" prefix="{prefix}" name="{name}"/></metadata>'


class Connection:
    """libvirt's lists, and what is asked of the things in them."""

    def __init__(self, domains=(), networks=()):
        self.lists = {"listAllDomains": domains, "listAllNetworks": networks}

    def ask(self, method, _flags):
        return self.lists[method]

    def ask_of(self, thing, method, *_flags):
        return thing[method]


def domain(prefix=LAB, name="vm", uuid=None, folder="/gone"):
    uuid = uuid or identity.object_uuid(prefix, identity.DOMAIN, name)
    metadata = METADATA.format(prefix=prefix, name=name)
    return {"XMLDesc": DOMAIN.format(name=f"x-{name}", uuid=uuid, metadata=metadata, folder=folder)}


def network(prefix, name, uuid=None):
    uuid = uuid or identity.object_uuid(prefix, identity.NETWORK, name)
    return {"name": identity.network_name(prefix, name), "UUIDString": uuid}


def test_whose_things_in_libvirt_are_is_proved_by_their_ids():
    foreign = {"XMLDesc": DOMAIN.format(name="web", uuid="u", metadata="", folder="/x")}
    forged = domain(uuid=identity.object_uuid("f" * 32, identity.DOMAIN, "vm"))
    nobody = {
        "XMLDesc": DOMAIN.format(name="y", uuid="u", metadata=METADATA.format(prefix="no", name="vm"), folder="/")
    }
    nets = [network(LAB, "mgmt"), network("f" * 32, "mgmt", uuid="u"), {"name": "default", "UUIDString": "u"}]
    things, there = orphans.of_labs(Connection([domain(), foreign, forged, nobody], nets))
    assert [(thing.kind, thing.prefix) for thing in things] == [("domain", LAB), ("network", LAB)]
    assert things[0].name == "x-vm"
    assert there == set()


def test_a_lab_whose_folder_a_domain_names_is_there(tmp_path):
    (tmp_path / "uuid").write_text(LAB)
    assert orphans.of_labs(Connection([domain(folder=tmp_path)]))[1] == {LAB}
    (tmp_path / "uuid").write_text("f" * 32)
    assert orphans.of_labs(Connection([domain(folder=tmp_path)]))[1] == set()


def run(path, hide=lambda _password: None, **params):
    empty = {name: about.get("default") for name, about in task.SPEC.items()}
    return task.run({**empty, "path": str(path), "uri": "test:///default", **params}, True, hide)


def test_passwords_of_an_init_file_are_told_to_be_hidden_before_anything_fails(tmp_path):
    given = {
        "prototypes": {"base": {"ssh-password": "one"}},
        "domains": {"a": {"root-password": "two", "based-on": {"root-password": 3}}, "b": {"root-password": ""}},
        "nets": {"x": ["wrong"]},
    }
    (tmp_path / "init").write_text(json.dumps(given))
    for said in ({"spec": given}, {"init_file": str(tmp_path / "init")}):
        hidden = []
        with pytest.raises(task.FAILURES):  # of a file that is wrong, or of a host without libvirt
            run(tmp_path / "lab", hidden.append, **said)
        assert sorted(hidden) == ["3", "one", "two"]
    assert not (tmp_path / "lab").exists()


def test_an_init_file_that_is_no_json_is_told_with_its_path(tmp_path):
    (tmp_path / "init").write_text("domains:")
    with pytest.raises(LagoError, match=f"{tmp_path}/init is no JSON"):
        run(tmp_path / "lab", init_file=str(tmp_path / "init"))


@pytest.mark.parametrize(
    "state,lacks",
    [
        ("collected", "dest"),
        ("exported", "archive"),
        ("imported", "archive"),
        ("snapshotted", "snapshot"),
        ("snapshot_absent", "snapshot"),
    ],
)
def test_a_state_says_what_it_cannot_do_without(tmp_path, state, lacks):
    with pytest.raises(LagoError, match=f"^{lacks}: state {state} needs it$"):
        run(tmp_path / "lab", state=state)


def test_a_failure_has_what_is_known_of_vms_that_are_not_ready():
    evidence = Evidence("vm", "ssh", "port", "no answer", 1.0, {"running": 0.1}, {}, ["a line"])
    told = task.failure(NotReady("vm: not ready", [evidence]))
    assert told["msg"] == "vm: not ready"
    assert told["evidence"][0]["step"] == "port"
    assert json.loads(json.dumps(told)) == told
    assert task.failure(LagoError("x")) == {"msg": "x"}
    assert task.failure(FileNotFoundError(2, "No such file or directory", "/a.tar"))["msg"] == (
        "/a.tar: No such file or directory"
    )


def test_a_lab_that_is_as_it_should_be_is_compared_without_what_makes_one():
    """What such a task imports is compiled every time."""
    argv = [sys.executable, "-c", UNCHANGED]
    done = subprocess.run(argv, env={"PYTHONPATH": str(COLLECTIONS)}, check=True, capture_output=True, text=True)
    files = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert "lago.planning" in files
    needless = ("netlink", "hypervisor.facts", "lago.templates", "lago.documents", "lago.making", "lago.disks")
    assert [name for name in files if name.startswith(needless)] == []
    assert sum(pathlib.Path(file).stat().st_size for file in files.values()) < 190_000


def test_files_are_copied_only_into_vms_that_are_waited_for(tmp_path):
    more = {"wait_for": "none", "copy": [{"src": "/x", "dest": "/y"}]}
    with pytest.raises(LagoError, match="^copy: VMs have to be ready for it, and wait_for is none$"):
        run(tmp_path / "lab", **more)
    with pytest.raises(FileNotFoundError, match="/nowhere"):
        run(tmp_path / "lab", copy=[{"src": "/nowhere", "dest": "/y"}])
    assert not (tmp_path / "lab").exists()


def test_vms_are_looked_at_while_the_task_goes_on(monkeypatch):
    """What a look raises comes when its answer is wanted, not before, where the plan might say why."""
    gone_on = threading.Event()
    looks = {
        "ready": lambda _left: "" if gone_on.wait(10) else "the task waited for this look",
        "late": lambda _left: "no answer",
    }

    def steps(vm, _what, _pattern):
        if vm not in looks:
            raise LagoError(f"{vm} has no address")
        return [waiting.Step("greeting", looks[vm]), waiting.Step("login", None)]

    monkeypatch.setattr(waiting, "steps", steps)
    asked = {name: waiting.looking(vms, "ssh", "") for name, vms in (("one", ["ready"]), ("two", ["ready", "late"]))}
    wrong = waiting.looking(["elsewhere"], "ssh", "")
    gone_on.set()
    assert asked["one"]() and not asked["two"]()
    with pytest.raises(LagoError, match="^elsewhere has no address$"):
        wrong()
