# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs of prefixes as inventory hosts, from the files of prefixes, here and behind an ssh that is played."""

from __future__ import annotations

import json
import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest

if sys.version_info < (3, 11):
    pytest.skip("inventory plugins run on the controller, whose Python is 3.11 or newer", allow_module_level=True)

from ansible_collections.fleet.hypervisor.plugins.module_utils.lago import prefixes
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.errors import LagoError
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.journal import Journal
from ansible_collections.fleet.hypervisor.plugins.plugin_utils.lago.machines import machines
from ansible_collections.fleet.hypervisor.plugins.plugin_utils.lago.ways import Jump, keep_key

COLLECTIONS = prefixes.__file__.partition("/ansible_collections/")[0]
UUID = "0123456789abcdef0123456789abcdef"
ROOT = {"name": "root", "type": "template", "template_name": "debian12", "dev": "vda", "format": "qcow2"}
SPEC = {
    "domains": {
        "server": {
            "groups": ["web"],
            "ssh-user": "admin",
            "nics": [{"net": "storage"}, {"net": "mgmt"}],
            "disks": [ROOT],
            "metadata": {"rack": "r1", "evil": "{{ lookup('pipe', 'id') }}"},
        },
        "client": {"nics": [{"net": "mgmt"}], "disks": []},
    },
    "nets": {"mgmt": {"management": True}, "storage": {}},
}
MAPPING = {
    "mgmt": {"server": "192.0.2.2", "server-eth1": "192.0.2.2", "client": "192.0.2.3", "client-eth0": "192.0.2.3"},
    "storage": {"server-eth0": "198.51.100.2"},
}
ENV = {
    "spec": SPEC,
    "variables": {"LAGO_PREFIX_PATH": "/lab"},
    "mapping": MAPPING,
    "snapshots": {"at": "before", "taken": {"before": {}}},
}


def make(path, env="", started=("server",), uuid=UUID):
    (path / "virt").mkdir(parents=True)
    (path / "uuid").write_text(uuid + "\n")
    (path / "id_rsa").write_text("the key\n")
    if env is not None:  # text that is no JSON, or what is to be its JSON
        (path / "virt" / "env").write_text(env if isinstance(env, str) and env else json.dumps(env or ENV))
    with Journal(str(path / "journal")) as journal:
        journal.begin("start")
        for name in started:
            with journal.making("domain", name):
                pass
    return path


def inventory(folder, text, *sources):
    source = folder / "labs.lago.yml"
    source.write_text("plugin: fleet.hypervisor.lago\n" + text)
    environ = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": COLLECTIONS, "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    argv = [os.path.join(os.path.dirname(sys.executable), "ansible-inventory"), "--list"]
    for one in (*sources, source):
        argv += ["-i", str(one)]
    return subprocess.run(argv, capture_output=True, text=True, env=environ, check=False)


def plain(value):
    """Without the marks of what is no template."""
    if isinstance(value, dict):
        return value.get("__ansible_unsafe") or {key: plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list) else value


def one_line(text):
    return " ".join(text.split())


