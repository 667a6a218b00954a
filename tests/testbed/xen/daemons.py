# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""XenStore's stock daemons on a machine without Xen, each with a directory, a store and guests of its own.

    python3 daemons.py c DIRECTORY       # or ocaml; runs until it is ended, its socket is DIRECTORY/socket

Packages: xen-utils-4.17 libxen-dev gcc libc6-dev. oxenstored needs root: its socket's path is compiled in, so it gets a
mount namespace in which that is the directory.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

PROGRAMS = Path("/usr/lib/xen-4.17/bin")
SOURCE = Path(__file__).with_name("fakexen.c")
KINDS = ("c", "ocaml")
START_LIMIT = 20.0  # seconds; an idle machine needs 0.1

OXENSTORED_CONF = """\
persistent = false
quota-activate = true
xenstored-kva = /run/xenstored/xsd_kva
xenstored-port = /run/xenstored/xsd_port
xenstored-log-file = /run/xenstored/xenstored.log
access-log-file = /run/xenstored/access.log
"""

PRIVATE_RUN = """
set -e
mount -t tmpfs tmpfs /run
mkdir /run/xen /run/xenstored
mount --bind "$FAKEXEN_DIR" /run/xenstored
mount --bind "$FAKEXEN_DIR/nr_open" /proc/sys/fs/nr_open
exec "$@"
"""  # it raises its limit of open files to fs.nr_open, which a container forbids


def build(folder: Path) -> Path:
    """The preloaded library, compiled into `folder`. Raises CalledProcessError with the compiler's words."""
    made = folder / "fakexen.so"
    if not made.exists():
        new = folder / f"fakexen.{os.getpid()}.so"
        argv = ["cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-o", str(new)]
        subprocess.run([*argv, str(SOURCE)], check=True)
        new.rename(made)
    return made


class Daemon:
    """A running daemon of `kind`; `options` are further words of its command line (of the C daemon)."""

    def __init__(self, kind: str, folder: Path, library: Path, options: tuple[str, ...] = ()) -> None:
        self.kind, self.folder, self.options = kind, folder, options
        self.socket = folder / "socket"
        self._library = library
        folder.mkdir(parents=True, exist_ok=True)
        os.mkfifo(folder / "evtchn")
        (folder / "oxenstored.conf").write_text(OXENSTORED_CONF)
        (folder / "xsd_kva").write_bytes(bytes(4096))
        (folder / "xsd_port").write_text("99")
        (folder / "nr_open").write_text("1024\n")
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        preloaded = ["env", f"LD_PRELOAD={self._library}"]
        if self.kind == "c":
            argv = [*preloaded, str(PROGRAMS / "xenstored"), "-N", *self.options]
        else:
            ours = ["--no-fork", "--config-file", "/run/xenstored/oxenstored.conf"]
            within = ["unshare", "--mount", "sh", "-c", PRIVATE_RUN, "oxenstored"]
            argv = [*within, *preloaded, str(PROGRAMS / "oxenstored"), *ours]
        env = {**os.environ, "FAKEXEN_DIR": str(self.folder), "XENSTORED_RUNDIR": str(self.folder)}
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self._wait(process)
        except BaseException:
            process.kill()
            process.wait()
            raise
        return process

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            try:
                with socket.socket(socket.AF_UNIX) as tried:
                    tried.connect(str(self.socket))
                return
            except OSError:
                time.sleep(0.01)
        log = (self.folder / "log").read_text(errors="replace")
        raise RuntimeError(f"{self.kind} xenstored did not start: {log[-2000:]}")

    @property
    def environment(self) -> dict[str, str]:
        """In which libxs, and who looks as it does, finds the daemon."""
        return {"XENSTORED_RUNDIR": str(self.folder)}

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        """As a crash."""
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        if self._process.poll() is None:
            self.thaw()
            self._process.terminate()
            try:
                self._process.wait(1)
            except subprocess.TimeoutExpired:
                self.kill()

    def wait(self) -> int:
        return self._process.wait()


def main(kind: str, folder: str) -> int:
    directory = Path(folder).resolve()
    directory.mkdir(parents=True, exist_ok=True)
    daemon = Daemon(kind, directory, build(directory))
    (directory / "pid").write_text(f"{os.getpid()}\n")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return daemon.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        daemon.stop()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
