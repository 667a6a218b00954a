# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each method of python-kvm beside virsh, on one daemon and on the test driver: the same values, field by field."""

from __future__ import annotations

import re
import typing as t
import uuid
from pathlib import Path
from xml.etree import ElementTree

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor import kvm
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.errors import Denied, Gone, NotSupported
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.kvm import Hypervisor, KvmError

from tests.libvirt.conftest import TEST_DRIVER

if t.TYPE_CHECKING:
    from tests.testbed.libvirt.daemon import Daemon

Virsh = t.Callable[..., str]


def fields(printed: str) -> dict[str, t.Any]:
    """Lines `Key: value` as python-kvm has them: `CPU(s):  2` is {"cpus": 2}."""
    found: dict[str, t.Any] = {}
    for line in printed.splitlines():
        key, colon, value = line.partition(":") if ":" in line else line.strip().partition(" ")
        if not colon or not value.strip():
            continue
        name = re.sub("[()]", "", key.strip().lower()).replace(" ", "_")
        text = value.strip()
        found[name] = int(text) if text.isdigit() else {"yes": True, "no": False}.get(text, text)
    return found


def between(ask: t.Callable[[], dict[str, t.Any]], ours: t.Callable[[], dict[str, t.Any]]) -> None:
    """Figures that move: in one of many readings ours lies between two of virsh's in every field."""
    for _unused in range(100):
        first, found, last = ask(), ours(), ask()
        assert found.keys() == first.keys()
        if all(_inside(found[key], first[key], last[key]) for key in found):
            return
    raise AssertionError(f"{found} is never between {first} and {last}")


def _inside(value: t.Any, one: t.Any, other: t.Any) -> bool:
    low, high = sorted((_amount(one), _amount(other)))
    return low <= _amount(value) <= high


def _amount(value: t.Any) -> int:
    return int(str(value).split()[0])


@pytest.fixture(params=["qemu", "test"])
def uri(request: pytest.FixtureRequest, daemon: Daemon) -> str:
    return daemon.uri if request.param == "qemu" else TEST_DRIVER


@pytest.fixture
def host(uri: str) -> t.Iterator[Hypervisor]:
    with Hypervisor(uri) as made:
        yield made


@pytest.fixture
def real(daemon: Daemon) -> t.Iterator[Hypervisor]:
    with Hypervisor(daemon.uri) as made:
        yield made


# The node


WANDERING = ("cpu_frequency", "memory_size")  # a virtual machine's memory may grow for minutes, its clock wanders


def test_nodeinfo(host: Hypervisor, uri: str, virsh: Virsh) -> None:
    def still(said: dict[str, t.Any]) -> dict[str, t.Any]:
        return {key: value for key, value in said.items() if key not in WANDERING}

    def wandering(said: dict[str, t.Any]) -> dict[str, t.Any]:
        return {key: said[key] for key in WANDERING}

    ours, theirs = host.generic.nodeinfo(), fields(virsh(uri, "nodeinfo"))
    assert (list(ours), still(ours)) == (list(theirs), still(theirs))
    assert [str(ours[key]).split()[1:] for key in WANDERING] == [str(theirs[key]).split()[1:] for key in WANDERING]
    between(lambda: wandering(fields(virsh(uri, "nodeinfo"))), lambda: wandering(host.generic.nodeinfo()))


def test_nodecpumap(host: Hypervisor, uri: str, virsh: Virsh) -> None:
    assert host.generic.nodecpumap() == fields(virsh(uri, "nodecpumap"))


def test_a_sparse_map_of_cpus() -> None:
    with Hypervisor(TEST_DRIVER) as host:
        assert host.generic.nodecpumap() == {"cpus_present": 8, "cpus_online": 3, "cpu_map": "y-y-y---"}


@pytest.mark.parametrize("cpu", ["*", 0])
def test_nodecpustats(host: Hypervisor, uri: str, virsh: Virsh, cpu: str | int) -> None:
    words = [] if cpu == "*" else ["--cpu", str(cpu)]
    between(lambda: fields(virsh(uri, "nodecpustats", *words)), lambda: host.generic.nodecpustats(cpu))


