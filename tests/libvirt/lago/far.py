# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A managed host that is reached by SSH alone: a libvirtd at its usual place, and a controller elsewhere.

The host's sshd is in the namespaces of the private libvirtd, where qemu:///system is that one. The controller is a
network namespace with one link to the host, and no way to what the host's labs have.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import typing as t
from pathlib import Path

from tests.libvirt.conftest import COLLECTIONS
from tests.testbed.libvirt.daemon import Daemon

HOST, CONTROLLER = "198.51.100.1", "198.51.100.2"
LINK = f"fv{os.getpid()}"
LIMIT = 200.0  # seconds for a play
SSHD = """
ListenAddress {address}
HostKey {folder}/host
AuthorizedKeysFile {folder}/controller.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
Subsystem sftp internal-sftp
"""


class Far:
    """`folder`: the controller's files; `daemon`: the libvirtd of the managed host `hv`."""

    def __init__(self, daemon: Daemon, folder: Path) -> None:
        self.daemon, self.folder = daemon, folder
        self._running: list[subprocess.Popen[str]] = []
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        self.folder.mkdir(parents=True)
        for name in ("host", "controller"):
            _done("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / name))
        holder = self._popen("unshare", "--net", "sh", "-c", "ip link set lo up && echo ready && exec sleep infinity")
        assert holder.stdout is not None and holder.stdout.readline() == "ready\n"
        self._controller = holder.pid
        self._link()
        config = self.folder / "sshd_config"
        config.write_text(SSHD.format(address=HOST, folder=self.folder))
        # Where its privileged part waits; /run is the namespace's own.
        start = f"mkdir -p /run/sshd && exec /usr/sbin/sshd -D -e -f {config}"
        # Its numbers of processes are those that /proc has there. It ends with nsenter, which waits for it.
        space = ["nsenter", "-t", str(self.daemon.pid), "-n", "-m", "-p", "--"]
        self._popen(*space, "setpriv", "--pdeathsig", "KILL", "sh", "-c", start)
        self._write_sources()
        self._wait()

    def _popen(self, *argv: str) -> subprocess.Popen[str]:
        with (self.folder / "out").open("a") as log:
            started = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True, cwd="/"
            )
        self._running.append(started)
        return started

    def _link(self) -> None:
        inside = ["nsenter", "-t", str(self.daemon.pid), "-n", "--"]
        _done(
            *inside, "ip", "link", "add", LINK, "type", "veth", "peer", "name", "eth0", "netns", str(self._controller)
        )
        for enter, name, address in ((inside, LINK, HOST), (self._enter(), "eth0", CONTROLLER)):
            _done(*enter, "ip", "address", "add", f"{address}/24", "dev", name)
            _done(*enter, "ip", "link", "set", name, "up")

    def _enter(self) -> list[str]:
        return ["nsenter", "-t", str(self._controller), "-n", "--"]

    def _write_sources(self) -> None:
        known = f"-o StrictHostKeyChecking=accept-new -o UserKnownHostsFile={self.folder}/known"
        hv = {
            "ansible_host": HOST,
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(self.folder / "controller"),
            "ansible_ssh_common_args": known,
            "ansible_python_interpreter": "/usr/bin/python3",
        }
        self.hosts = self.folder / "hosts.json"
        self.hosts.write_text(json.dumps({"hypervisors": {"hosts": {"hv": hv}}}))
        self.known = known.split()

    def _wait(self) -> None:
        deadline = time.monotonic() + 10
        argv = [
            "ssh",
            "-o",
            "BatchMode=yes",
            "-i",
            str(self.folder / "controller"),
            *self.known,
            f"root@{HOST}",
            "true",
        ]
        while True:
            done = self.here(*argv)
            if done.returncode == 0:
                return
            assert time.monotonic() < deadline, done.stderr + (self.folder / "out").read_text()
            time.sleep(0.1)

    def here(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """A command on the controller."""
        env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            "HOME": str(self.folder),
            "ANSIBLE_HOME": str(self.folder / "ansible"),
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1",  # tiny guests have no sftp
            "ANSIBLE_SSH_ARGS": "-o ControlMaster=no",  # nothing that runs on
        }
        return subprocess.run(
            [*self._enter(), *argv],
            env=env,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )

    def ansible(self, program: str, *words: str, sources: t.Sequence[Path] = ()) -> subprocess.CompletedProcess[str]:
        found = [word for source in (self.hosts, *sources) for word in ("-i", str(source))]
        return self.here(str(Path(sys.executable).with_name(program)), *found, *words)

    def close(self) -> None:
        for one in reversed(self._running):
            one.kill()
            one.wait()
            if one.stdout is not None:
                one.stdout.close()


def _done(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True, text=True, timeout=30)