def test_all_labs_of_a_folder_with_names_groups_and_a_way_in(tmp_path):
    make(tmp_path / "labs" / "one")
    make(tmp_path / "labs" / "empty", env=None, started=())
    os.symlink("one", tmp_path / "labs" / "current")
    (tmp_path / "labs" / "other").mkdir()
    done = inventory(
        tmp_path, f"prefixes: [{tmp_path}/labs, {tmp_path}/not-there]\ncompose: {{rack: lago_metadata.rack}}"
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    server = plain(found["_meta"]["hostvars"]["server"])
    assert server["ansible_host"] == "192.0.2.2"
    assert server["ansible_user"] == "admin"
    assert server["ansible_ssh_private_key_file"] == f"{tmp_path}/labs/one/id_rsa"
    assert server["lago_ips"] == ["198.51.100.2", "192.0.2.2"]
    assert server["rack"] == "r1"
    assert found["_meta"]["hostvars"]["server"]["lago_metadata"]["evil"] == {
        "__ansible_unsafe": "{{ lookup('pipe', 'id') }}"
    }
    groups = {name: one["hosts"] for name, one in found.items() if "hosts" in one}
    assert groups == {
        "lago": ["server", "client"],
        "web": ["server"],
        "lab_one": ["server", "client"],
        "state_started": ["server"],
        "state_stopped": ["client"],
        "network_mgmt": ["server", "client"],
        "network_storage": ["server"],
        "template_debian12": ["server"],
        "snapshot_before": ["server", "client"],
    }


def test_groups_of_expressions(tmp_path):
    make(tmp_path / "labs" / "one")
    text = f"""prefixes: [{tmp_path}/labs]
groups: {{racked: lago_metadata.rack is defined}}
keyed_groups: [{{key: ansible_user, prefix: user}}]
"""
    done = inventory(tmp_path, text)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["racked"]["hosts"] == ["server"]
    assert found["user_admin"]["hosts"] == ["server"] and found["user_root"]["hosts"] == ["client"]


def test_names_that_two_labs_have_are_refused_until_they_are_told_apart(tmp_path):
    make(tmp_path / "labs" / "one")
    make(tmp_path / "labs" / "two", uuid="f" * 32)
    where = f"prefixes: [{tmp_path}/labs]\n"
    done = inventory(tmp_path, where)
    assert f"server is the name of VMs in {tmp_path}/labs/one and in {tmp_path}/labs/two" in " ".join(
        done.stderr.split()
    )
    done = inventory(tmp_path, where + "hostname: lago_name ~ '.' ~ lago_lab\ngroup_by: [lab]\n")
    found = json.loads(done.stdout)
    assert sorted(found["_meta"]["hostvars"]) == ["client.one", "client.two", "server.one", "server.two"]
    assert found["lab_two"]["hosts"] == ["server.two", "client.two"]
    assert "web" not in found


SSH = """#!{python}
import json, os, sys
with open({log!r}, "a") as log:
    log.write(json.dumps(sys.argv[1:]) + chr(10))
os.execv("/bin/sh", ["sh", "-c", sys.argv[-1]])
"""


def test_labs_of_a_managed_host_are_reached_through_it(tmp_path, monkeypatch):
    make(tmp_path / "far away" / "one")
    folder, log = tmp_path / "bin", tmp_path / "log"
    folder.mkdir()
    (folder / "ssh").write_text(SSH.format(python=sys.executable, log=str(log)))
    (folder / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    hosts = tmp_path / "hosts"
    hosts.write_text(
        "kvm1 ansible_host=203.0.113.1 ansible_port=2222 ansible_user=me ansible_ssh_private_key_file=/k\n"
    )
    done = inventory(tmp_path, f"prefixes: ['{tmp_path}/far away']\nhypervisors: [kvm1]\nkeys: {tmp_path}/keys", hosts)
    assert done.returncode == 0, done.stderr
    server = plain(json.loads(done.stdout)["_meta"]["hostvars"]["server"])
    asked = json.loads(log.read_text())
    assert asked[4:-1] == ["-p", "2222", "-l", "me", "-i", "/k", "--", "203.0.113.1"]
    assert server["lago_hypervisor"] == "kvm1"
    words = shlex.split(server["ansible_ssh_common_args"])
    assert words[-1] == "ProxyCommand=ssh -p 2222 -l me -i /k -W [%h]:%p -- 203.0.113.1"
    key = tmp_path / "keys" / UUID
    assert server["ansible_ssh_private_key_file"] == str(key)
    assert key.read_text() == "the key\n"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    unknown = inventory(tmp_path, "prefixes: [/x]\nhypervisors: [kvm7]", hosts)
    assert "no inventory source before this one has kvm7" in one_line(unknown.stderr)


def test_hypervisors_are_reached_as_their_groups_say_and_by_sudo(tmp_path, monkeypatch):
    make(tmp_path / "labs" / "one")
    folder, log = tmp_path / "bin", tmp_path / "log"
    folder.mkdir()
    sudo = f'#!/bin/sh\nprintf "%s/" "$1" >>{tmp_path}/sudo\nshift\nexec "$@"\n'
    for name, text in (("ssh", SSH.format(python=sys.executable, log=str(log))), ("sudo", sudo)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    hosts = tmp_path / "hosts"
    hosts.write_text(
        "[kvm]\nkvm1 ansible_host=h1\nkvm2 ansible_user=you\n[kvm:vars]\nansible_user=me\nansible_become=yes\n"
    )
    for name, text in (("group_vars/kvm", "ansible_port: 2222"), ("host_vars/kvm2", "ansible_become: false")):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).with_suffix(".yml").write_text(f"{text}\n")
    text = f"prefixes: ['{tmp_path}/la*']\nhypervisors: [kvm1, kvm2]\nhostname: lago_name ~ '.' ~ lago_hypervisor\n"
    done = inventory(tmp_path, text, hosts)
    assert done.returncode == 0, done.stderr
    asked = [json.loads(line)[4:-1] for line in log.read_text().splitlines()]
    assert asked == [["-p", "2222", "-l", "me", "--", "h1"], ["-p", "2222", "-l", "you", "--", "kvm2"]]
    assert (tmp_path / "sudo").read_text() == "-n/", "that of the first alone"
    found = json.loads(done.stdout)
    assert sorted(found["web"]["hosts"]) == ["server.kvm1", "server.kvm2"]
    server = plain(found["_meta"]["hostvars"]["server.kvm2"])
    assert server["ansible_ssh_private_key_file"] == f"{tmp_path}/.ansible/lago/{UUID}"
    assert shlex.split(server["ansible_ssh_common_args"])[-1].endswith("-l you -W [%h]:%p -- kvm2")


def test_one_that_cannot_be_read_is_passed_over_with_a_warning(tmp_path):
    make(tmp_path / "labs" / "one")
    make(tmp_path / "labs" / "two", "no JSON", uuid="f" * 32)
    where = f"prefixes: [{tmp_path}/labs]\n"
    done = inventory(tmp_path, where)
    assert sorted(json.loads(done.stdout)["_meta"]["hostvars"]) == ["client", "server"]
    assert f"{tmp_path}/labs/two: virt/env is not" in one_line(done.stderr)
    assert json.loads(inventory(tmp_path, where + "strict: true").stdout)["_meta"]["hostvars"] == {}


def test_a_managed_host_that_answers_something_else_is_told(tmp_path, monkeypatch):
    for answer, said in (
        ("echo no", "did not answer with prefixes"),
        ('echo \'[{"path": "/x"}]\'', "did not answer with prefixes"),
        ("echo 'Permission denied' >&2; exit 255", "reading its prefixes: Permission denied"),
    ):
        (tmp_path / "ssh").write_text(f"#!/bin/sh\n{answer}\n")
        (tmp_path / "ssh").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        with pytest.raises(LagoError, match=f"^kvm1: .*{said}"):
            Jump.of("kvm1", {}).find(["/x"])


@pytest.mark.parametrize(
    "env,uuid",
    [
        ("no JSON", UUID),
        ({"mapping": {}}, UUID),
        ({**ENV, "mapping": {"mgmt": {"server": "-oProxyCommand=x"}}}, UUID),
        ({**ENV, "spec": {"domains": {"a b": {}}}}, UUID),
        ({**ENV, "spec": {"domains": {"vm": {"ssh-user": "-x y"}}}}, UUID),
        (ENV, "../../x"),
    ],
)
def test_files_that_are_not_a_prefixs_are_refused_with_their_place(tmp_path, env, uuid):
    make(tmp_path / "lab", env, (), uuid)
    (prefix,) = prefixes.find([str(tmp_path / "lab")])
    with pytest.raises(LagoError, match=str(tmp_path)):
        machines(prefix)


def test_a_key_is_written_again_only_when_it_is_another(tmp_path):
    folder = str(tmp_path / "keys")
    path = keep_key(folder, {"key": "one"}, UUID)
    first = os.stat(path).st_ino
    assert os.stat(keep_key(folder, {"key": "one"}, UUID)).st_ino == first
    assert Path(keep_key(folder, {"key": "two"}, UUID)).read_text() == "two"
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
