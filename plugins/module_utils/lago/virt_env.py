# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab as it was last said: VMs and networks, kept in the file virt/env, which is whole or as before."""

from __future__ import annotations

import ipaddress
import json
import os
import typing as t

from . import files, identity
from .addressing import Subnets
from .errors import LagoError
from .lab import Lab, addressed, specified
from .machine import Machine
from .network import BridgeNetwork, NATNetwork, Network
from .standing import Standing
from .vm import VM
from .wish import Wish

if t.TYPE_CHECKING:
    from ..hypervisor.connection import Connection
    from .prefix import Prefix

Specs = t.Mapping[str, t.Any]
Chains = t.Dict[str, t.Dict[str, t.Any]]

NETWORKS = {"nat": NATNetwork, "bridge": BridgeNetwork}
MODE = 0o600  # it has passwords


class VirtEnv:
    """`chains`: by VM and disk, files and formats where they are others than a new disk's, the one that is written
    first. `snapshots`: what is known of them, in JSON's types. Both are changed in place, and kept by `save`.
    """

    _unmade: dict[str, t.Any] | None = None  # an init file that was only said

    def __init__(self, prefix: Prefix, vm_specs: Specs, net_specs: Specs) -> None:
        """VMs and networks by their names, as an init file says them: the prefix's lab once it is saved or started.

        Raises LagoError, KvmError.
        """
        from .planning import foreseen

        self._unmade = given = {"domains": dict(vm_specs), "nets": dict(net_specs)}
        before = prefix.virt_env if prefix.specified() else None
        lab = foreseen(prefix, Wish("", given), before.lab if before else None, prefix.uuid)
        self._hold(prefix, lab, before.chains if before else {}, before.snapshots if before else {})

    @classmethod
    def of(cls, prefix: Prefix, lab: Lab, chains: Chains, snapshots: dict[str, t.Any]) -> VirtEnv:
        """The lab that the prefix has."""
        made = cls.__new__(cls)
        made._hold(prefix, lab, chains, snapshots)
        return made

    def _hold(self, prefix: Prefix, lab: Lab, chains: Chains, snapshots: dict[str, t.Any]) -> None:
        self.prefix, self.chains, self.snapshots = prefix, chains, snapshots
        self._take(lab)

    def _make(self) -> None:
        """Of what was only said, the prefix's lab."""
        if self._unmade is not None:
            self.prefix.virt_conf(self._unmade)
            made, self._unmade = self.prefix.virt_env, None
            self._hold(self.prefix, made.lab, made.chains, made.snapshots)

    def _take(self, lab: Lab) -> None:
        self.lab = lab
        self._vms = {name: VM(self, domain) for name, domain in lab.spec.domains.items()}
        self._nets: dict[str, Network] = {name: NETWORKS[net.type](self, net) for name, net in lab.spec.nets.items()}

    def disconnect(self) -> None:
        """Ends the connections to the VMs by SSH."""
        for vm in self._vms.values():
            vm.disconnect()

    def respecify(self, given: t.Mapping[str, t.Any]) -> None:
        """With another init file that means the same but for names; the others go through Prefix.virt_conf."""
        lab = self.lab
        known = {name: one.mapping for name, one in lab.addresses.items()}
        spec = specified(given, lab.variables, known)
        addresses = addressed(spec, {name: one.subnets for name, one in lab.addresses.items()})
        self._take(lab._replace(given=given, spec=spec, addresses=addresses))

    @classmethod
    def from_prefix(cls, prefix: Prefix) -> VirtEnv:
        """Raises LagoError where the lab was never said, OSError."""
        raw = files.read_small(prefix.paths.virt("env"), 64 << 20)
        if raw is None:
            raise LagoError(f"{prefix.paths.prefix()}: there is no lab yet; it needs an init file")
        try:
            found = json.loads(raw.decode())
            return cls.of(prefix, _lab(prefix, found), found["chains"], found["snapshots"])
        except (ValueError, KeyError, TypeError) as error:
            raise LagoError(f"{prefix.paths.virt('env')} is not as it was written: {error!r}") from None

    def save(self) -> None:
        """Raises OSError; where it makes the lab, what Prefix.virt_conf raises."""
        self._make()
        lab = self.lab
        kept = {
            "vms": sorted(self._vms),
            "nets": sorted(self._nets),
            "spec": lab.given,
            "variables": lab.variables,
            "machine": list(lab.machine),
            "subnets": {
                name: [str(one) if one else None for one in found.subnets] for name, found in lab.addresses.items()
            },
            "mapping": {name: found.mapping for name, found in lab.addresses.items()},
            "chains": self.chains,
            "snapshots": self.snapshots,
        }
        files.write_whole(self.virt_path("env"), json.dumps(kept, indent=1).encode(), MODE)
        for vm in self._vms.values():
            vm.save()
        for net in self._nets.values():
            net.save()
        self._sweep()

    def _sweep(self) -> None:
        """The files of VMs and networks that are gone."""
        current = {"env", *(f"vm-{name}" for name in self._vms), *(f"net-{name}" for name in self._nets)}
        for name in os.listdir(self.virt_path()):
            if name not in current:
                files.remove(self.virt_path(name))

    def virt_path(self, *args: str) -> str:
        return self.prefix.paths.virt(*args)

    def prefixed_name(self, unprefixed_name: str) -> str:
        return identity.domain_name(self.lab.uuid, unprefixed_name)

    @property
    def connection(self) -> Connection:
        return self.prefix.connection

    @property
    def libvirt_con(self) -> t.Any:
        """libvirt-python's own object."""
        return self.connection.handle

    def standing(self) -> Standing:
        return self.prefix.standing()

    def get_vms(self) -> dict[str, VM]:
        return dict(self._vms)

    def get_vm(self, name: str) -> VM:
        """Raises LagoError."""
        if name not in self._vms:
            raise LagoError(f"there is no VM {name} in the lab; it has {', '.join(self._vms)}")
        return self._vms[name]

    def get_nets(self) -> dict[str, Network]:
        return dict(self._nets)

    def get_net(self, name: str | None = None) -> Network:
        """That network, or the first for management. Raises LagoError."""
        found = [net for key, net in self._nets.items() if (net.is_management() if name is None else key == name)]
        if not found:
            raise LagoError(
                f"there is no network {name or 'for management'} in the lab; it has {', '.join(self._nets)}"
            )
        return found[0]

    def start(self, vms: t.Sequence[str] | None = None) -> None:
        self._make()
        self.prefix.start(vms)

    def stop(self, vms: t.Sequence[str] | None = None) -> None:
        self.prefix.stop(vms)

    def bootstrap(self) -> None:
        """See VM.bootstrap. Raises the first error of all."""
        from .parallel import invoke_in_parallel

        invoke_in_parallel(VM.bootstrap, self._vms.values())

    def create_snapshots(self, name: str, **how: t.Any) -> t.Any:
        return self.prefix.create_snapshots(name, **how)

    def revert_snapshots(self, name: str, **how: t.Any) -> t.Any:
        return self.prefix.revert_snapshots(name, **how)


def _lab(prefix: Prefix, found: dict[str, t.Any]) -> Lab:
    variables = {**found["variables"], "LAGO_PREFIX_PATH": prefix.paths.prefix()}
    spec = specified(found["spec"], variables, found["mapping"])
    subnets = {name: Subnets(*map(_subnet, both)) for name, both in found["subnets"].items()}
    key = files.first_line(prefix.paths.ssh_id_rsa_pub())
    addresses = addressed(spec, subnets)
    return Lab(prefix.uuid, prefix.paths, found["spec"], variables, spec, addresses, Machine(*found["machine"]), key)


def _subnet(text: str | None) -> t.Any:
    return ipaddress.ip_network(text) if text else None
