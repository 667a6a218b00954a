# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab can leave on a host: looked for before and after it, by other means than the lab's own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import time
import typing as t
from pathlib import Path

from tests.testbed.libvirt.daemon import Daemon

SETTLED = 10.0  # seconds for what ends by itself: dnsmasq's processes, links that the kernel takes away

CGROUPS = Path("/sys/fs/cgroup")
# machine/qemu-1-vm.libvirt-qemu, machine.slice/machine-qemu\x2d1\x2dvm.scope
OF_GUEST = re.compile(r"^(machine-)?qemu\b")

# Below a daemon's folder: files of libvirt's own that say nothing of labs. What runs is below run/qemu and run/network;
# of a network that was stopped, libvirt leaves there the number of its dnsmasq, and an empty folder.
OWN = re.compile(
    r"^(lib/(dnsmasq|qemu(/(channel|checkpoint|domain|dump|nvram|ram|save|snapshot|channel/target|rdp|varstore))?)$"
    r"|cache/|etc/(?!qemu/)|etc/qemu/(networks|autostart)(/autostart)?$|run/(?!qemu/|network/)|run/network/[^/]+\.pid$"
    r"|run/network/[^/]+/ports$|out$|again$|cgroup$|log$|log/qemu/?$|lib/(boot|filesystems|images|sanlock|secrets)/?$)"
)
# Tables that stay: those of iptables, and of libvirt from 10.4 on, which has no iptables any more.
STAYING = ("filter", "nat", "mangle", "libvirt_network")
LISTS = {
    "domain": ("list", "--all", "--name"),
    "network": ("net-list", "--all", "--name"),
    "nwfilter binding": ("nwfilter-binding-list",),
    "pool": ("pool-list", "--all", "--name"),
}


def look(daemon: Daemon, *folders: Path) -> frozenset[str]:
    """All that is there now, a line each; the files of `folders` too."""
    return frozenset(
        [
            *_of_libvirt(daemon),
            *_of_kernel(daemon),
            *_of_nftables(daemon),
            *_of_processes(daemon),
            *_files(daemon, folders),
            *_cgroups(),
        ]
    )


def check(daemon: Daemon, before: frozenset[str], *folders: Path) -> None:
    """Raises AssertionError with all that is there besides what was there `before`."""
    deadline = time.monotonic() + SETTLED
    left = look(daemon, *folders) - before
    while left and time.monotonic() < deadline:
        time.sleep(0.1)
        left = look(daemon, *folders) - before
    assert not left, "left behind: " + "; ".join(sorted(left))  # a line: reports show the first one


def _of_libvirt(daemon: Daemon) -> t.Iterator[str]:
    for kind, words in LISTS.items():
        for name in daemon.virsh(*words).stdout.split():
            yield f"{kind} {name}"


def _inside(daemon: Daemon, *argv: str) -> str:
    return subprocess.run(daemon.enter(*argv), check=True, capture_output=True, text=True, timeout=30).stdout


def _of_kernel(daemon: Daemon) -> t.Iterator[str]:
    """Links, addresses and routes, and rules of the firewall but for libvirt's empty chains."""
    for line in _inside(daemon, "ip", "-br", "link").splitlines():
        yield f"link {line.split()[0].split('@')[0]}"
    for line in _inside(daemon, "ip", "-br", "address").splitlines():
        words = line.split()
        yield from (f"address {words[0]} {one}" for one in words[2:] if not one.startswith("fe80"))
    for family in ("-4", "-6"):
        for line in _inside(daemon, "ip", family, "route").splitlines():
            if not line.startswith("fe80"):
                yield f"route {line.strip()}"
    for tool in ("iptables", "ip6tables"):
        for table in ("filter", "nat", "mangle"):
            for line in _inside(daemon, f"{tool}-save", "-t", table).splitlines():
                if line.startswith("-A") and "-j LIBVIRT_" not in line:
                    yield f"{tool} {table} {line}"


def _of_nftables(daemon: Daemon) -> t.Iterator[str]:
    """Rules, which iptables-save does not show where nft made them, and tables with what else they have."""
    for found in json.loads(_inside(daemon, "nft", "-j", "-s", "list", "ruleset"))["nftables"]:
        ((kind, said),) = found.items()
        if kind == "rule":
            rule = json.dumps(said["expr"])
            if "LIBVIRT_" not in rule:
                yield f"nft rule {said['family']} {said['table']} {said['chain']} {rule}"
        elif kind != "metainfo" and said.get("table", said["name"]) not in STAYING:
            yield f"nft {kind} {said['family']} {said['name']}"


def _of_processes(daemon: Daemon) -> t.Iterator[str]:
    """QEMU, dnsmasq and helpers that run in the daemon's namespaces; what has ended and is not reaped is no process."""
    for pid in daemon.members():
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        name = Path(words[0].decode(errors="replace")).name
        if name.startswith(("qemu", "dnsmasq", "swtpm", "radvd")):
            yield f"process {name} {_about(words)}"


def _about(words: list[bytes]) -> str:
    """What it is for: a guest's name, a network's configuration."""
    for before, word in zip(words, words[1:]):
        if before == b"-name":
            return word.decode()
    return next((word.decode() for word in words if b"/dnsmasq/" in word), "")


def _files(daemon: Daemon, folders: t.Sequence[Path]) -> t.Iterator[str]:
    """Whatever is no folder, sockets too, and folders with nothing in them."""
    for path in sorted(daemon.folder.rglob("*")):
        said = str(path.relative_to(daemon.folder))
        if not OWN.match(said) and _tells(path):
            yield f"file of libvirt {said}"
    for folder in folders:
        yield from (f"file {path}" for path in sorted(folder.rglob("*")) if _tells(path))
    for path in sorted(Path(tempfile.gettempdir()).glob("lago-*")):
        yield f"file {path}"


def _tells(path: Path) -> bool:
    try:
        return path.is_symlink() or not path.is_dir() or not any(path.iterdir())
    except FileNotFoundError:  # gone meanwhile
        return False


def _cgroups() -> t.Iterator[str]:
    """Of the whole machine: the namespaces of a libvirtd of the tests' own have its tree too."""
    for place, names, _files in os.walk(CGROUPS):
        yield from (f"cgroup {os.path.join(place, name)}" for name in names if OF_GUEST.search(name))
