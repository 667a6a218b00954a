# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest of 20 MB that is ready in seconds without KVM too, of Debian's packages: for labs of tests and quickstart.

    python3 tiny.py        # builds it, once, into .cache/testbed/images/tiny-KEY, and prints that folder

    kernel, initrd         Debian's cloud kernel, and a ram disk that is the system itself where there is no disk vda
    repository.json        a repository of templates in Lago's format with one, `tiny`: the system on an ext4 disk
    tiny.qcow2 .hash .metadata   that template

It has busybox, dropbear (SSH), the guest agent, and services as SysV has them. Who it is it learns from a NoCloud CD,
else from systemd's credentials in SMBIOS strings; its addresses by DHCP, or as the CD says. The command line of its
kernel is CMDLINE; with `tiny.without=network,dropbear,qemu-guest-agent` it does without what is named.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

IMAGES = Path(os.environ.get("TESTBED_CACHE", Path(__file__).resolve().parents[3] / ".cache" / "testbed")) / "images"
FILES = Path(__file__).with_name("tiny")

CMDLINE = "console=ttyS0 quiet mitigations=off"
KERNEL = "linux-image-cloud-amd64"  # depends on the package with the kernel of the day
PACKAGES = ("busybox-static", "dropbear-bin", "qemu-guest-agent")
LIBRARIES = (
    *("libc6", "libcrypt1", "libgmp10", "libtomcrypt1", "libtommath1", "zlib1g"),
    *("libglib2.0-0", "libpcre2-8-0", "libnuma1", "libudev1", "liburing2"),
)
PROGRAMS = (
    "usr/sbin/dropbear",
    "usr/bin/dropbearkey",
    "usr/bin/dbclient",
    "usr/bin/dropbearconvert",
    "usr/sbin/qemu-ga",
)
LOADER = "lib64/ld-linux-x86-64.so.2"
LIBRARY_FOLDERS = ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu")
MODULES = (
    *("virtio_pci", "virtio_blk", "virtio_net", "virtio_console", "virtio_scsi", "virtio_balloon", "virtio-rng"),
    *("sd_mod", "sr_mod", "ata_piix", "isofs", "button", "evdev"),
)
FOLDERS = ("proc", "sys", "dev", "run", "tmp", "new", "root/.ssh", "etc/dropbear", "var/log", "lib/modules")
PLACES = {  # a file of ours -> where it lies in the guest
    "init": "init",
    "inittab": "etc/inittab",
    "rc": "etc/rc",
    "rc.down": "etc/rc.down",
    "identity": "etc/identity",
    "lease": "etc/lease",
    "power": "etc/acpi/PWRF/00000080",
    "functions": "etc/init.d/functions",
    "network": "etc/init.d/network",
    "dropbear": "etc/init.d/dropbear",
    "qemu-guest-agent": "etc/init.d/qemu-guest-agent",
    "service": "sbin/service",
    "shutdown": "sbin/shutdown",
}
TEXTS = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "etc/group": "root:x:0:\n",
    "etc/shells": "/bin/sh\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "etc/os-release": 'ID=tiny\nNAME="tiny guest"\n',
}
DISK_MIB = 64


class TinyError(Exception):
    """The guest cannot be built; says what was tried and what came back."""


