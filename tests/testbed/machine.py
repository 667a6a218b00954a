# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest's machine: the QEMU command line, and starting it on a free port."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

from errors import TestbedError
from recipes import Recipe

QEMU = "qemu-system-x86_64"
MODULES = ("kernel", "initrd")  # of a hypervisor
TRIES = 5  # ports; each may be taken by somebody else between our look and QEMU's bind
WAYS_IN = {"127.0.0.1": "10.0.2.15", "127.0.0.2": "10.0.2.16"}  # an address here: the guest's that it leads to
SETTLED = 0.5  # seconds after which QEMU has bound its ports or ended


def mac(index: int) -> str:
    """Locally administered address of NIC eth`index`; guests never meet, so all may use it."""
    return f"52:54:00:f1:ee:{index:02x}"


def argv(recipe: Recipe, name: str, image: Path, folder: Path, port: int) -> list[str]:
    """QEMU in software emulation: a working KVM cannot be told from its device file."""
    return [
        *[QEMU, "-name", name, "-nodefaults", "-no-user-config", "-display", "none"],
        *["-machine", "pc", "-accel", "tcg,thread=multi", "-cpu", recipe.cpu],
        *["-smp", str(recipe.cpus), "-m", str(recipe.memory_mib)],
        *_boot(recipe, image),
        *["-chardev", _properties(backend="file", id="console", path=folder / "console.log")],
        *["-serial", "chardev:console", "-device", "virtio-rng-pci"],
        *_disk("root", image / "root.ext4", snapshot="on"),
        *[word for disk in disks(recipe, folder) for word in _disk(disk.stem, disk)],
        *[
            "-netdev",
            ",".join(["user,id=net0,ipv6=off,restrict=on", *_forwarded(port)]),
            *_nic(0),
        ],
        *[word for index, wire in enumerate(recipe.wires, 1) for word in _wired(index, wire)],
    ]


def _forwarded(port: int) -> list[str]:
    return [f"hostfwd=tcp:{here}:{port}-{there}:22" for here, there in WAYS_IN.items()]


def _boot(recipe: Recipe, image: Path) -> list[str]:
    """The kernel; or a hypervisor by multiboot, whose modules are the kernel with its command line and the ram disk."""
    if not recipe.hypervisor:
        return ["-kernel", str(image / "kernel"), "-initrd", str(image / "initrd"), "-append", recipe.append]
    # A module's name ends at a blank: links in the working directory stand in for paths that may have one.
    words = [f"kernel {recipe.append}", "initrd"]
    initrd = ",".join(word.replace(",", ",,") for word in words)
    return ["-kernel", str(image / "hypervisor"), "-append", recipe.hypervisor_append, "-initrd", initrd]


def disks(recipe: Recipe, folder: Path) -> list[Path]:
    return [folder / f"spare{index}.raw" for index in range(1, len(recipe.disks_mib) + 1)]


def launch(recipe: Recipe, name: str, image: Path, folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Start QEMU in a session of its own; the process and the local port that leads to SSH."""
    for disk, size in zip(disks(recipe, folder), recipe.disks_mib):
        with disk.open("wb") as empty:
            empty.truncate(size << 20)
    for module in MODULES if recipe.hypervisor else ():
        (folder / module).symlink_to(image / module)
    log = folder / "qemu.log"
    for _attempt in range(TRIES):
        port = _free_port()
        process = _spawn(argv(recipe, name, image, folder, port), folder, log)
        if _settled(process):
            return process, port
        if "host forwarding" not in log.read_text():
            break
    raise TestbedError(f"{name}: QEMU ended at once: {log.read_text().strip()}")


def _settled(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(SETTLED)
        return False
    except subprocess.TimeoutExpired:
        return True
    except BaseException:
        process.kill()
        process.wait()
        raise


def _spawn(words: list[str], folder: Path, log: Path) -> subprocess.Popen[bytes]:
    try:
        with log.open("wb") as output:
            return subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, "TMPDIR": str(folder)},  # of the root disk's throw-away layer
                start_new_session=True,
            )
    except FileNotFoundError:
        raise TestbedError(f"to start a guest {QEMU} is missing") from None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _disk(name: str, path: Path, **more: str) -> list[str]:
    drive = _properties(file=path, format="raw", id=name, cache="unsafe", **{"if": "none"}, **more)
    return ["-drive", drive, "-device", f"virtio-blk-pci,drive={name},serial={name}"]


def _wired(index: int, wire: int) -> list[str]:
    return ["-netdev", f"hubport,id=net{index},hubid={wire}", *_nic(index)]


def _nic(index: int) -> list[str]:
    return ["-device", f"virtio-net-pci,netdev=net{index},mac={mac(index)},romfile="]


def _properties(backend: str = "", **pairs: object) -> str:
    """QEMU's option syntax, in which a comma inside a value is doubled."""
    words = [f"{name}={str(value).replace(',', ',,')}" for name, value in pairs.items()]
    return ",".join([backend, *words] if backend else words)