def test_nodecpustats_in_percent(real: Hypervisor, daemon: Daemon, virsh: Virsh) -> None:
    ours = real.generic.nodecpustats(percent=True)
    theirs = fields(virsh(daemon.uri, "nodecpustats", "--percent"))
    assert ours.keys() == theirs.keys() == {"user", "system", "idle", "iowait", "usage"}
    shares = {name: float(text[:-1]) for name, text in ours.items()}
    assert all(re.fullmatch(r"\d+\.\d%", text) for text in ours.values())
    assert shares["usage"] == pytest.approx(shares["user"] + shares["system"], abs=0.11)
    assert sum(shares.values()) - shares["usage"] == pytest.approx(100, abs=0.25)


def test_percent_of_a_driver_whose_clock_stands_still() -> None:
    with Hypervisor(TEST_DRIVER) as host:
        assert host.generic.nodecpustats(percent=True) == {}


@pytest.mark.parametrize("cell", ["*", 0])
def test_nodememstats(real: Hypervisor, daemon: Daemon, virsh: Virsh, cell: str | int) -> None:
    words = [] if cell == "*" else ["--cell", str(cell)]
    between(lambda: fields(virsh(daemon.uri, "nodememstats", *words)), lambda: real.generic.nodememstats(cell))


def test_freecell(host: Hypervisor, uri: str, virsh: Virsh) -> None:
    between(lambda: fields(virsh(uri, "freecell")), host.generic.freecell)
    between(lambda: fields(virsh(uri, "freecell", "--cellno", "0")), lambda: host.generic.freecell(cellno=0))
    between(lambda: fields(virsh(uri, "freecell", "--all", quiet=False)), lambda: host.generic.freecell(all=True))


def test_freepages(real: Hypervisor, daemon: Daemon, virsh: Virsh) -> None:
    def theirs() -> dict[str, t.Any]:
        return fields(virsh(daemon.uri, "freepages", "--all").split(":\n", 1)[1])

    ours = real.generic.freepages(all=True)
    assert list(ours) == ["node_0"]
    between(theirs, lambda: real.generic.freepages(all=True)["node_0"])


def test_node_memory_tune(real: Hypervisor, daemon: Daemon, virsh: Virsh) -> None:
    def theirs() -> dict[str, t.Any]:
        return fields(virsh(daemon.uri, "node-memory-tune").split("\n", 1)[1])

    before = real.generic.node_memory_tune()
    assert before == theirs()
    try:
        real.generic.node_memory_tune(shm_pages_to_scan=before["shm_pages_to_scan"] + 7, sleep_millisecs=31)
        after = real.generic.node_memory_tune()
        assert after == theirs()
        assert after["shm_pages_to_scan"] == before["shm_pages_to_scan"] + 7
        assert after["shm_sleep_millisecs"] == 31
    finally:
        real.generic.node_memory_tune(before["shm_pages_to_scan"], before["shm_sleep_millisecs"])
    assert real.generic.node_memory_tune() == before
    with pytest.raises(KvmError, match="shm_full_scans cannot be set"):
        real.generic.node_memory_tune(shm_full_scans=1)
    with pytest.raises(KvmError, match="4 values, where there are 3"):
        real.generic.node_memory_tune(1, 2, 3, 4)


def test_version(host: Hypervisor, uri: str, virsh: Virsh) -> None:
    assert host.generic.version() == fields(virsh(uri, "version"))


def test_capabilities_and_domcapabilities(real: Hypervisor, daemon: Daemon, virsh: Virsh) -> None:
    def theirs(*words: str) -> t.Any:
        root = ElementTree.fromstring(virsh(daemon.uri, *words))
        return kvm.from_xml(root)[root.tag]

    assert _steady(real.generic.capabilities()) == _steady(theirs("capabilities"))
    assert real.generic.domcapabilities() == theirs("domcapabilities")
    assert real.generic.domcapabilities(virttype="qemu", machine="q35") == theirs(
        "domcapabilities", "--virttype", "qemu", "--machine", "q35"
    )
    with pytest.raises(KvmError):
        real.generic.domcapabilities(arch="aarch64")


def _steady(capabilities: dict[str, t.Any]) -> dict[str, t.Any]:
    """Without what wanders on a virtual machine."""
    host = capabilities["host"]
    host.pop("topology")
    host["cpu"].pop("counter", None)
    return capabilities


