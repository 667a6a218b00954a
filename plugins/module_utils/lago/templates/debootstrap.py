# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Templates made of Debian's packages alone, where no image can be downloaded.

A source of a repository, whose handles are Debian's suites:

    {"type": "debootstrap", "args": {"mirror": "", "packages": ["nginx"], "size": "4G"}}

or, without any file, `repository()`. A template is a disk that boots by BIOS: GRUB, one partition with ext4, systemd,
OpenSSH, cloud-init (which learns from the lab's seed who it is) and the guest agent. It takes root, mmdebstrap or
debootstrap, mke2fs, qemu-img and GRUB's files of the package grub-pc-bin; nothing is mounted.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import struct
import subprocess
import tempfile
import typing as t
import uuid

from ..errors import CommandError, TemplateError
from ..utils import run_command
from .digests import Digests

if t.TYPE_CHECKING:
    from .http import Progress
    from .repository import TemplateRepository

NAME = "debootstrap"
SUITES = {"debian11": "bullseye", "debian12": "bookworm", "debian13": "trixie"}
MIRROR = "http://deb.debian.org/debian"  # for debootstrap; mmdebstrap takes the host's own sources
SIZE = "4G"
LIMIT = 3600.0  # seconds for the packages
PACKAGES = (
    *("systemd-sysv", "udev", "dbus", "linux-image-cloud-amd64", "initramfs-tools", "iproute2", "systemd-resolved"),
    *("openssh-server", "qemu-guest-agent", "cloud-init", "cloud-guest-utils", "python3", "ca-certificates"),
    "sudo",
)
OLD = {"bullseye": ("systemd-resolved",)}  # what a suite does not have as packages of their own

SECTOR, FIRST = 512, 2048  # bytes; where the partition begins, in sectors
LINUX, ACTIVE = 0x83, 0x80
CODE = 440  # bytes of a master boot record before its table
GRUB = "/usr/lib/grub/i386-pc"
GRUB_MODULES = ("biosdisk", "part_msdos", "ext2", "normal", "linux")
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}

GRUB_CFG = """set timeout=0
linux /vmlinuz root=UUID={uuid} ro net.ifnames=0 console=tty0 console=ttyS0
initrd /initrd.img
boot
"""
FILES = {
    "etc/fstab": "UUID={uuid} / ext4 defaults,errors=remount-ro 0 1\n",
    "etc/hostname": "localhost\n",
    "etc/machine-id": "uninitialized\n",  # systemd makes one at the first boot (machine-id(5))
    "etc/default/locale": "LANG=C.UTF-8\n",  # as cloud-init would have it: there is no locale-gen for another
    "etc/cloud/cloud.cfg.d/90_lago.cfg": (
        "datasource_list: [NoCloud, None]\nlocale: C.UTF-8\nsystem_info: {{network: {{renderers: [networkd]}}}}\n"
    ),
    # Else it asks no server for names of one label (resolved.conf(5)), such as those of a lab's VMs.
    "etc/systemd/resolved.conf.d/90_lago.conf": "[Resolve]\nResolveUnicastSingleLabel=yes\n",
    "boot/grub/grub.cfg": GRUB_CFG,
}
WANTS = "etc/systemd/system/multi-user.target.wants"
LINKS = {
    f"{WANTS}/systemd-networkd.service": "/lib/systemd/system/systemd-networkd.service",
    f"{WANTS}/systemd-resolved.service": "/lib/systemd/system/systemd-resolved.service",
    "etc/resolv.conf": "/run/systemd/resolve/stub-resolv.conf",
}
GONE = ("etc/ssh/ssh_host_*", "var/cache/apt/archives/*.deb", "var/lib/apt/lists/*_*", "var/lib/dbus/machine-id")


