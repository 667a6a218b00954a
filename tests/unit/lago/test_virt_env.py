# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lago's calls that need no host: names that are added to a network, those of VMs, and a terminal in a guest."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago import identity, lab
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.addressing import Subnets
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.errors import InitFileError, LagoError
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.initfile.names import subnet
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.machine import Machine
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.prefix import Prefix
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.ssh import Ssh
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.virt_env import VirtEnv

UUID = "8a6c30a4a5f04b7e9a6d3c7b2f0e1d2c"
CONF = {"domains": {"one": {"nics": [{"net": "mgmt"}]}}, "nets": {"mgmt": None}}


@pytest.fixture
def env(tmp_path):
    prefix = Prefix(str(tmp_path / "lab"))
    spec = lab.specified(CONF, {})
    addresses = lab.addressed(spec, {"mgmt": Subnets(subnet("", "192.168.200.0/24"))})
    machine = Machine("qemu", "x86_64", "pc")
    known = lab.Lab(UUID, prefix.paths, CONF, {}, spec, addresses, machine, "ssh-rsa AAAA lab")
    return VirtEnv.of(prefix, known, {}, {})


def test_names_are_added_and_those_of_vms_stay(env):
    address = env.get_net("mgmt").resolve("one")
    env.get_net("mgmt").add_mapping("www", "192.168.200.77", save=False)
    env.get_net("mgmt").add_mappings([("a", "192.168.200.78"), ("b", "192.168.200.79")], save=False)
    found = env.get_net("mgmt").mapping()
    assert {name: found[name] for name in ("one", "www", "a", "b")} == {
        "one": address,
        "www": "192.168.200.77",
        "a": "192.168.200.78",
        "b": "192.168.200.79",
    }
    assert CONF["nets"]["mgmt"] is None, "what was given is not changed"
    with pytest.raises(InitFileError):
        env.get_net("mgmt").add_mapping("www", "no address", save=False)
    with pytest.raises(LagoError, match="the network mgmt knows no two"):
        env.get_net("mgmt").resolve("two")


def test_names_of_a_vm(env):
    assert env.prefixed_name("one") == identity.domain_name(UUID, "one") == "8a6c30a4-one"
    assert env.get_vm("one").iscsi_name() == "iqn.2014-07.org.lago:one"


def test_a_command_s_output_is_shown_unless_that_is_not_wanted(env, tmp_path, monkeypatch, capfd):
    """An ssh that is played."""
    (tmp_path / "ssh").write_text("#!/bin/sh\necho said; echo wrong >&2\n")
    (tmp_path / "ssh").chmod(0o755)
    (tmp_path / "script").touch()
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    vm = env.get_vm("one")
    for call in (lambda **how: vm.ssh("x", **how), lambda **how: vm.ssh_script(str(tmp_path / "script"), **how)):
        assert call().out == b"said\n"
        assert capfd.readouterr() == ("said\n", "wrong\n")
        assert call(show_output=False).err == b"wrong\n"
        assert capfd.readouterr() == ("", "")
    env.disconnect()


def test_an_env_of_specs_needs_a_prefix(tmp_path):
    with pytest.raises(LagoError, match="lab is no prefix of Lago's: it has no file uuid"):
        VirtEnv(Prefix(str(tmp_path / "lab")), CONF["domains"], CONF["nets"])


def test_a_terminal_has_the_guest_s_status_and_its_words(tmp_path, monkeypatch):
    """An ssh that is played: it tells its words, a line each."""
    (tmp_path / "ssh").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/words\nexit 3\n')
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with Ssh("192.0.2.1", "/key", "admin") as ssh:
        assert ssh.interactive(["ls", "a b"]) == 3
        words = (tmp_path / "words").read_text().splitlines()
        assert "-t" in words and words[-2:] == ["admin@192.0.2.1", "ls 'a b'"]
        assert ssh.interactive() == 3
    assert (tmp_path / "words").read_text().splitlines()[-1] == "admin@192.0.2.1"
