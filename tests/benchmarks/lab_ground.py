# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labs that are measured: a libvirtd of their own, the guests' files, and how long a guest takes to answer."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import typing as t

from ansible_collections.fleet.hypervisor.plugins.module_utils.lago import snapshots
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.parallel import invoke_in_parallel
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.prefix import Prefix
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.templates.repository import TemplateRepository

from tests.libvirt.lago.inside import guests
from tests.testbed.libvirt import tiny
from tests.testbed.libvirt.daemon import Daemon

NAMES = ("one", "two", "three")
LIMIT = 240.0  # seconds for a guest to answer
PAUSE = 0.1  # seconds between two questions, for all sides
CLOCK = 2.0  # seconds by which a guest's may be wrong
# Emulated, OpenSSH takes seconds to greet and to agree on keys; who gives up before has it begin anew.
HANDSHAKE = "20"  # seconds
UNKNOWN = {
    "StrictHostKeyChecking": "no",
    "UserKnownHostsFile": "/dev/null",
    "LogLevel": "ERROR",
    "ConnectTimeout": HANDSHAKE,
}
TESTBED = pathlib.Path(tiny.__file__).parents[1]


class Ground:
    """A libvirtd with QEMU and folders for labs; `clear` ends and removes all of it."""

    def __init__(self) -> None:
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fleet-bl-"))
        self.folder.chmod(0o755)
        self.daemon = Daemon(self.folder / "d")
        self.daemon.virsh("capabilities")  # libvirtd learns once what QEMU can: not in the first lab's time
        self.guest = tiny.copied(self.folder / "tiny")

    def prefix(self, name: str) -> Prefix:
        settings = {
            **self.daemon.settings(),
            "lease_dir": str(self.folder / "leases"),
            "template_store": str(self.folder / "store"),
        }
        return Prefix(str(self.folder / name), settings)

    def clear(self) -> None:
        self.daemon.stop()
        shutil.rmtree(self.folder)


class Way(t.NamedTuple):
    """How SSH reaches a guest."""

    address: str
    key: str

    def ask(self, command: str) -> subprocess.CompletedProcess[str]:
        settings = [word for key, value in UNKNOWN.items() for word in ("-o", f"{key}={value}")]
        argv = ["ssh", "-F", "none", "-i", self.key, *settings, f"root@{self.address}", command]
        return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False, text=True)


def wait_for(way: Way) -> None:
    """Asks until a login succeeds: the same way for a lab, and for what was raised by hand."""
    until = time.monotonic() + LIMIT
    while way.ask("true").returncode:
        if time.monotonic() > until:
            raise RuntimeError(f"{way.address} does not answer within {LIMIT:g} s")
        time.sleep(PAUSE)


class Kind(t.NamedTuple):
    """One kind of guest, three of which are a lab. `key`: that lets in, "" for the lab's own."""

    name: str
    spec: t.Dict[str, t.Any]
    repository: t.Optional[TemplateRepository]
    key: str = ""

    def ways(self, prefix: Prefix) -> dict[str, Way]:
        key = self.key or prefix.paths.ssh_id_rsa()
        return {name: Way(vm.ip(), key) for name, vm in prefix.virt_env.get_vms().items()}


def tiny_guests(ground: Ground) -> Kind:
    """128 MiB, busybox and dropbear: hardly anything to be booted."""
    repository = TemplateRepository.from_file(str(ground.guest / "repository.json"))
    return Kind("tiny", guests(ground.guest, *NAMES), repository)


def debian_guests(ground: Ground) -> Kind:
    """The testbed's Debian for labs, with systemd, udev, OpenSSH and the agent."""
    sys.path.insert(0, str(TESTBED))
    import image
    import recipes

    place = ground.folder / "debian"
    place.mkdir(mode=0o755)
    for name in ("kernel", "initrd", "root.ext4", "id_ed25519"):
        subprocess.run(["cp", "--sparse=always", str(image.image_of("lab") / name), str(place / name)], check=True)
        (place / name).chmod(0o600 if name == "id_ed25519" else 0o644)
    more = {
        "memory": recipes.LAB.memory_mib,
        "kernel": str(place / "kernel"),
        "initrd": str(place / "initrd"),
        "cmdline": recipes.LAB.append,
        "disks": [{"name": "root", "template_type": "qcow2", "path": str(place / "root.ext4"), "dev": "vda"}],
    }
    return Kind("Debian", guests(ground.guest, *NAMES, **more), None, str(place / "id_ed25519"))


def raised(ground: Ground, kind: Kind, name: str) -> tuple[Prefix, float]:
    """A lab whose VMs answer, and the seconds from its description to that."""
    prefix = ground.prefix(name)
    begun = time.perf_counter()
    prefix.virt_conf(kind.spec, kind.repository)
    prefix.start()
    invoke_in_parallel(wait_for, kind.ways(prefix).values())
    return prefix, time.perf_counter() - begun


class Back(t.NamedTuple):
    """Seconds to go back to a snapshot with memory: until all guests run with the right time, and until SSH answers."""

    run: float
    answer: float


def reverted(prefix: Prefix, kind: Kind, before: t.Sequence[str]) -> Back:
    """`before`: what `boots` said before the snapshot was taken."""
    begun = time.perf_counter()
    prefix.revert_snapshots("memory")
    run = time.perf_counter() - begun
    invoke_in_parallel(wait_for, kind.ways(prefix).values())
    answer = time.perf_counter() - begun
    if boots(prefix, kind) != before:
        raise RuntimeError("the guests were booted, instead of going on from their memory")
    invoke_in_parallel(_check_clock, kind.ways(prefix).values())
    return Back(run, answer)


def boots(prefix: Prefix, kind: Kind) -> list[str]:
    """What each kernel calls the boot since which it runs; it thinks of a name when it is asked for the first time."""
    return invoke_in_parallel(_boot, kind.ways(prefix).values())


def _boot(way: Way) -> str:
    done = way.ask("cat /proc/sys/kernel/random/boot_id")
    if done.returncode:
        raise RuntimeError(f"{way.address} does not say what boot it is: {done.stderr}")
    return done.stdout


def _check_clock(way: Way) -> None:
    """What was not set is late by more: as long as the memory was written, and read again."""
    begun = time.time()
    told = int(way.ask("date +%s").stdout)
    if not begun - CLOCK <= told <= time.time() + CLOCK:
        raise RuntimeError(f"{way.address} is {begun - told:.0f} s late")


def snapped(prefix: Prefix, name: str, memory: bool) -> float:
    """The seconds for which guests were paused."""
    prefix.create_snapshots(name, memory=memory)
    return float(snapshots.taken(prefix.virt_env)[name]["paused"])