class DebootstrapProvider:
    """`args` as above; all may be left out. Raises TemplateError for what they cannot be."""

    def __init__(self, args: t.Mapping[str, t.Any]) -> None:
        unknown = set(args) - {"mirror", "packages", "size"}
        if unknown:
            raise TemplateError(
                f"a source of the type {NAME} takes mirror, packages and size, not {sorted(unknown)[0]}"
            )
        self._mirror = str(args.get("mirror") or "")
        self._packages = [_package(one) for one in args.get("packages") or ()]
        self._size = _bytes(str(args.get("size") or SIZE))

    def get_hash(self, handle: str) -> str:
        """None is known before it is made."""
        return ""

    def get_metadata(self, handle: str) -> dict[str, t.Any]:
        suite = _suite(handle)
        distro = next((name for name, one in SUITES.items() if one == suite), suite)
        return {"distro": distro, "arch": "x86_64", "root-partition": "/dev/vda1", "packages": self._packages}

    def download_image(
        self, handle: str, dest: str, digests: Digests | None = None, progress: Progress | None = None
    ) -> None:
        """Makes the template at `dest`, a qcow2. Raises TemplateError, OSError."""
        suite = _suite(handle)
        _demand()
        with tempfile.TemporaryDirectory(dir=_beside(dest), prefix=".debootstrap-") as work:
            try:
                self._build(suite, work, dest)
            except (CommandError, subprocess.SubprocessError) as error:
                raise TemplateError(f"making a template of Debian's {suite}: {error}") from None
        if digests is not None:
            digests.reset()
            with open(dest, "rb") as file:
                digests.read(file)

    def _build(self, suite: str, work: str, dest: str) -> None:
        tree, raw, root = os.path.join(work, "tree"), os.path.join(work, "raw"), str(uuid.uuid4())
        os.chmod(work, 0o755)  # apt's own user comes through it
        packages = [*(one for one in PACKAGES if one not in OLD.get(suite, ())), *self._packages]
        _must(_bootstrap(suite, self._mirror, packages, tree), LIMIT)
        finish(tree, root)
        with open(raw, "wb") as file:
            file.truncate(self._size)
        blocks = (self._size - FIRST * SECTOR) // 1024
        offset = f"offset={FIRST * SECTOR},root_owner=0:0"
        # GRUB 2.06 cannot read what has a seed of checksums.
        words = [
            "-q",
            "-F",
            "-t",
            "ext4",
            "-O",
            "^metadata_csum_seed",
            "-L",
            "root",
            "-U",
            root,
            "-E",
            offset,
            "-d",
            tree,
        ]
        _must(["mke2fs", *words, raw, f"{blocks}k"], LIMIT)
        _boot_loader(raw, work, self._size)
        _must(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, dest], LIMIT)


def repository(args: t.Mapping[str, t.Any] | None = None) -> TemplateRepository:
    """With the templates debian11, debian12 and debian13, also by their suites' names. Raises TemplateError."""
    from .repository import TemplateRepository

    said = dict(args or {})
    version = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:8]  # others have other packages
    names = {**SUITES, **{suite: suite for suite in SUITES.values()}}
    templates = {
        name: {"versions": {version: {"source": NAME, "handle": suite, "timestamp": 0}}}
        for name, suite in names.items()
    }
    sources = {NAME: {"type": NAME, "args": said}}
    return TemplateRepository({"name": NAME, "templates": templates, "sources": sources})


def _suite(handle: str) -> str:
    suite = SUITES.get(handle, handle)
    if not re.fullmatch(r"[a-z][a-z0-9-]*", suite):
        raise TemplateError(f"{handle!r} cannot be a suite of Debian's")
    return suite


def _package(name: t.Any) -> str:
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", name):
        raise TemplateError(f"{name!r} cannot be a package of Debian's")
    return name


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+)([KMGT]?)", text)
    size = int(found.group(1)) * UNITS.get(found.group(2), 1) if found else 0
    if not 1 << 30 <= size <= 1 << 41:
        raise TemplateError(f"a template's size has to be of 1G to 2T, not {text!r}")
    return size - size % (1 << 20)