def image() -> Path:
    """The folder with the guest, built now if there is none of this recipe yet. Raises TinyError."""
    folder = IMAGES / f"tiny-{_key()}"
    IMAGES.mkdir(parents=True, exist_ok=True)
    with (IMAGES / "tiny.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            for old in IMAGES.glob("tiny-*"):
                shutil.rmtree(old)
            with tempfile.TemporaryDirectory(dir=IMAGES, prefix=".tiny-") as scratch:
                _build(Path(scratch)).rename(folder)
    return folder


def copied(to: Path) -> Path:
    """A copy of the guest in the new folder `to`, for a QEMU that may not look into the checkout."""
    shutil.copytree(image(), to)
    to.chmod(0o755)
    return to


def _key() -> str:
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for name in sorted(PLACES):
        digest.update((FILES / name).read_bytes())
    return digest.hexdigest()[:16]


def _build(work: Path) -> Path:
    packages, tree, made = work / "packages", work / "tree", work / "made"
    for folder in (packages, tree, made):
        folder.mkdir(mode=0o755)
    _unpack(packages, work)
    _programs(packages, tree)
    _modules(packages, tree)
    _own(tree)
    kernel = made / "kernel"
    shutil.copy(_one(packages / "boot", "vmlinuz-*"), kernel)
    kernel.chmod(0o644)
    (made / "initrd").write_bytes(_archive(tree))
    _template(tree, work / "raw", made)
    return made


def _unpack(packages: Path, work: Path) -> None:
    depends = _run("apt-cache", "depends", KERNEL, cwd=work).split()
    kernel = next((word for word in depends if word.startswith("linux-image-") and word != KERNEL), None)
    if kernel is None:
        raise TinyError(f"apt-cache knows no kernel behind {KERNEL}")
    names = (kernel, *PACKAGES, *LIBRARIES)
    _run("apt-get", "-q", "download", *names, cwd=work)
    for package in sorted(work.glob("*.deb")):
        _run("dpkg-deb", "-x", str(package), str(packages), cwd=work)


def _programs(packages: Path, tree: Path) -> None:
    """Busybox under all its names, and the others with the libraries that their loader finds for them."""
    busybox = tree / "bin/busybox"
    _copy(packages / "bin/busybox", busybox)
    for name in _run(str(busybox), "--list", cwd=tree).split():
        if name != "busybox":
            (tree / "bin" / name).symlink_to("busybox")
    (tree / "sbin").mkdir()
    (tree / "sbin/init").symlink_to("../bin/busybox")
    for name in ("acpid", "hwclock"):  # the agent sets no clock without the latter
        (tree / "sbin" / name).symlink_to("../bin/busybox")
    loader = packages / LOADER
    real = packages / os.readlink(loader).lstrip("/") if loader.is_symlink() else loader
    _copy(real, tree / LOADER)
    search = ":".join(str(packages / folder) for folder in LIBRARY_FOLDERS)
    for program in PROGRAMS:
        _copy(packages / program, tree / program)
        for line in _run(str(real), "--library-path", search, "--list", str(packages / program), cwd=tree).splitlines():
            name, arrow, path = line.strip().partition(" => ")
            found = path.split(" ")[0]
            if arrow and not name.startswith("/"):
                if not found.startswith(str(packages)):
                    raise TinyError(f"{program} needs {name}, which none of the packages has")
                _copy(Path(found), tree / LIBRARY_FOLDERS[0] / name)
    (tree / "usr/bin/ssh").symlink_to("dbclient")


def _modules(packages: Path, tree: Path) -> None:
    """The kernel's modules and what they depend on; the file `order` has the names as they are to be loaded."""
    there = {path.stem.replace("-", "_"): path for path in (packages / "lib/modules").rglob("*.ko")}
    order: list[str] = []

    def add(name: str) -> None:
        name = name.replace("-", "_")
        if name in order:
            return
        if name not in there:
            raise TinyError(f"the kernel's package has no module {name}")
        for field in there[name].read_bytes().split(b"\0"):
            if field.startswith(b"depends="):
                for other in filter(None, field[8:].decode().split(",")):
                    add(other)
        _copy(there[name], tree / "lib/modules" / f"{name}.ko")
        order.append(name)

    for module in MODULES:
        add(module)
    (tree / "lib/modules/order").write_text("".join(f"{name}\n" for name in order))


def _own(tree: Path) -> None:
    for folder in FOLDERS:
        (tree / folder).mkdir(parents=True, exist_ok=True)
    for name, place in PLACES.items():
        _copy(FILES / name, tree / place)
        (tree / place).chmod(0o755)
    for place, text in TEXTS.items():
        (tree / place).write_text(text)
        (tree / place).chmod(0o644)
    (tree / "root").chmod(0o700)
    (tree / "root/.ssh").chmod(0o700)
    (tree / "tmp").chmod(0o1777)


def _archive(tree: Path) -> bytes:
    """The tree as the kernel unpacks it, root's (driver-api/early-userspace/buffer-format.rst, `newc`)."""
    parts: list[bytes] = []
    entries = [(path.relative_to(tree).as_posix(), path) for path in sorted(tree.rglob("*"))]
    for number, (name, path) in enumerate(entries, 1):
        info = path.lstat()
        data = os.readlink(path).encode() if stat.S_ISLNK(info.st_mode) else b"" if path.is_dir() else path.read_bytes()
        parts.append(_entry(number, info.st_mode, name, data))
    parts.append(_entry(0, 0, "TRAILER!!!", b""))
    return b"".join(parts)


def _entry(number: int, mode: int, name: str, data: bytes) -> bytes:
    raw = name.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(raw), 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + raw
    return b"".join(part + b"\0" * (-len(part) % 4) for part in (head, data))


def _template(tree: Path, raw: Path, made: Path) -> None:
    disk = made / "tiny.qcow2"
    owner = ["-E", "root_owner=0:0"]
    _run("mke2fs", "-q", "-t", "ext4", "-L", "tiny", *owner, "-d", str(tree), str(raw), f"{DISK_MIB}M", cwd=made)
    _run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(disk), cwd=made)
    disk.chmod(0o644)
    version = {"source": "here", "handle": disk.name, "timestamp": 1}
    repository = {
        "name": "tiny",
        "templates": {"tiny": {"versions": {"v1": version}}},
        "sources": {"here": {"type": "file", "args": {"root": "."}}},
    }
    texts = {
        "repository.json": json.dumps(repository),
        "tiny.qcow2.hash": hashlib.sha1(disk.read_bytes()).hexdigest(),  # as Lago's repositories have it
        "tiny.qcow2.metadata": json.dumps({"distro": "tiny", "arch": "x86_64"}),
    }
    for name, text in texts.items():
        (made / name).write_text(text + "\n")


def _copy(source: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, to)


def _one(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if not found:
        raise TinyError(f"the packages brought no {pattern}")
    return found[-1]


def _run(*argv: str, cwd: Path) -> str:
    try:
        done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    except OSError as error:
        raise TinyError(f"{argv[0]}: {error.strerror}") from None
    if done.returncode != 0:
        end: t.Sequence[str] = done.stderr.strip().splitlines()[-5:]
        raise TinyError(f"{' '.join(argv[:3])} ended with {done.returncode}: {' '.join(end)}")
    return done.stdout


if __name__ == "__main__":
    try:
        print(image())
    except TinyError as error:
        sys.exit(f"tiny guest: {error}")
