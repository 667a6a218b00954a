# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab is raised, changed while it runs, stopped and removed; the fixture checks that nothing is left."""

from __future__ import annotations

import copy
import json
import stat
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.connection import Connection
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago import live_domain
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.errors import LagoError, LockTimeout
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.journal import Journal
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.prefix import Prefix
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.templates.store import TemplateStore
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.virt_env import VirtEnv
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.wish import Wish
from ansible_collections.fleet.hypervisor.plugins.module_utils.plan import ChangeFailed

from tests.libvirt.lago.conftest import Conf, Host, lab


def states(prefix: Prefix) -> dict[str, str]:
    return {name: vm.state() for name, vm in prefix.virt_env.get_vms().items()}


def live(prefix: Prefix, vm: str) -> ElementTree.Element:
    return ElementTree.fromstring(prefix.virt_env.get_vm(vm).domain().XMLDesc())


def image(path: str) -> dict:
    argv = ["qemu-img", "info", "-U", "--output=json", "--backing-chain", path]
    return json.loads(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)


def test_a_lab_of_two_vms_up_and_gone(host: Host, two: Conf) -> None:
    before = host.look()
    prefix = host.prefix()
    shown = prefix.plan(Wish("started", two))
    assert host.look() == before
    done = prefix.converge(Wish("started", two))
    assert done.review() == shown.review()
    assert states(prefix) == {"one": "running", "two": "running"}
    assert {name: net.alive() for name, net in prefix.virt_env.get_nets().items()} == {"mgmt": True, "wire": True}
    assert not prefix.converge(Wish("started", two))
    assert not prefix.plan(Wish("started", two))
    prefix.destroy()
    host.check(before)
    assert not prefix.destroy()


def test_what_only_the_lab_s_file_says_is_a_change_too(host: Host, two: Conf) -> None:
    prefix = host.prefix()
    prefix.converge(Wish("started", two))
    more = copy.deepcopy(two)
    more["domains"]["one"]["groups"] = ["web"]
    shown = prefix.plan(Wish("", more))
    assert shown.review() == ["vm one: change groups"]
    assert shown.diff()["after"] == "vm one  groups web\n"
    assert prefix.converge(Wish("", more)).review() == shown.review()
    assert host.prefix().virt_env.get_vm("one").groups == ("web",)
    assert not prefix.plan(Wish("", more))
    assert states(prefix) == {"one": "running", "two": "running"}
    prefix.destroy()


def test_lago_s_own_names_for_it(host: Host, two: Conf) -> None:
    """Those of VirtEnv, VM, Network and Prefix that mean the same as what the other tests call."""
    before = host.look()
    prefix = host.prefix()
    prefix.virt_conf(two, template_store=TemplateStore(str(host.folder / "store")))
    env = prefix.virt_env
    env.start(["one"])
    assert states(prefix) == {"one": "running", "two": "missing"}
    assert env.libvirt_con.lookupByUUIDString(env.get_vm("one").domain().UUIDString()).isActive()
    env.create_snapshots("x")
    env.get_vm("one").create_snapshot("y")
    assert list(prefix.virt_env.snapshots["taken"]) == ["x", "y"]
    prefix.virt_env.revert_snapshots("x")
    prefix.virt_env.get_vm("one").revert_snapshot("y")
    assert prefix.virt_env.snapshots["at"] == "y"
    prefix.virt_env.get_net("mgmt").stop()
    assert "running" not in states(prefix).values() and not prefix.virt_env.get_net("mgmt").alive()
    prefix.virt_env.get_net("mgmt").start()
    assert "running" not in states(prefix).values() and prefix.virt_env.get_net("mgmt").alive()
    prefix.virt_env.stop()
    prefix.cleanup()
    host.check(before)