def _demand() -> None:
    """All that is missing, told at once."""
    if platform.machine() != "x86_64":
        raise TemplateError(f"templates are made of Debian's packages on x86_64 only, not on {platform.machine()}")
    if os.geteuid() != 0:
        raise TemplateError("templates are made of Debian's packages by root only")
    tools = {"mke2fs": "e2fsprogs", "qemu-img": "qemu-utils", "grub-mkimage": "grub-common"}
    missing = [package for tool, package in tools.items() if not shutil.which(tool)]
    if not os.path.exists(f"{GRUB}/boot.img"):
        missing.append("grub-pc-bin")
    if not (shutil.which("mmdebstrap") or shutil.which("debootstrap")):
        missing.append("mmdebstrap (or debootstrap)")
    if missing:
        raise TemplateError(f"to make templates of Debian's packages these are missing: {', '.join(missing)}")


def _beside(path: str) -> str:
    """The nearest folder that apt can be told of: in names with a colon it finds no keys, and no package is signed."""
    folder = os.path.dirname(os.path.abspath(path))
    while ":" in folder:
        folder = os.path.dirname(folder)
    return folder


def _bootstrap(suite: str, mirror: str, packages: t.Sequence[str], tree: str) -> list[str]:
    """mmdebstrap takes a third of the time."""
    include = f"--include={','.join(packages)}"
    if not shutil.which("mmdebstrap"):
        return ["debootstrap", "--variant=minbase", include, suite, tree, mirror or MIRROR]
    lean = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale")]
    return ["mmdebstrap", "--variant=minbase", *lean, include, suite, tree, *([mirror] if mirror else [])]


def finish(tree: str, root: str) -> None:
    """What makes of the packages a template: no machine's name and keys, and the root file system's UUID `root`."""
    for pattern in GONE:
        _remove(tree, pattern)
    for name, text in FILES.items():
        path = os.path.join(tree, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.format(uuid=root))
    for name, target in LINKS.items():
        if target.startswith("/lib/") and not os.path.exists(os.path.join(tree, target[1:])):
            continue
        path = os.path.join(tree, name)
        if os.path.lexists(path):
            os.unlink(path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.symlink(target, path)


def _remove(tree: str, pattern: str) -> None:
    import glob

    for path in glob.glob(os.path.join(glob.escape(tree), pattern)):
        os.unlink(path)


def _boot_loader(raw: str, work: str, size: int) -> None:
    """GRUB in the master boot record, and its core behind that, where it looks for it: in the sectors from 1 on.

    Both addresses are what boot.img and the core's first sector have from their making (grub-core/boot/i386/pc).
    """
    core = os.path.join(work, "core.img")
    words = ["-O", "i386-pc", "-o", core, "-p", "(hd0,msdos1)/boot/grub"]
    _must(["grub-mkimage", *words, *GRUB_MODULES], 60)
    with open(f"{GRUB}/boot.img", "rb") as file:
        code = file.read(CODE)
    with open(core, "rb") as file:
        data = file.read()
    if len(data) > (FIRST - 1) * SECTOR:
        raise TemplateError(f"GRUB's core of {len(data)} bytes does not fit before the first partition")
    sectors = min(size // SECTOR - FIRST, 0xFFFFFFFF)
    entry = struct.pack("<B3sB3sII", ACTIVE, b"\xfe\xff\xff", LINUX, b"\xfe\xff\xff", FIRST, sectors)
    with open(raw, "r+b") as file:
        file.write(code.ljust(446, b"\0") + entry + bytes(48) + b"\x55\xaa" + data)


def _must(argv: t.Sequence[str], limit: float) -> None:
    done = run_command(argv, env={"DEBIAN_FRONTEND": "noninteractive"}, timeout=limit)
    if done.code != 0:
        lines = (done.err or done.out).decode("utf-8", "replace").strip().splitlines()
        raise CommandError(f"{argv[0]} ended with {done.code}: {' '.join(lines[-3:])}")
