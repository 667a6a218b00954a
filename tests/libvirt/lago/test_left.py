# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a killed libvirtd leaves goes with a lab, and what is somebody else's stays: planted here, piece by piece.

Its killing itself is in test_killed.
"""

from __future__ import annotations

import json
import subprocess
import typing as t
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.connection import Connection
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago import firewall, identity, left_of_network
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.errors import LagoError
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.left_of_domain import SHORT, sweep
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.wish import Wish

from tests.libvirt.lago.conftest import Host, lab
from tests.libvirt.lago.inside import network_of
from tests.testbed.libvirt.daemon import Daemon

LAB, NET = "0123456789abcdef0123456789abcdef", "mgmt"
NAME = identity.network_name(LAB, NET)
BRIDGE = identity.bridge_name(LAB, NET)
V4, V6 = "192.168.77.0/24", "fd00:77::/64"
DOCUMENT = """<network>
  <name>{name}</name><uuid>{uuid}</uuid><forward mode="{mode}"/><bridge name="{bridge}"/>{ips}
</network>"""
IPS = """<ip address="192.168.77.1" netmask="255.255.255.0"/><ip family="ipv6" address="fd00:77::1" prefix="64"/>"""

# Rules as libvirt makes them, with what each has to name.
RULES = {
    "iptables": (
        ("filter", "LIBVIRT_INP -i {bridge} -p udp -m udp --dport 67 -j ACCEPT"),
        ("filter", "LIBVIRT_FWO -s {v4} -i {bridge} -j ACCEPT"),
        ("nat", "LIBVIRT_PRT -s {v4} ! -d {v4} -p tcp -j MASQUERADE --to-ports 1024-65535"),
    ),
    "ip6tables": (("filter", "LIBVIRT_FWX -i {bridge} -o {bridge} -j ACCEPT"),),
}
OTHER = {"bridge": "virbr7", "v4": "192.168.78.0/24", "v6": "fd00:78::/64"}
OWN = {"bridge": BRIDGE, "v4": V4, "v6": V6}


@pytest.fixture
def inside(fresh: Daemon) -> t.Iterator[Daemon]:
    """A daemon of the test's own, whose network this thread is in."""
    with network_of(fresh):
        yield fresh


@pytest.fixture
def own(inside: Daemon) -> t.Iterator[Connection]:
    with Connection(inside.uri, readonly=False) as made:
        yield made


def run(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=30).stdout


def planted_rules(said: t.Mapping[str, str]) -> list[str]:
    """Makes them where they are not, twice; a line for each rule, as it is shown."""
    made = []
    for tool, rules in RULES.items():
        for table, rule in rules:
            words = rule.format_map(said).split()
            subprocess.run([tool, "-w", "-t", table, "-N", words[0]], check=False, capture_output=True)
            for _again in range(2):
                run(tool, "-w", "-t", table, "-A", *words)
                made.append(f"{tool} {table} -A {' '.join(words)}")
    return sorted(made)


def iptables() -> list[str]:
    found = []
    for tool in RULES:
        for table in ("filter", "nat"):
            lines = run(f"{tool}-save", "-t", table).splitlines()
            found += [f"{tool} {table} {line}" for line in lines if line.startswith("-A LIBVIRT_")]
    return sorted(found)


def test_rules_of_iptables(inside: Daemon) -> None:
    """Those in libvirt's chains that name the bridge or the subnet, each as often as it is there."""
    planted_rules(OWN)
    others = planted_rules(OTHER)
    run("iptables", "-w", "-A", "INPUT", "-i", BRIDGE, "-j", "ACCEPT")  # somebody's own, in no chain of libvirt's
    firewall.remove_rules(BRIDGE, [V4, V6])
    assert iptables() == others
    assert f"-A INPUT -i {BRIDGE} -j ACCEPT" in run("iptables-save")


def test_rules_of_nftables(inside: Daemon) -> None:
    """As libvirt 10.4 makes them, in a table of its own; the links are known to the kernel by their numbers."""
    run("nft", "add table ip libvirt_network; add chain ip libvirt_network guest_nat; add table ip6 libvirt_network")
    run("nft", "add chain ip6 libvirt_network guest_output; add table ip mine; add chain ip mine guest_nat")
    for said in (OWN, OTHER):
        run("ip", "link", "add", said["bridge"], "type", "bridge")
        run("nft", "add rule ip libvirt_network guest_nat ip saddr {v4} ip daddr != {v4} masquerade".format_map(said))
        run("nft", 'add rule ip libvirt_network guest_nat oif "{bridge}" reject'.format_map(said))
        run("nft", 'add rule ip6 libvirt_network guest_output ip6 saddr {v6} iif "{bridge}" accept'.format_map(said))
        run("nft", 'add rule ip mine guest_nat iif "{bridge}" accept'.format_map(said))
    firewall.remove_rules(BRIDGE, [V4, V6])
    rules = [one["rule"] for one in json.loads(run("nft", "-j", "list", "ruleset"))["nftables"] if "rule" in one]
    left = [rule for rule in rules if rule["table"] == "libvirt_network"]
    assert len(left) == 3 and BRIDGE not in json.dumps(left) and '"192.168.77.0"' not in json.dumps(left)
    assert len([rule for rule in rules if rule["table"] == "mine"]) == 2