def test_an_env_of_specs_alone(host: Host, two: Conf) -> None:
    prefix = host.prefix()
    prefix.initialize()
    env = VirtEnv(prefix, two["domains"], two["nets"])
    assert not prefix.specified() and not prefix.standing().action
    vm, known = env.get_vm("one"), env.get_vm("one").ip()
    assert env.get_net("mgmt").resolve("one") == known != ""
    vm.start()
    assert states(prefix) == {"one": "running", "two": "missing"}
    assert prefix.virt_env.get_vm("one").ip() == vm.ip() == known
    more = VirtEnv(prefix, {**two["domains"], "three": two["domains"]["two"]}, two["nets"])
    assert "three" not in prefix.virt_env.get_vms()
    more.save()
    assert states(prefix) == {"one": "running", "two": "missing", "three": "running"}
    more.stop()


def test_the_settings_say_who_logs_in(host: Host, two: Conf) -> None:
    host.settings["ssh_user"] = "admin"
    two["domains"]["two"]["ssh-user"] = "else"
    prefix = host.prefix()
    prefix.converge(Wish("initialized", two))
    assert not prefix.plan(Wish("initialized", two))
    assert [vm.spec.ssh_user for vm in prefix.virt_env.get_vms().values()] == ["admin", "else"]
    assert prefix.virt_env.get_vm("one").as_root(["id"]) == ["sudo", "-n", "id"]
    with Path(prefix.paths.seed("one")).open("rb") as seed:
        assert b'"name": "admin"' in seed.read()


def test_what_is_where(host: Host, two: Conf) -> None:
    prefix = host.prefix()
    prefix.converge(Wish("started", two))
    paths = prefix.paths
    assert stat.S_IMODE(stat.S_IMODE((host.folder / "lab" / "virt" / "env").stat().st_mode)) == 0o600
    assert stat.S_IMODE((host.folder / "lab" / "id_rsa").stat().st_mode) == 0o600
    net = prefix.virt_env.get_net()
    assert net.name() == "mgmt" and net.is_management()
    assert net.resolve("two") == prefix.virt_env.get_vm("two").ip() == net.gw()[:-1] + "3"
    with pytest.raises(LagoError, match="the network mgmt knows no three"):
        net.resolve("three")
    saved = json.loads((host.folder / "lab" / "virt" / "vm-two").read_text())
    assert saved["nics"][0]["ip"] == net.resolve("two")
    assert [disk["path"] for disk in saved["disks"]] == [paths.disk("two", "root", "qcow2")]
    found = live(prefix, "one")
    assert [one.get("address") for one in found.iterfind("devices/interface/mac")] == [
        nic["mac"] for nic in prefix.virt_env.get_vm("one").nics()
    ]
    assert prefix.virt_env.get_vm("one").vnc_port() >= 5900
    assert prefix.virt_env.get_vm("one").uuid == found.findtext("uuid")


def test_stopped_started_one_by_one(host: Host, two: Conf) -> None:
    prefix = host.prefix()
    prefix.virt_conf(two)
    assert states(prefix) == {"one": "missing", "two": "missing"}
    prefix.virt_env.get_vm("two").start()
    assert states(prefix) == {"one": "missing", "two": "running"}
    assert not prefix.virt_conf(two)  # what is stopped stays so
    prefix.start()
    prefix.stop(["two"])
    assert states(prefix) == {"one": "running", "two": "missing"}
    prefix.virt_env.get_vm("one").domain().destroy()  # as a guest that powers itself off
    assert [change.what for change in prefix.plan(Wish("", None)).changes] == ["domain one"]
    prefix.start()
    assert states(prefix) == {"one": "running", "two": "running"}
    prefix.stop()
    assert states(prefix) == {"one": "missing", "two": "missing"}
    assert not prefix.stop()
    with pytest.raises(LagoError, match="there is no VM three in the lab; it has one, two"):
        prefix.start(["three"])


