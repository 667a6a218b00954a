# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a VM is from within: commands, files, services and its agent, with Lago's methods."""

from __future__ import annotations

import sys
import typing as t

from .errors import GuestError

if t.TYPE_CHECKING:
    from .initfile.model import Domain
    from .services import _Service
    from .ssh import Command, Ssh
    from .utils import CommandStatus
    from .virt_env import VirtEnv

AGENTS = ("qemu-ga", "qemu-guest-agent")  # names of its service


class Guest:
    """The half of VM that talks to the guest; the other half knows what is said here to be its."""

    spec: Domain
    _ssh_client: Ssh | None = None
    _service_class: t.Type[_Service] | None = None

    if t.TYPE_CHECKING:

        def name(self) -> str: ...
        def ip(self) -> str: ...
        def alive(self) -> bool: ...
        def console(self) -> str: ...
        def virt_env(self) -> VirtEnv: ...

    # By SSH

    def _get_ssh_client(self) -> Ssh:
        """Raises GuestError where the VM has no address."""
        if self._ssh_client is None:
            self._ssh_client = self._open_ssh_client()
        return self._ssh_client

    def _open_ssh_client(self) -> Ssh:
        from .ssh import Ssh

        if not self.ip():
            raise GuestError(f"reaching {self.name()} by SSH: it has no address on the management network")
        return Ssh(self.ip(), self.virt_env().prefix.paths.ssh_id_rsa(), self._ssh_user(), self.name())

    def _ssh_user(self) -> str:
        return self.spec.ssh_user

    def as_root(self, words: t.Sequence[str]) -> list[str]:
        """A command as root, which the one who logs in can be by sudo without a password, as the seed has it."""
        return list(words) if self._ssh_user() == "root" else ["sudo", "-n", *words]

    def disconnect(self) -> None:
        """Ends the connection that the calls share, as before the guest is gone back to a snapshot."""
        if self._ssh_client is not None:
            self._ssh_client.close()

    def run(self, command: Command, data: bytes | None = None, timeout: float | None = None) -> CommandStatus:
        """A list of words as they are, or text for the guest's shell; `data` is its standard input.

        Raises GuestError where the guest cannot be reached, or the command has not ended in time; not where the command
        fails.
        """
        return self._get_ssh_client().run(command, data, timeout)

    def ssh(
        self, command: Command, data: bytes | None = None, show_output: bool = True, timeout: float | None = None
    ) -> CommandStatus:
        """The same; with `show_output` this process writes what the command wrote to its own outputs."""
        return _shown(self.run(command, data, timeout), show_output)

    def ssh_script(self, path: str, show_output: bool = True, timeout: float | None = None) -> CommandStatus:
        """A file of this host, in whatever it is written. Raises GuestError, OSError."""
        return _shown(self._get_ssh_client().script(path, timeout=timeout), show_output)

    def interactive_ssh(self, command: Command = "") -> int:
        return self._get_ssh_client().interactive(command)

    def copy_to(self, local_path: str, remote_path: str, timeout: float | None = None) -> None:
        """A file or a folder, as by `cp -r`. Raises GuestError, OSError."""
        from .copying import copy_to

        copy_to(self._get_ssh_client(), local_path, remote_path, timeout)

    def copy_from(self, remote_path: str, local_path: str, timeout: float | None = None) -> None:
        """A file or a folder, as by `cp -r`. Raises GuestError, OSError."""
        from .copying import copy_from

        copy_from(self._get_ssh_client(), remote_path, local_path, timeout)

    # Readiness

    def wait_for(self, what: str, timeout: float, pattern: str = "") -> dict[str, float]:
        """For ssh, agent, or console with a pattern; after how many seconds each step was passed. Raises NotReady."""
        from .waiting import wait_for

        return wait_for(t.cast(t.Any, self), what, timeout, pattern)

    def wait_for_ssh(self, connect_retries: int | None = None, timeout: float | None = None) -> dict[str, float]:
        """For `timeout` seconds, or as many as Lago's retries, or as long as its boot may take. Raises NotReady."""
        return self.wait_for("ssh", timeout or connect_retries or self.spec.boot_time_sec)

    def console_start(self) -> int:
        """How long its console's file was when it was started."""
        known = self.virt_env().standing().things.get(("domain", self.name()))
        return int(known.detail.get("console", 0)) if known else 0

    # Services

    def service(self, name: str) -> _Service:
        """Raises GuestError where nothing is found that runs services."""
        return self._detect_service_manager()(t.cast(t.Any, self), name)

    def _detect_service_manager(self) -> t.Type[_Service]:
        if self._service_class is None:
            from .services import detect

            self._service_class = detect(self, self.spec.service_provider)
        return self._service_class

    def guest_agent(self) -> _Service:
        """The service of the guest agent. Raises GuestError where there is none."""
        names = (self.spec.guest_agent,) if self.spec.guest_agent else AGENTS
        for name in names:
            found = self.service(name)
            if found.exists():
                return found
        raise GuestError(f"{self.name()} has no service {' or '.join(names)}")

    def agent_answers(self, timeout: float = 5.0) -> bool:
        """Whether the guest agent answers on its channel, which needs no network."""
        from .waiting import agent_answers

        return not agent_answers(t.cast(t.Any, self), timeout)

    def extract_paths(self, paths: t.Sequence[tuple[str, str]]) -> None:
        """Pairs of a path in the guest and one here: by SSH, or from the disk of a guest that cannot be reached.

        Raises GuestError, CommandError, OSError.
        """
        from .extracting import extract_paths

        extract_paths(t.cast(t.Any, self), paths)


def _shown(done: CommandStatus, show: bool) -> CommandStatus:
    if show:
        for stream, raw in ((sys.stdout, done.out), (sys.stderr, done.err)):
            stream.write(raw.decode("utf-8", "replace"))
            stream.flush()
    return done
