# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a fresh Debian ready: missing packages by apt, one virtual environment of pinned tools."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys

import environment
from locks import held
from paths import CACHE, HOME, LOGS, REQUIREMENTS, ROOT, VENV
from process import Stop, must

MODULE = "module:"

# package -> what shows that it is there: a program, a file, or a Python module of this interpreter
TOOLS = {
    "python3-venv": MODULE + "ensurepip",
    "git": "git",
    "openssh-client": "ssh",
    "iproute2": "ip",
    "procps": "kill",
    "util-linux": "unshare",
    "shellcheck": "shellcheck",
}
GUEST = {
    "qemu-system-x86": "qemu-system-x86_64",
    "mmdebstrap": "mmdebstrap",
    "e2fsprogs": "mke2fs",
    "openssh-client": "ssh-keygen",
}

XENSTORE = {
    "xen-utils-4.17": "/usr/lib/xen-4.17/bin/xenstored",
    "libxen-dev": "/usr/include/xenctrl.h",
    "xenstore-utils": "xenstore-ls",
    "gcc": "cc",
    "libc6-dev": "/usr/include/stdio.h",
}

LIBVIRT = {
    "libvirt-daemon-system": "/etc/libvirt/libvirtd.conf",
    "libvirt-daemon-driver-qemu": "/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_qemu.so",
    "libvirt-clients": "virsh",
    "python3-libvirt": "/usr/lib/python3/dist-packages/libvirt.py",
    "python3-jmespath": "/usr/lib/python3/dist-packages/jmespath",
    "qemu-system-x86": "qemu-system-x86_64",
    "qemu-utils": "qemu-img",
    "dnsmasq-base": "dnsmasq",
    "iptables": "iptables",
    "nftables": "nft",
    "openssh-server": "sshd",
}


def prepare(*wanted: dict[str, str]) -> None:
    """Packages of the wanted tables, the virtual environment, the collection's link."""
    with held("prepare"):
        packages({name: proof for group in (TOOLS, *wanted) for name, proof in group.items()})
        virtual_environment()
        environment.link_collection()


def packages(table: dict[str, str]) -> None:
    missing = sorted(name for name, proof in table.items() if not _there(proof))
    if not missing:
        return
    if os.geteuid() != 0:
        raise Stop(f"missing Debian packages, and not root to install them: {' '.join(missing)}")
    if not shutil.which("apt-get"):
        raise Stop(f"missing programs of these Debian packages, and no apt-get: {' '.join(missing)}")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    lack = f"Debian packages could not be installed (no network?): {' '.join(missing)}"
    quiet = ["apt-get", "-q", "-y", "-o", "Dpkg::Use-Pty=0"]
    for title, verb in (
        ("package lists", [*quiet, "update"]),
        (f"packages {' '.join(missing)}", [*quiet, "install", "--no-install-recommends", *missing]),
    ):
        must(title, verb, LOGS / "apt.log", cwd=ROOT, env=env, lack=lack)


def virtual_environment() -> None:
    """Pinned tools in .cache/venv, rebuilt when the pins or the interpreter change."""
    if not (3, 11) <= sys.version_info < (3, 14):
        raise Stop(f"Python 3.11 to 3.13 is needed, this is {sys.version.split()[0]}: make PYTHON=...")
    stamp, key = VENV / "made-from", _pins()
    if stamp.exists() and stamp.read_text() == key:
        return
    shutil.rmtree(VENV, ignore_errors=True)
    HOME.mkdir(parents=True, exist_ok=True)
    env = environment.tools()
    lack = "the virtual environment could not be made: no network, or no package index"
    pip = [str(VENV / "bin" / "pip"), "install", "-q", "-c", str(REQUIREMENTS / "constraints.txt")]
    for title, argv in (
        ("virtual environment", [sys.executable, "-m", "venv", str(VENV)]),
        ("ansible-core, linters, pytest", [*pip, "-r", str(REQUIREMENTS / "tools.txt")]),
    ):
        must(title, argv, LOGS / "venv.log", cwd=CACHE, env=env, lack=lack)
    stamp.write_text(key)


def need_root(what: str) -> None:
    if os.geteuid() != 0:
        raise Stop(f"{what} needs root, and this is user {os.geteuid()}")


def _there(proof: str) -> bool:
    if proof.startswith(MODULE):
        probe = [sys.executable, "-c", f"import {proof[len(MODULE) :]}"]
        return subprocess.run(probe, stderr=subprocess.DEVNULL, check=False).returncode == 0
    return os.path.exists(proof) if proof.startswith("/") else shutil.which(proof) is not None


def _pins() -> str:
    digest = hashlib.sha256(f"{sys.version}\n{ROOT}\n".encode())
    for path in sorted(REQUIREMENTS.glob("*.txt")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