def test_somebody_else_stops_them_meanwhile(host: Host, two: Conf, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = host.prefix()
    prefix.converge(Wish("started", two))
    ask_of = Connection.ask_of

    def too_late(self: Connection, thing: object, method: str, *arguments: object) -> object:
        if method == "destroy":
            thing.destroy()
        return ask_of(self, thing, method, *arguments)

    monkeypatch.setattr(Connection, "ask_of", too_late)
    prefix.stop()
    assert states(prefix) == {"one": "missing", "two": "missing"}
    assert not prefix.virt_env.get_net("mgmt").alive() and not prefix.virt_env.get_net("wire").alive()


def test_a_guest_that_does_not_power_itself_off(host: Host, two: Conf) -> None:
    prefix = host.prefix()
    prefix.converge(Wish("started", two))
    with pytest.raises(LagoError, match="preparing the disk of one: it runs"):
        prefix.virt_env.get_vm("one").bootstrap()
    assert not prefix.virt_env.get_vm("one").shutdown(timeout=0.5)
    assert states(prefix) == {"one": "missing", "two": "running"}


def test_a_running_lab_becomes_another(host: Host, two: Conf) -> None:
    prefix = host.prefix()
    prefix.converge(Wish("started", two))
    kept = prefix.virt_env.get_vm("one").domain().ID()
    changed = copy.deepcopy(two)
    changed["domains"]["one"]["nics"].append({"net": "extra"})
    changed["domains"]["one"]["disks"].append({"name": "data", "type": "empty", "size": "2M", "format": "raw"})
    changed["domains"]["one"]["disks"][0]["size"] = "3M"
    changed["domains"]["two"]["memory"] = 48
    changed["domains"]["three"] = copy.deepcopy(two["domains"]["two"])
    changed["nets"]["extra"] = {"dhcp": {"start": 10, "end": 20}}
    shown = prefix.plan(Wish("", changed))
    assert prefix.converge(Wish("", changed)).review() == shown.review()
    assert not prefix.plan(Wish("", changed))
    assert "change disks data, nics 2" in "\n".join(shown.review())
    assert "memory 32" in shown.diff()["before"] and "memory 48" in shown.diff()["after"]
    found = live(prefix, "one")
    assert len(found.findall("devices/interface")) == 3
    assert [one.get("dev") for one in found.iterfind("devices/disk[@device='disk']/target")] == ["vda", "vdb"]
    assert prefix.virt_env.get_vm("one").domain().ID() == kept  # it never stopped
    assert prefix.virt_env.get_vm("one").domain().blockInfo("vda")[0] == 3 << 20
    assert live(prefix, "two").findtext("memory") == str(48 << 10)
    assert states(prefix) == {"one": "running", "two": "running", "three": "running"}
    names = {one.text for one in _network(prefix, "mgmt").iterfind("dns/host/hostname")}
    assert {"one", "two", "three", "one-extra"} <= names


def test_vms_and_networks_go(host: Host, two: Conf) -> None:
    prefix = host.prefix()
    for name in two["domains"]:
        two["domains"][name]["nics"].pop()
    more = copy.deepcopy(two)
    more["domains"]["another"] = lab("another")["domains"]["another"]
    prefix.converge(Wish("started", more))
    address = prefix.virt_env.get_vm("two").ip()
    del two["nets"]["wire"]
    prefix.stop(["one"])
    prefix.converge(Wish("", two))
    assert prefix.virt_env.get_vm("two").ip() == address  # the other addresses stay when one is free again
    assert not prefix.plan(Wish("", two))
    assert states(prefix) == {"one": "missing", "two": "running"}
    assert "another" not in "\n".join(one for one in host.look() if not one.endswith(".console"))


def test_a_guest_that_does_not_let_go(host: Host, two: Conf, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that has booted nothing answers no request to give a device up."""
    monkeypatch.setattr(live_domain, "UNPLUGGED", 0.5)
    prefix = host.prefix()
    prefix.converge(Wish("started", two))
    less = copy.deepcopy(two)
    less["domains"]["one"]["nics"].pop()
    with pytest.raises(ChangeFailed, match="has not given up the interface .* restart the VM"):
        prefix.converge(Wish("", less))
    assert len(live(prefix, "one").findall("devices/interface")) == 2
    assert not prefix.plan(Wish("", two))
    prefix.stop(["one"])
    assert prefix.converge(Wish("started", less)).review()
    assert len(live(prefix, "one").findall("devices/interface")) == 1


def _network(prefix: Prefix, name: str) -> ElementTree.Element:
    found = prefix.connection.ask("networkLookupByUUIDString", prefix.virt_env.get_net(name).uuid)
    return ElementTree.fromstring(found.XMLDesc())


def test_networks_with_both_families(host: Host, two: Conf) -> None:
    prefix = host.prefix()
    two["nets"]["mgmt"]["ipv6"] = True
    prefix.converge(Wish("started", two))
    net = prefix.virt_env.get_net()
    assert net.gw6().startswith("fd") and net.gw6().endswith("::1")
    assert [one.get("family") for one in _network(prefix, "mgmt").iterfind("ip")] == ["ipv4", "ipv6"]
    two["domains"]["three"] = copy.deepcopy(two["domains"]["two"])
    prefix.converge(Wish("", two))
    assert not prefix.plan(Wish("", two))
    hosts = [len(one.findall("dhcp/host")) for one in _network(prefix, "mgmt").iterfind("ip")]
    assert hosts == [3, 3]


def test_what_fails_is_taken_back(host: Host, two: Conf) -> None:
    prefix = host.prefix()
    prefix.converge(Wish("started", two))
    before = host.look()
    broken = copy.deepcopy(two)
    broken["domains"]["three"] = copy.deepcopy(two["domains"]["two"])
    broken["domains"]["four"] = {**copy.deepcopy(two["domains"]["two"]), "cpu_model": "no-such-model"}
    with pytest.raises(ChangeFailed, match="(?s)domain four: start: .*no-such-model.*undone again: "):
        prefix.converge(Wish("", broken))
    assert states(prefix) == {"one": "running", "two": "running"}
    assert not prefix.plan(Wish("", two))
    assert {one for one in host.look() if not one.endswith(".console")} <= before


def test_a_lab_whose_first_start_fails_is_gone(host: Host, two: Conf) -> None:
    before = host.look()
    prefix = host.prefix()
    two["domains"]["two"]["kernel"] = "/no/such/kernel"
    with pytest.raises(ChangeFailed, match="no/such/kernel"):
        prefix.converge(Wish("started", two))
    assert not [one for one in host.look() - before if one.startswith(("domain", "network", "process"))]


def test_the_other_process_is_named(host: Host, two: Conf) -> None:
    prefix = host.prefix()
    prefix.virt_conf(two)
    with Journal(prefix.paths.journal()):
        with pytest.raises(LockTimeout, match="another process works on this prefix"):
            prefix.start()
        assert prefix.standing().action == ""
        assert not prefix.plan(Wish("", two))


def test_folders_that_are_in_the_way(host: Host, two: Conf) -> None:
    (host.folder / "kept").mkdir()
    (host.folder / "kept" / "images").mkdir()
    (host.folder / "kept" / "images" / "mine").write_text("precious")
    with pytest.raises(LagoError, match="it has images already"):
        host.prefix("kept").virt_conf(two)
    (host.folder / "closed").mkdir(mode=0o700)
    with pytest.raises(LagoError, match="QEMU's user cannot come through .*closed"):
        host.prefix("closed/lab").virt_conf(two)
    with pytest.raises(LagoError, match="QEMU's user cannot come through .*closed"):
        host.prefix("closed/deep/lab").virt_conf(two)
    assert not list((host.folder / "closed").iterdir())
    (host.folder / "closed").rmdir()
    assert (host.folder / "kept" / "images" / "mine").read_text() == "precious"


def test_an_overlay_says_its_templates_format(host: Host) -> None:
    base = host.folder / "kept.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(base), "5M"], check=True)
    conf = lab("one", disks=[{"name": "root", "type": "template", "template_type": "qcow2", "path": str(base)}])
    prefix = host.prefix()
    prefix.converge(Wish("started", conf))
    (disk,) = prefix.virt_env.get_vm("one").disks()
    assert disk.chain == ((prefix.paths.disk("one", "root", "qcow2"), "qcow2"), (str(base), "qcow2"))
    top, below = image(disk.chain[0][0])
    assert top["backing-filename-format"] == "qcow2" and top["virtual-size"] == 5 << 20
    assert base.stat().st_uid == 0  # libvirt does not give QEMU what lies below