def test_sysinfo(virsh: Virsh, real: Hypervisor, tmp_path: Path) -> None:
    with Hypervisor(TEST_DRIVER) as host:
        root = ElementTree.fromstring(virsh(TEST_DRIVER, "sysinfo"))
        entries = {one.get("name"): one.text for one in root.iterfind("bios/entry")}
        assert host.generic.sysinfo() == {"type": "smbios", "bios": entries}
        assert entries["vendor"] == "LENOVO"
    with pytest.raises(NotSupported, match="SMBIOS information is not available"):
        real.generic.sysinfo()


def test_maxvcpus_models_and_uri(host: Hypervisor, uri: str, virsh: Virsh) -> None:
    assert host.generic.maxvcpus() == int(virsh(uri, "maxvcpus"))
    assert host.generic.uri() == virsh(uri, "uri").strip()
    assert host.generic.cpu_models("x86_64") == virsh(uri, "cpu-models", "x86_64").split()


def test_baseline_and_compare(real: Hypervisor, daemon: Daemon, virsh: Virsh, tmp_path: Path) -> None:
    cpu = "<cpu><arch>x86_64</arch><model>Westmere</model><vendor>Intel</vendor></cpu>"
    path = tmp_path / "cpu.xml"
    path.write_text(cpu)
    theirs = ElementTree.fromstring(virsh(daemon.uri, "cpu-baseline", str(path)))
    assert real.generic.cpu_baseline(cpu) == kvm.from_xml(theirs)["cpu"]
    assert real.generic.cpu_compare(cpu) in ("incompatible", "superset")


def test_suspend_is_refused_before_anything_is_asked_for(real: Hypervisor) -> None:
    with pytest.raises(KvmError, match="'standby' is not one of mem, disk, hybrid"):
        real.generic.nodesuspend("standby", 60)
    with pytest.raises(KvmError, match="59 s are less than 60 s"):
        real.generic.nodesuspend("mem", 59)
    if real.generic.capabilities()["host"].get("power_management") is True:
        for target in ("mem", "disk", "hybrid"):
            with pytest.raises(KvmError, match=f"cannot suspend to {target}; it can: nothing"):
                real.generic.nodesuspend(target, 60)


def test_what_a_driver_does_not_have_and_who_may_not() -> None:
    with Hypervisor(TEST_DRIVER) as host:
        for ask in (host.generic.nodememstats, host.generic.node_memory_tune, host.generic.domcapabilities):
            with pytest.raises(NotSupported, match="not supported by the connection driver"):
                ask()
    with Hypervisor(TEST_DRIVER, readonly=True) as host, pytest.raises(Denied, match="read only access"):
        host.generic.domcapabilities()


def test_both_names_of_the_generic_part(real: Hypervisor) -> None:
    assert real.hypervisor is real.generic
    assert kvm._xml_to_dict is kvm.from_xml


# virsh itself


def test_virsh_and_its_controls(real: Hypervisor) -> None:
    good, out, err = real.virsh("uri")
    assert (good, err) == (True, "") and out.startswith("qemu")
    good, out, err = real.virsh("dominfo", "nobody")
    assert not good and "failed to get domain 'nobody'" in err
    with real.set_controls(parse=True):
        assert "nobody" not in real.virsh("list", all=True, name=True, table=False)
        with pytest.raises(KvmError, match="failed to get domain"):
            real.virsh("dominfo", "nobody")
        with real.set_controls(ignore_opts=["name"]):
            assert real.virsh("list", all=True, name=True)[0].split() == ["Id", "Name", "State"]
    assert real.controls == {"parse": False, "ignore_opts": []}
    with pytest.raises(KvmError, match="there is no control colour"), real.set_controls(colour=True):
        pass


def test_words_for_virsh_pass_no_shell(real: Hypervisor) -> None:
    good, _unused, err = real.virsh("dominfo", "$(touch /tmp/x); a b")
    assert not good and "$(touch /tmp/x); a b" in err


