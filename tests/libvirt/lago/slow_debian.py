# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A template of Debian's packages boots in a lab, and cloud-init does what the seed says. Minutes long: only if asked.

    LAB_DEBIAN=/var/tmp/debian python -m pytest tests/libvirt/lago/slow_debian.py

The folder keeps the template, for another run. Needs what the guide for labs says of templates, and Debian's packages.
"""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.prefix import Prefix
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.services import ServiceState
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.ssh import Ssh
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.vm import VM
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.waiting import wait_for_all
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.wish import Wish

from tests.libvirt.lago.conftest import Conf, a_host
from tests.libvirt.lago.inside import network_of
from tests.testbed.libvirt.daemon import Daemon

BOOT = 600.0  # seconds; emulated, on two cores, it takes one or two minutes
DONE = 300.0  # for cloud-init to end, which goes on after SSH answers
REPOSITORY = {
    "name": "debian",
    "sources": {"packages": {"type": "debootstrap", "args": {"size": "2G"}}},
    "templates": {"debian12": {"versions": {"1": {"source": "packages", "handle": "bookworm", "timestamp": 1}}}},
}
SPEC: Conf = {
    "domains": {
        "server": {
            "memory": 768,
            "vcpu": 2,
            "accel": "tcg",
            "ssh-user": "admin",
            "ssh-password": "admin's word",
            "root-password": "root's word",
            "nics": [{"net": "mgmt"}, {"net": "wire", "ip": "198.51.100.7"}],
            "disks": [{"name": "root", "type": "template", "template_name": "debian12", "dev": "vda"}],
        },
        # Known by name, and with nothing to boot: what is asked is whether the server finds it.
        "peer": {"memory": 32, "vcpu": 1, "accel": "tcg", "nics": [{"net": "mgmt"}], "bootstrap": False, "disks": []},
    },
    "nets": {
        "mgmt": {"management": True, "dhcp": {"start": 100, "end": 200}, "dns_domain_name": "lab.local"},
        "wire": {"gw": "198.51.100.1", "mtu": 1400},
    },
}
SAME_PASSWORD = """import crypt, spwd, sys
kept = spwd.getspnam(sys.argv[1]).sp_pwdp
sys.exit(crypt.crypt(sys.argv[2], kept) != kept)"""


@pytest.fixture(scope="module")
def lab(daemon: Daemon) -> t.Iterator[Prefix]:
    """The guest answers by SSH; this process is in its network."""
    folder = Path(os.environ["LAB_DEBIAN"])
    folder.mkdir(mode=0o755, exist_ok=True)
    (folder / "repository.json").write_text(json.dumps(REPOSITORY))
    for host in a_host(daemon):
        host.settings["template_store"] = str(folder / "store")
        prefix = host.prefix()
        prefix.converge(Wish("started", SPEC, ["server"], template_repo=str(folder / "repository.json")))
        with network_of(daemon):
            told = wait_for_all([prefix.virt_env.get_vm("server")], "ssh", BOOT)
            print(f"ready: {told}")
            yield prefix
            prefix.virt_env.get_vm("server").disconnect()


@pytest.fixture(scope="module")
def server(lab: Prefix) -> VM:
    return lab.virt_env.get_vm("server")


@pytest.fixture(scope="module")
def root(lab: Prefix, server: VM) -> t.Iterator[Ssh]:
    with Ssh(server.ip(), lab.paths.ssh_id_rsa(), "root", "server") as made:
        yield made


def said(ssh: Ssh, *words: str, timeout: float = 60.0) -> str:
    done = ssh.run(words, timeout=timeout)
    assert done.code == 0, done
    return done.out.decode().strip()


def test_cloud_init_has_read_the_seed_without_an_error(root: Ssh, server: VM) -> None:
    done = json.loads(said(root, "cloud-init", "status", "--wait", "--format", "json", timeout=DONE))
    assert (done["status"], done["errors"], done["datasource"]) == ("done", [], "nocloud")
    assert said(root, "cat", "/var/lib/cloud/data/instance-id") == server.uuid
    log = said(root, "cat", "/var/log/cloud-init.log").splitlines()
    assert [line for line in log if "[WARNING]" in line or "[ERROR]" in line or "Traceback" in line] == []


def test_its_name_and_its_addresses(root: Ssh, server: VM) -> None:
    assert said(root, "hostname") == said(root, "cat", "/etc/hostname") == "server"
    links = {one["ifname"]: one for one in json.loads(said(root, "ip", "-j", "address"))}
    for name, nic in zip(("eth0", "eth1"), server.nics()):
        found = links[name]
        assert found["address"] == nic["mac"]
        assert [one["local"] for one in found["addr_info"] if one["family"] == "inet"] == [nic["ip"]]
    assert (links["eth0"]["mtu"], links["eth1"]["mtu"]) == (1500, 1400)
    ways = json.loads(said(root, "ip", "-j", "route", "show", "default"))
    assert [way["dev"] for way in ways] == ["eth0"], "the way out is by the network for management"
    for name in ("server-wire", "server-wire.lab.local"):
        assert said(root, "getent", "ahostsv4", name).startswith("198.51.100.7 ")


def test_it_finds_its_peer_by_a_short_name_and_a_whole_one(root: Ssh, lab: Prefix) -> None:
    words = [line.split() for line in said(root, "cat", "/etc/resolv.conf").splitlines()]
    assert ["lab.local"] in [line[1:] for line in words if line[:1] == ["search"]], words
    for name in ("peer", "peer.lab.local"):
        assert said(root, "getent", "ahostsv4", name).startswith(f"{lab.virt_env.get_vm('peer').ip()} ")


def test_its_users_their_keys_and_passwords(root: Ssh, server: VM) -> None:
    done = server.ssh(["sudo", "-n", "id", "-un"])
    assert (done.code, done.out) == (0, b"root\n"), "this is admin, with the lab's key"
    assert server.ssh("id -un").out == b"admin\n"
    for user, password in (("root", "root's word"), ("admin", "admin's word")):
        said(root, "python3", "-W", "ignore", "-c", SAME_PASSWORD, user, password)
    assert "passwordauthentication yes" in said(root, "sshd", "-T")


def test_its_name_for_iscsi_and_an_identity_of_its_own(root: Ssh, server: VM) -> None:
    assert said(root, "cat", "/etc/iscsi/initiatorname.iscsi") == f"InitiatorName={server.iscsi_name()}"
    assert len(said(root, "cat", "/etc/machine-id")) == 32
    assert "/etc/ssh/ssh_host_ed25519_key" in said(root, "sh", "-c", "ls /etc/ssh/ssh_host_*_key")


def test_services_of_systemd_and_its_agent(server: VM) -> None:
    """As admin, who is not root."""
    assert server.ssh("id -u").out != b"0\n"
    agent = server.guest_agent()
    assert type(agent).__name__ == "_SystemdService" and agent.alive()
    assert server.agent_answers()
    agent.stop()
    assert agent.state() == ServiceState.INACTIVE and not server.agent_answers(2)
    agent.start()
    assert agent.alive() and server.wait_for("agent", 60)["agent"] >= 0
    assert server.service("ssh").alive()
    assert server.service("nothing").state() == ServiceState.MISSING
