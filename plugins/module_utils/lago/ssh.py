# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands in a guest, by OpenSSH's client: all calls of one Ssh share a connection, which is made with the first."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
import typing as t
import weakref

from .errors import GuestError
from .utils import CommandStatus

Command = t.Union[str, t.Sequence[str]]  # text for the guest's shell; or words, which it is not to look into

CONNECT = 10  # seconds for one try to connect
FAILED = 255  # what ssh ends with when it has not come through; a command can end so too
PERSIST = 20  # seconds for which the connection outlives us, should we be killed

# Nothing of the person's own settings: a lab's VMs and their addresses come and go, and so do their host keys.
OPTIONS = {
    "BatchMode": "yes",
    "IdentitiesOnly": "yes",
    "PreferredAuthentications": "publickey",
    "StrictHostKeyChecking": "no",
    "UserKnownHostsFile": "/dev/null",
    "GlobalKnownHostsFile": "/dev/null",
    "LogLevel": "ERROR",
    "ConnectTimeout": str(CONNECT),
    "ServerAliveInterval": "5",
    "ServerAliveCountMax": "3",
    "ControlMaster": "auto",
    "ControlPersist": str(PERSIST),
}

# Whatever it is written in, a script becomes a file of its own; its standard input is empty.
SCRIPT = """set -e; umask 077; script=$(mktemp); trap 'rm -f "$script"' EXIT; cat >"$script"; chmod 700 "$script"
set +e; "$script" "$@" </dev/null; exit $?"""


class Ssh:
    """Of `user` with the private key in the file `key` at `address`; `name` is the guest's in errors."""

    def __init__(self, address: str, key: str, user: str = "root", name: str = "", port: int = 22) -> None:
        self.address, self.key, self.user, self.port = address, key, user, port
        self.name = name or address
        self._folder = ""
        self._end: weakref.finalize[t.Any, Ssh] | None = None  # is called at the latest when this process ends

    def __enter__(self) -> Ssh:
        return self

    def __exit__(self, *_unused: object) -> None:
        self.close()

    def argv(self, *options: str) -> list[str]:
        """ssh's words up to the guest's name."""
        settings = {**OPTIONS, "ControlPath": self._socket(), "IdentityFile": self.key}
        said = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
        return ["ssh", "-F", "/dev/null", "-p", str(self.port), *said, *options, f"{self.user}@{self.address}"]

    def _socket(self) -> str:
        """Of the shared connection: its path is short, as those of sockets have to be."""
        if self._end is None or not self._end.alive:
            self._folder = tempfile.mkdtemp(prefix="lago-ssh-")
            self._end = weakref.finalize(self, _end, os.path.join(self._folder, "at"), self.address)
        return os.path.join(self._folder, "at")

    def run(self, command: Command, data: bytes | None = None, timeout: float | None = None) -> CommandStatus:
        """Its exit status and what it wrote; `data` is its standard input.

        Raises GuestError when the guest cannot be reached, or the command has not ended after `timeout` seconds: then
        it may go on there.
        """
        with self.start(command) as running:
            try:
                out, err = running.process.communicate(b"" if data is None else data, timeout)
            except subprocess.TimeoutExpired:
                text = f"running {shown(command)} in {self.name}: it had not ended after {timeout:g} s"
                raise GuestError(text) from None
            running.check()
            return CommandStatus(running.process.returncode, out, err)

    def start(self, command: Command) -> Running:
        """The command with pipes to its standard input and output, and to its errors. Raises GuestError."""
        return Running(self, command)

    def script(self, path: str, args: t.Sequence[str] = (), timeout: float | None = None) -> CommandStatus:
        """Runs a file of this host in the guest. Raises GuestError, OSError."""
        with open(path, "rb") as file:
            return self.run(["sh", "-c", SCRIPT, os.path.basename(path), *args], file.read(), timeout)

    def interactive(self, command: Command = "") -> int:
        """With this process's own terminal: a shell, or the command; its exit status."""
        words = [text(command)] if command else []
        return subprocess.run([*self.argv("-t", "-o", "LogLevel=QUIET"), *words], check=False).returncode

    def close(self) -> None:
        """Ends the shared connection; the next call makes another."""
        if self._end is not None:
            self._end()


class Running:
    """A command that runs in a guest; at the end of the block its ssh does not run any more."""

    def __init__(self, ssh: Ssh, command: Command) -> None:
        self._ssh, self._command = ssh, command
        file, self._log = tempfile.mkstemp(prefix="lago-ssh-")  # what ssh itself says; the command's errors are not it
        os.close(file)
        pipe = subprocess.PIPE
        try:
            argv = [*ssh.argv("-E", self._log, "-T"), "--", text(command)]
            self.process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe)
        except OSError as error:
            os.unlink(self._log)
            raise GuestError(f"running ssh: {error.strerror}") from None

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_unused: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                t.cast(t.IO[bytes], pipe).close()
            except OSError:  # what was to be written still is refused
                pass
        self.process.wait()
        os.unlink(self._log)

    def check(self) -> None:
        """Once it has ended: raises GuestError if it was ssh that failed, not the command."""
        if self.process.returncode != FAILED:
            return
        with open(self._log, encoding="utf-8", errors="replace") as file:
            said = [line.strip() for line in file if line.strip()]
        if said:
            self._ssh.close()
            raise GuestError(f"reaching {self._ssh.name} by SSH as {self._ssh.user}@{self._ssh.address}: {said[-1]}")


def text(command: Command) -> str:
    """For the guest's shell."""
    return command if isinstance(command, str) else " ".join(shlex.quote(word) for word in command)


def shown(command: Command) -> str:
    """The first word, which has no secrets."""
    words = command.split() if isinstance(command, str) else list(command)
    return words[0] if words else "nothing"


def _end(socket: str, address: str) -> None:
    """Ends the connection behind the socket, if there is one, and removes its folder."""
    quiet = subprocess.DEVNULL
    if os.path.exists(socket):
        argv = ["ssh", "-F", "/dev/null", "-O", "exit", "-o", f"ControlPath={socket}", address]
        subprocess.run(argv, stdin=quiet, stdout=quiet, stderr=quiet, check=False)
    shutil.rmtree(os.path.dirname(socket), ignore_errors=True)