def test_identities() -> None:
    for _unused in range(50):
        assert uuid.UUID(kvm.gen_uuid()).version == 4
        mac = kvm.gen_mac()
        assert re.fullmatch("52:54:00(:[0-9a-f]{2}){3}", mac)
        assert int(mac[:2], 16) & 3 == 2  # locally administered, of one station
    assert len({kvm.gen_mac() for _unused in range(50)}) == 50


# The families


def test_domains(virsh: Virsh) -> None:
    with Hypervisor(TEST_DRIVER) as host:
        assert host.list_domains() == {"test": {"id": 1, "state": "running"}}
        assert host.list_domains(states=[kvm.SHUTOFF]) == {}
        theirs = fields(virsh(TEST_DRIVER, "dominfo", "test"))
        ours = host.domain.info("test")
        theirs = {name: value for name, value in theirs.items() if not name.startswith("security")}
        assert ours.pop("cpu_time").endswith("s") and theirs.pop("cpu_time").endswith("s")
        assert ours == theirs
        assert host.domain.id("test") == 1 and host.domain.state("test") == "running"
        assert host.domain.uuid("test") == virsh(TEST_DRIVER, "domuuid", "test").strip()
        assert host.domain.conf("test")["name"] == "test"
        with pytest.raises(Gone, match="Domain not found"):
            host.domain.info("nobody")


def test_networks_interfaces_and_pools(virsh: Virsh) -> None:
    with Hypervisor(TEST_DRIVER) as host:
        assert host.list_networks() == {"default": {"state": "active", "autostart": False, "persistent": True}}
        assert host.network.info("default") == fields(virsh(TEST_DRIVER, "net-info", "default"))
        assert host.network.conf("default")["bridge"]["@name"] == "virbr0"
        assert host.list_networks(inactive=True) == {}
        assert host.list_interfaces() == {"eth1": {"state": "active", "mac": "aa:bb:cc:dd:ee:ff"}}
        assert host.interface.name("aa:bb:cc:dd:ee:ff") == "eth1" and host.interface.mac("eth1") == "aa:bb:cc:dd:ee:ff"
        assert host.interface.conf("eth1")["mtu"] == {"@size": "1492"}
        assert host.list_pools() == {"default-pool": {"state": "active", "autostart": False}}
        assert host.pool.info("default-pool") == fields(virsh(TEST_DRIVER, "pool-info", "default-pool"))


NODE = Path(__file__).with_name("node.xml")


def test_volumes_and_snapshots_of_a_node_described_in_a_file(virsh: Virsh) -> None:
    uri = f"test://{NODE}"
    with Hypervisor(uri) as host:
        assert host.list_domains(all=True) == {
            "web 1": {"id": 1, "state": "running"},
            "db1": {"id": -1, "state": "shut off"},
        }
        assert host.list_domains(states=["shut off"]).keys() == {"db1"}
        assert host.list_volumes("images") == {"web 1.qcow2": {"path": "/images/web 1.qcow2"}}
        assert host.volume.info("web 1.qcow2", "images") == fields(
            virsh(uri, "vol-info", "web 1.qcow2", "--pool", "images")
        )
        assert host.volume.path("web 1.qcow2", "images") == "/images/web 1.qcow2"
        assert host.list_snapshots("db1").keys() == {"before", "after"}
        assert host.snapshot.parent("db1", "after") == "before" and host.snapshot.current("db1") == "after"
        assert host.domain.blklist("web 1") == [{"target": "vda", "source": "/images/web 1.qcow2"}]
        assert host.domain.iflist("web 1")[0]["mac"] == "52:54:00:00:00:01"


def test_secrets_tell_their_use_and_not_their_value(real: Hypervisor, daemon: Daemon, tmp_path: Path) -> None:
    path = tmp_path / "secret.xml"
    number = str(uuid.uuid4())
    path.write_text(f"<secret><uuid>{number}</uuid><usage type='ceph'><name>client.libvirt</name></usage></secret>")
    daemon.virsh("secret-define", str(path))
    daemon.virsh("secret-set-value", number, "--base64", "aHVzaA==")
    try:
        assert real.list_secrets() == {number: {"usage": "ceph", "usage_id": "client.libvirt"}}
        assert "hush" not in repr(real.secret.conf(number)) and "aHVzaA" not in repr(real.secret.conf(number))
    finally:
        daemon.virsh("secret-undefine", number)
