# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the other tests rely on: whatever a lab could leave is seen. Each kind is planted, told, and taken away."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import typing as t
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.libvirt.lago import leftovers
from tests.libvirt.lago.conftest import Host
from tests.testbed.libvirt.daemon import Daemon

NAME = "planted"
LIBVIRT = {
    "domain": (
        "define",
        "<domain type='qemu'><name>planted</name><memory>1024</memory><os><type>hvm</type></os></domain>",
    ),
    "network": ("net-define", "<network><name>planted</name></network>"),
    "pool": ("pool-define", "<pool type='dir'><name>planted</name><target><path>/var/tmp</path></target></pool>"),
}
GONE = {"domain": "undefine", "network": "net-undefine", "pool": "pool-undefine"}
KERNEL = {
    "link planted": ("ip link add planted type bridge", "ip link del planted"),
    "address lo 198.51.100.7/32": ("ip address add 198.51.100.7/32 dev lo", "ip address del 198.51.100.7/32 dev lo"),
    "address lo 2001:db8::7/128": ("ip address add 2001:db8::7 dev lo", "ip address del 2001:db8::7 dev lo"),
    "route 198.51.100.0/24 ": ("ip route add 198.51.100.0/24 dev lo", "ip route del 198.51.100.0/24"),
    "route blackhole 2001:db8::/64 ": ("ip -6 route add blackhole 2001:db8::/64", "ip -6 route del 2001:db8::/64"),
    "iptables filter ": ("iptables -w -A FORWARD -i planted", "iptables -w -D FORWARD -i planted"),
    "iptables nat ": ("iptables -w -t nat -A OUTPUT -o planted", "iptables -w -t nat -D OUTPUT -o planted"),
    "iptables mangle ": ("iptables -w -t mangle -A INPUT -i planted", "iptables -w -t mangle -D INPUT -i planted"),
    "nft table inet planted": ("nft add table inet planted", "true"),
    "nft chain inet planted": ("nft add chain inet planted planted", "true"),
    "nft rule inet planted planted ": (
        "nft add rule inet planted planted ip ttl 7 drop",
        "nft delete table inet planted",
    ),
    "ip6tables filter ": ("ip6tables -w -A INPUT -i planted", "ip6tables -w -D INPUT -i planted"),
}
BELOW_DAEMON = (
    "etc/qemu/planted.xml",
    "etc/qemu/networks/planted.xml",
    "lib/dnsmasq/planted.conf",
    "lib/qemu/channel/target/planted",
    "lib/qemu/domain-7-planted",
    "lib/qemu/nvram/planted",
    "lib/qemu/save/planted.save",
    "lib/qemu/snapshot/planted",
    "log/qemu/planted.log",
    "run/network/planted.xml",
    "run/qemu/planted.pid",
)


def told(host: Host, before: frozenset[str]) -> list[str]:
    """What the check says is there besides."""
    with pytest.raises(AssertionError, match="left behind") as caught:
        host.check(before)
    return str(caught.value).partition(": ")[2].split("; ")


@pytest.fixture
def before(host: Host, monkeypatch: pytest.MonkeyPatch) -> frozenset[str]:
    monkeypatch.setattr(leftovers, "SETTLED", 0.0)
    return host.look()


@contextmanager
def as_file(path: Path) -> t.Iterator[None]:
    path.touch()
    yield
    path.unlink()


@contextmanager
def as_folder(path: Path) -> t.Iterator[None]:
    path.mkdir()
    yield
    path.rmdir()


@contextmanager
def as_socket(path: Path) -> t.Iterator[None]:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        yield
    path.unlink()


@contextmanager
def as_link(path: Path) -> t.Iterator[None]:
    path.symlink_to("/nowhere")
    yield
    path.unlink()


FORMS = (as_file, as_folder, as_socket, as_link)


def test_in_libvirt(host: Host, before: frozenset[str], tmp_path: Path) -> None:
    for kind, (verb, document) in LIBVIRT.items():
        (tmp_path / kind).write_text(document)
        host.daemon.virsh(verb, str(tmp_path / kind))
    seen = told(host, before)
    for kind in LIBVIRT:
        host.daemon.virsh(GONE[kind], NAME)
    files = [f"file of libvirt etc/qemu/{NAME}.xml", f"file of libvirt etc/qemu/networks/{NAME}.xml"]
    assert seen == sorted([*(f"{kind} {NAME}" for kind in LIBVIRT), *files])
    host.check(before)


def test_in_the_kernel(host: Host, before: frozenset[str]) -> None:
    for add, _unused in KERNEL.values():
        subprocess.run(host.daemon.enter(*add.split()), check=True)
    seen = told(host, before)
    for _unused, remove in KERNEL.values():
        subprocess.run(host.daemon.enter(*remove.split()), check=True)
    assert [line for line in KERNEL if not any(one.startswith(line) for one in seen)] == []
    host.check(before)


@pytest.mark.parametrize("program", ["qemu-system-planted", "dnsmasq", "swtpm"])
def test_a_process(host: Host, before: frozenset[str], tmp_path: Path, program: str) -> None:
    (tmp_path / program).symlink_to("/bin/sleep")
    enter = ["nsenter", "-t", str(host.daemon.pid), "-n", "-m", "-p", "--"]
    ready = 'echo && exec "$0" 60'
    argv = [*enter, "setpriv", "--pdeathsig", "KILL", "sh", "-c", ready, str(tmp_path / program)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None and running.stdout.readline() == b"\n"
        deadline_of_exec(host.daemon, program)
        seen = told(host, before)
        running.kill()
    assert seen == [f"process {program} "]


def deadline_of_exec(daemon: Daemon, program: str) -> None:
    """Its words say "sh" until it has become the program."""
    for _again in range(500):
        if any(program in line for line in leftovers._of_processes(daemon)):
            return


@pytest.mark.parametrize("form", FORMS)
def test_a_file(host: Host, before: frozenset[str], form: t.Any) -> None:
    of_ssh = Path(tempfile.mkdtemp(prefix="lago-ssh-"))
    with ExitStack() as planted:
        planted.callback(of_ssh.rmdir)
        for place in BELOW_DAEMON:
            path = host.daemon.folder / place
            if not path.parent.exists():
                planted.enter_context(as_folder(path.parent))
            planted.enter_context(form(path))
        planted.enter_context(form(host.folder / NAME))
        planted.enter_context(form(of_ssh / "at"))
        seen = told(host, before)
    of_libvirt = [f"file of libvirt {place}" for place in BELOW_DAEMON]
    assert seen == sorted([*of_libvirt, f"file {host.folder / NAME}", f"file {of_ssh}"])
    host.check(before)


@pytest.mark.parametrize("name", ["machine/qemu-1-vm.libvirt-qemu", r"machine.slice/machine-qemu\x2d1\x2dvm.scope"])
def test_a_cgroup(
    host: Host, before: frozenset[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """In a tree of our own: the libvirtd of the tests may make none (`cgroup_controllers = []`)."""
    (tmp_path / name).mkdir(parents=True)
    monkeypatch.setattr(leftovers, "CGROUPS", tmp_path)
    assert told(host, before) == [f"cgroup {tmp_path / name}"]
