# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab can leave on a host: looked for before and after it, by other means than the lab's own."""

from __future__ import annotations

import re
import subprocess
import time
import typing as t
from pathlib import Path

from tests.testbed.libvirt.daemon import Daemon

SETTLED = 10.0  # seconds for what ends by itself: dnsmasq's processes, links that the kernel takes away

# Below a daemon's folder: files of libvirt's own that say nothing of labs.
OWN = re.compile(
    r"^(lib/(dnsmasq/?$|qemu/(channel|checkpoint|domain|dump|nvram|ram|save|snapshot|channel/target|rdp|varstore)?/?$)"
    r"|lib/qemu/domain-\d+|cache/|etc/|run/|out$|again$|log/qemu/?$|lib/(boot|filesystems|images|sanlock|secrets)/?$)"
)
LISTS = {
    "domain": ("list", "--all", "--name"),
    "network": ("net-list", "--all", "--name"),
    "nwfilter binding": ("nwfilter-binding-list",),
    "pool": ("pool-list", "--all", "--name"),
}


def look(daemon: Daemon, *folders: Path) -> frozenset[str]:
    """All that is there now, a line each; the files of `folders` too."""
    return frozenset([*_of_libvirt(daemon), *_of_kernel(daemon), *_of_processes(daemon), *_files(daemon, folders)])


def check(daemon: Daemon, before: frozenset[str], *folders: Path) -> None:
    """Raises AssertionError with all that is there besides what was there `before`."""
    deadline = time.monotonic() + SETTLED
    left = look(daemon, *folders) - before
    while left and time.monotonic() < deadline:
        time.sleep(0.1)
        left = look(daemon, *folders) - before
    assert not left, "left behind:\n" + "\n".join(sorted(left))


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
    for path in sorted(daemon.folder.rglob("*")):
        said = str(path.relative_to(daemon.folder))
        if path.is_file() and not OWN.match(said):
            yield f"file of libvirt {said}"
    for name in ("etc/qemu", "run/qemu", "run/network"):
        for path in sorted((daemon.folder / name).rglob("*.xml")) if (daemon.folder / name).is_dir() else ():
            yield f"file of libvirt {name}/{path.name}"
    for folder in folders:
        yield from (f"file {path}" for path in sorted(folder.rglob("*")) if not path.is_dir())
    for group in Path("/sys/fs/cgroup").glob("**/machine*/qemu-*"):
        yield f"cgroup {group}"
