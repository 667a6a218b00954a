# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services of a guest, by Lago's names: those of systemd, of SysV's scripts, and of systemd in a container.

`vm` is whatever has a method `run(command)` that returns a CommandStatus, `as_root(words)`, and `name()`.
"""

from __future__ import annotations

import typing as t

from .errors import GuestError

if t.TYPE_CHECKING:
    from .guest import Guest


class ServiceState:
    MISSING = 0
    INACTIVE = 1
    ACTIVE = 2


class _Service:
    """The service `name` of `vm`. All methods raise GuestError where the guest cannot be reached."""

    BIN_PATH = ""

    def __init__(self, vm: Guest, name: str) -> None:
        self._vm, self._name = vm, name

    @classmethod
    def is_supported(cls, vm: Guest) -> bool:
        return vm.run(["test", "-e", cls.BIN_PATH]).code == 0

    def state(self) -> int:
        """A ServiceState."""
        raise NotImplementedError

    def exists(self) -> bool:
        return self.state() != ServiceState.MISSING

    def alive(self) -> bool:
        return self.state() == ServiceState.ACTIVE

    def start(self) -> None:
        """Nothing if it runs already. Raises GuestError where it does not run thereafter."""
        self._bring(ServiceState.ACTIVE, "start")

    def stop(self) -> None:
        """Nothing if it is stopped already. Raises GuestError where it runs thereafter."""
        self._bring(ServiceState.INACTIVE, "stop")

    def _bring(self, wanted: int, verb: str) -> None:
        doing = f"{verb} of the service {self._name} in {self._vm.name()}"
        found = self.state()
        if found == ServiceState.MISSING:
            raise GuestError(f"{doing}: there is no such service")
        if found == wanted:
            return
        done = self._vm.run(self._vm.as_root(self._words(verb)))
        if done.code != 0 or self.state() != wanted:
            said = (done.err or done.out).decode("utf-8", "replace").strip() or "it did not change its state"
            raise GuestError(f"{doing}: {said} (exit status {done.code})")

    def _words(self, verb: str) -> list[str]:
        raise NotImplementedError


class _SystemdService(_Service):
    BIN_PATH = "/usr/bin/systemctl"

    def state(self) -> int:
        """By systemctl's properties, which are for programs (systemctl(1), `show`)."""
        done = self._vm.run(self._words("show", "-p", "LoadState", "-p", "ActiveState"))
        lines = done.out.decode("utf-8", "replace").splitlines()
        found = dict(line.split("=", 1) for line in lines if "=" in line)
        if found.get("LoadState", "not-found") == "not-found":
            return ServiceState.MISSING
        running = found.get("ActiveState") in ("active", "reloading")
        return ServiceState.ACTIVE if running else ServiceState.INACTIVE

    def _words(self, verb: str, *options: str) -> list[str]:
        return [self.BIN_PATH, verb, *options, "--", self._name]


class _SysVInitService(_Service):
    BIN_PATH = "/sbin/service"

    def state(self) -> int:
        """The script's status: 0 is running (LSB, system initialization actions)."""
        if self._vm.run(self._words("status")).code == 0:
            return ServiceState.ACTIVE
        there = self._vm.run(["test", "-x", f"/etc/init.d/{self._name}"]).code == 0
        return ServiceState.INACTIVE if there else ServiceState.MISSING

    def _words(self, verb: str) -> list[str]:
        return [self.BIN_PATH, self._name, verb]


class _SystemdContainerService(_SystemdService):
    """In the container that Lago knows, whose services systemd runs too."""

    BIN_PATH = "/usr/bin/docker"
    HOST_BIN_PATH = "/usr/bin/systemctl"
    CONTAINER = "vdsmc"

    @classmethod
    def is_supported(cls, vm: Guest) -> bool:
        """Not every guest with docker has its services in that container: it has to run."""
        done = vm.run([cls.BIN_PATH, "inspect", "-f", "{{.State.Running}}", cls.CONTAINER])
        return done.code == 0 and done.out.strip() == b"true"

    def _words(self, verb: str, *options: str) -> list[str]:
        return [self.BIN_PATH, "exec", self.CONTAINER, self.HOST_BIN_PATH, verb, *options, "--", self._name]


# By the names that init files have for them, in the order in which they are looked for.
PROVIDERS: t.Dict[str, t.Type[_Service]] = {
    "systemdcontainer": _SystemdContainerService,
    "systemd": _SystemdService,
    "sysvinit": _SysVInitService,
}


def detect(vm: Guest, said: str = "") -> t.Type[_Service]:
    """What `said` names, else the first that the guest has. Raises GuestError."""
    if said:
        if said not in PROVIDERS:
            raise GuestError(f"{vm.name()}: services by {said} are not known; by {', '.join(PROVIDERS)} they are")
        return PROVIDERS[said]
    for provider in PROVIDERS.values():
        if provider.is_supported(vm):
            return provider
    looked = ", ".join(provider.BIN_PATH for provider in PROVIDERS.values())
    raise GuestError(f"{vm.name()}: nothing there runs services; looked for {looked}")