def test_a_rule_that_cannot_be_removed(inside: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firewall, "_of_iptables", lambda _tool: [("filter", ["LIBVIRT_INP", "-i", BRIDGE])])
    with pytest.raises(LagoError, match="iptables -w -t filter -D LIBVIRT_INP -i lg.*: iptables"):
        firewall.remove_rules(BRIDGE, [])


def test_without_the_tools(inside: Daemon, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A host has one of them, or the other."""
    monkeypatch.setenv("PATH", str(tmp_path))
    firewall.remove_rules(BRIDGE, [V4])


def network(connection: Connection, name: str, mode: str, bridge: str) -> t.Any:
    uuid = identity.object_uuid(LAB, identity.NETWORK, NET)
    ips = IPS if mode == "nat" else ""
    said = DOCUMENT.format(name=name, uuid=uuid, mode=mode, bridge=bridge, ips=ips)
    return connection.ask("networkDefineXML", said)


@contextmanager
def dnsmasq(folder: Path, network: str) -> t.Iterator[subprocess.Popen[bytes]]:
    """One that serves nothing, by a file of that name."""
    conf = folder / f"{network}.conf"
    conf.write_text("port=0\nkeep-in-foreground\nuser=root\npid-file=\n")
    with subprocess.Popen(["dnsmasq", f"--conf-file={conf}"], stderr=subprocess.DEVNULL) as running:
        try:
            yield running
        finally:
            running.kill()


def test_a_network(own: Connection, inside: Daemon, tmp_path: Path) -> None:
    """Its bridge is there, and it does not run: libvirt cannot start it before."""
    stale = network(own, NAME, "nat", BRIDGE)
    run("ip", "link", "add", BRIDGE, "type", "bridge")
    planted_rules(OWN)
    with pytest.raises(Exception, match="File exists"):
        own.ask_of(stale, "create")
    with dnsmasq(tmp_path, NAME) as ours, dnsmasq(tmp_path, f"{NAME}x") as other:
        left_of_network.sweep(own, stale)
        assert ours.wait(10) == -9
        assert other.poll() is None
    assert iptables() == [line for line in iptables() if BRIDGE not in line and V4 not in line]
    own.ask_of(stale, "create")
    own.ask_of(stale, "destroy")
    assert iptables() == []


@pytest.mark.parametrize(("name", "mode", "bridge"), [(NAME, "bridge", "br0"), ("office", "nat", BRIDGE)])
def test_a_bridge_of_somebody_else(own: Connection, name: str, mode: str, bridge: str) -> None:
    """The host's, which guests of a lab are plugged into; one of a network that no lab made."""
    run("ip", "link", "add", bridge, "type", "bridge")
    left_of_network.sweep(own, network(own, name, mode, bridge))
    run("ip", "link", "show", bridge)


def test_a_domain(host: Host) -> None:
    """Of two whose names begin alike, which libvirt's folders have no more of: those of the one that runs stay."""
    conf = lab("a-long-name-one", "a-long-name-two")
    prefix = host.prefix()
    prefix.converge(Wish("started", conf))
    one, two = (prefix.virt_env.get_vm(vm).libvirt_name for vm in conf["domains"])
    short = one[:SHORT]
    assert short == two[:SHORT]
    folders = [Path(host.settings["libvirt_lib"]), Path(host.settings["libvirt_run"])]
    planted = [
        folders[0] / f"domain-99-{short}",
        folders[0] / f"channel/target/domain-99-{short}",
        folders[1] / f"channel/98-{short}",
    ]
    others = [folders[0] / f"domain-99-x{short[1:]}", folders[0] / f"domain-99-{short[:-1]}"]
    for path in (*planted, *others):
        path.mkdir(parents=True)
        (path / "master-key.aes").touch()
    pid = folders[1] / f"{one}.pid"
    running = sorted(folders[0].glob("domain-[0-9]-*"))
    assert len(running) == 2
    pid.write_text("7")
    try:
        sweep(prefix.connection, prefix.setting, one)
        assert [path for path in (*planted, *others) if path.exists()] == others
    finally:
        for path in others:
            (path / "master-key.aes").unlink()
            path.rmdir()
        (folders[1] / "channel").rmdir()
    assert not pid.exists()
    assert sorted(folders[0].glob("domain-[0-9]-*")) == running
