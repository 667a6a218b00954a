# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A libvirtd with QEMU of its own, without systemd: its namespaces, directories and sockets are private.

    python3 daemon.py DIRECTORY       # runs until it is ended; its URI is printed

The socket lies in DIRECTORY/run, so that clients need not enter the namespaces. Needs root; packages:
libvirt-daemon-system libvirt-daemon-driver-qemu libvirt-clients qemu-system-x86 dnsmasq-base iptables.
DIRECTORY has to be short (a socket's path has at most 107 bytes) and is to be removed by who made it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

FOLDERS = {"logs": "log", "lib": "lib", "run": "run"}  # of QEMU's driver, by what Lago's settings call them
START_LIMIT = 30.0  # seconds; an idle machine needs 0.2 to 0.7

# /sys is mounted anew, to show the links of the new network namespace; the tree of cgroups has to be below it again.
# libvirt asks QEMU what it can at each call, 5 s long, where only root may open /dev/kvm, as on machines without udev.
# What runs in the namespaces ends with them: the shell is the first of a process namespace.
NAMESPACES = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]
SETUP = r"""
set -e
mount -t proc proc /proc
mkdir -p "$STATE/cgroup"
mount --rbind /sys/fs/cgroup "$STATE/cgroup"
mount -t sysfs sysfs /sys
mount --rbind "$STATE/cgroup" /sys/fs/cgroup
umount -l "$STATE/cgroup"
mount --bind "$STATE/etc" /etc/libvirt
for kind in lib cache log; do
    mkdir -p /var/$kind/libvirt
    mount --bind "$STATE/$kind" /var/$kind/libvirt
done
mkdir -p /var/lib/libvirt/qemu /var/lib/libvirt/images /var/lib/libvirt/dnsmasq /var/lib/libvirt/boot
chown libvirt-qemu /var/lib/libvirt/qemu 2>/dev/null || true
mount -t tmpfs -o mode=755 tmpfs /run
if [ -e /dev/kvm ]; then
    cp -a /dev/kvm /run/kvm
    chmod 666 /run/kvm
    mount --bind /run/kvm /dev/kvm
fi
mkdir /run/libvirt
mount --bind "$STATE/run" /run/libvirt
ip link set lo up
virtlogd &
while :; do
    libvirtd || true
    while [ ! -e "$STATE/again" ]; do sleep 0.02; done
    rm "$STATE/again"
done
"""


class Daemon:
    """A running libvirtd; after `kill` it can `start` again, with the guests and networks that it had."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "run" / "libvirt-sock"
        self.uri = f"qemu+unix:///system?socket={self.socket}"
        self._prepare()
        with (folder / "out").open("ab") as log:
            self._shell = subprocess.Popen(
                [*NAMESPACES, "sh", "-c", SETUP],
                env={**os.environ, "STATE": str(folder)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def settings(self) -> dict[str, str]:
        """Lago's, by which a lab finds this daemon and its folders."""
        folders = {f"libvirt_{name}": str(self.folder / place / "qemu") for name, place in FOLDERS.items()}
        return {"libvirt_url": self.uri, **folders}

    def _prepare(self) -> None:
        for name in ("lib", "cache", "log", "run"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        shutil.copytree("/etc/libvirt", self.folder / "etc", dirs_exist_ok=True)
        shutil.rmtree(self.folder / "etc" / "qemu" / "networks", ignore_errors=True)  # no default network
        (self.folder / "etc" / "qemu.conf").write_text("cgroup_controllers = [ ]\n")
        (self.folder / "etc" / "libvirtd.conf").write_text('auth_unix_rw = "none"\nauth_unix_ro = "none"\n')

    def _wait(self) -> None:
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline and self._shell.poll() is None:
            if self.socket.exists() and self.virsh("uri", check=False).returncode == 0:
                return
            time.sleep(0.02)
        log = (self.folder / "out").read_text(errors="replace")
        raise RuntimeError(f"libvirtd did not start: {log[-2000:]}")

    def virsh(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        argv = ["virsh", "-q", "-c", self.uri, *words]
        return subprocess.run(argv, check=check, capture_output=True, text=True, timeout=60)

    @property
    def pid(self) -> int:
        """Of libvirtd, as seen from here. Raises RuntimeError while there is none."""
        for pid in self.members():
            try:
                if Path(f"/proc/{pid}/comm").read_text().strip() == "libvirtd":
                    return pid
            except OSError:
                continue
        raise RuntimeError("libvirtd does not run")

    def members(self) -> list[int]:
        """The processes of the namespaces: those whose process namespace is the shell's."""
        children = Path(f"/proc/{self._shell.pid}/task/{self._shell.pid}/children").read_text().split()
        wanted = os.readlink(f"/proc/{children[0]}/ns/pid") if children else ""
        found = []
        for path in Path("/proc").glob("[0-9]*"):  # no further: globbing in one that ends meanwhile is an error
            try:
                if os.readlink(path / "ns" / "pid") == wanted:
                    found.append(int(path.name))
            except OSError:
                continue
        return found

    def enter(self, *argv: str) -> list[str]:
        """The words that run `argv` in the daemon's namespaces of network and mounts."""
        return ["nsenter", "-t", str(self.pid), "-n", "-m", "--", *argv]

    def kill(self) -> None:
        """As a crash; its guests go on."""
        pid = self.pid
        os.kill(pid, signal.SIGKILL)
        while Path(f"/proc/{pid}").exists():
            time.sleep(0.005)

    def start(self) -> None:
        """Again, after `kill`."""
        (self.folder / "again").touch()
        self._wait()

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def stop(self) -> None:
        """Ends all that runs in the namespaces, guests too."""
        self.end()
        self._shell.wait()

    def end(self) -> None:
        """The same without waiting, for a handler of signals: it interrupts who waits, and holds Popen's lock."""
        self._shell.kill()  # unshare does not heed SIGTERM

    def wait(self) -> int:
        return self._shell.wait()


def main(folder: str) -> int:
    daemon = Daemon(Path(folder).resolve())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_unused: daemon.end())
    print(daemon.uri, flush=True)
    daemon.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
