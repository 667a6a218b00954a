# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`Hypervisor` as users of python-kvm know it: its names and shapes, over one connection in place of many programs.

    with Hypervisor("qemu:///system") as host:
        host.generic.nodeinfo()["cpus"]

Values have the text that virsh prints, as python-kvm took them from there; facts/ has them typed. Only `virsh()` runs
the program. What python-kvm's code calls `hypervisor` is `generic` in its documentation: both are here.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import typing as t

from .connection import SYSTEM, Connection
from .document import from_xml, to_xml
from .errors import KvmError
from .kvm_families import FAMILIES, Domains, Interfaces, Networks, Pools, Secrets, Snapshots, Volumes
from .kvm_generic import Generic
from .mac import gen_mac, gen_uuid

__all__ = ["CONTROLS", "FAMILIES", "Hypervisor", "KvmError", "from_xml", "gen_mac", "gen_uuid", "to_xml"]

CONTROLS = {"parse": False, "ignore_opts": []}
_xml_to_dict = from_xml  # the name in python-kvm's documentation

RUNNING, IDLE, PAUSED, SHUTDOWN = "running", "idle", "paused", "shutdown"
SHUTOFF, CRASHED, DYING, SUSPENDED = "shut off", "crashed", "dying", "pmsuspended"

VIRSH_LIMIT = 120.0  # seconds


class Hypervisor:
    """A hypervisor, by its URI or by a Connection. Raises KvmError when it cannot be opened."""

    def __init__(self, host: str | Connection = SYSTEM, readonly: bool = False) -> None:
        self.connection = host if isinstance(host, Connection) else Connection(host, readonly)
        self.controls: dict[str, t.Any] = dict(CONTROLS)
        self.generic = self.hypervisor = Generic(self.connection)
        self.domain = Domains(self.connection)
        self.network = Networks(self.connection)
        self.interface = Interfaces(self.connection)
        self.pool = Pools(self.connection)
        self.volume = Volumes(self.connection)
        self.secret = Secrets(self.connection)
        self.snapshot = Snapshots(self.connection)

    def __enter__(self) -> Hypervisor:
        return self

    def __exit__(self, *_unused: object) -> None:
        self.connection.close()

    @contextlib.contextmanager
    def set_controls(self, **controls: t.Any) -> t.Iterator[None]:
        """Other controls within a `with`: `parse`, `ignore_opts`."""
        unknown = set(controls) - set(CONTROLS)
        if unknown:
            raise KvmError(f"there is no control {', '.join(sorted(unknown))}")
        before = self.controls
        self.controls = {**before, **controls}
        try:
            yield
        finally:
            self.controls = before

    def virsh(self, command: str, *arguments: object, **options: object) -> t.Any:
        """Runs virsh for what has no binding: `virsh("dumpxml", "web1", inactive=True)`.

        Options follow the arguments, `True` as a switch; false ones, and those in the control `ignore_opts`, are left
        out. With the control `parse` the lines of standard output, or KvmError with what virsh said; without it
        (whether it went well, standard output, standard error).
        """
        program = shutil.which("virsh")
        if program is None:
            raise KvmError("there is no virsh (Debian: libvirt-clients)")
        how = ["--readonly"] if self.connection.readonly else []
        argv = [program, *how, "--connect", self.connection.uri, command, *map(str, arguments)]
        for name, value in options.items():
            if value is not None and value is not False and name not in self.controls["ignore_opts"]:
                argv += [f"--{name.replace('_', '-')}"] + ([] if value is True else [str(value)])
        try:
            done = subprocess.run(
                argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=VIRSH_LIMIT, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise KvmError(f"virsh {command}: no answer within {VIRSH_LIMIT:g} s") from error
        out, err = done.stdout.rstrip("\n"), done.stderr.rstrip("\n")
        if not self.controls["parse"]:
            return done.returncode == 0, out, err
        if done.returncode:
            raise KvmError(f"virsh {command}: {err or out}")
        return out.splitlines()

    def list_domains(self, **options: t.Any) -> dict[str, dict[str, t.Any]]:
        """Name -> id (-1 when it does not run) and state; of all with `all`, or of those in `states`."""
        return self.domain.listed(**options)

    def list_networks(self, **options: t.Any) -> dict[str, dict[str, t.Any]]:
        return self.network.listed(**options)

    def list_interfaces(self, **options: t.Any) -> dict[str, dict[str, t.Any]]:
        return self.interface.listed(**options)

    def list_pools(self, **options: t.Any) -> dict[str, dict[str, t.Any]]:
        return self.pool.listed(**options)

    def list_volumes(self, pool: str) -> dict[str, dict[str, t.Any]]:
        return self.volume.listed(pool)

    def list_secrets(self) -> dict[str, dict[str, t.Any]]:
        return self.secret.listed()

    def list_snapshots(self, domain: str) -> dict[str, dict[str, t.Any]]:
        return self.snapshot.listed(domain)
