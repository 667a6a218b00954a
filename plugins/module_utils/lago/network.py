# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks of a lab, with Lago's methods."""

from __future__ import annotations

import json
import typing as t

from ..hypervisor.errors import Gone
from . import files, identity
from .addressing import Addresses
from .errors import LagoError
from .initfile.model import Net

if t.TYPE_CHECKING:
    from .virt_env import VirtEnv


class Network:
    """`spec` is what the init file says of it."""

    def __init__(self, env: VirtEnv, spec: Net) -> None:
        self._env, self.spec = env, spec

    def name(self) -> str:
        return self.spec.name

    @property
    def addresses(self) -> Addresses:
        return self._env.lab.addresses[self.spec.name]

    def gw(self) -> str:
        """The address of the host in it; "" where it has none."""
        return str(self.addresses.gw or "")

    def gw6(self) -> str:
        return str(self.addresses.gw6 or "")

    def mtu(self) -> int:
        return self.spec.mtu or 1500

    def is_management(self) -> bool:
        return self.spec.management

    def mapping(self) -> dict[str, str]:
        """Addresses by all names that stand for them."""
        said = {name: str(address) for name, address in self.spec.mapping.items()}
        return {**said, **self.addresses.mapping}

    def resolve(self, name: str) -> str:
        """Raises LagoError."""
        found = self.mapping()
        if name not in found:
            raise LagoError(f"the network {self.spec.name} knows no {name}; it knows {', '.join(sorted(found))}")
        return found[name]

    def add_mapping(self, name: str, ip: str, save: bool = True) -> None:
        """A name for an address besides those of the VMs. Raises InitFileError."""
        self.add_mappings([(name, ip)], save)

    def add_mappings(self, mappings: t.Iterable[tuple[str, str]], save: bool = True) -> None:
        given = json.loads(json.dumps(self._env.lab.given))
        net = given["nets"][self.spec.name] or {}
        net["mapping"] = {**(net.get("mapping") or {}), **dict(mappings)}
        given["nets"][self.spec.name] = net
        self._env.respecify(given)
        if save:
            self._env.save()

    @property
    def uuid(self) -> str:
        return identity.object_uuid(self._env.lab.uuid, identity.NETWORK, self.spec.name)

    @property
    def libvirt_name(self) -> str:
        return identity.network_name(self._env.lab.uuid, self.spec.name)

    def _libvirt_name(self) -> str:
        return self.libvirt_name

    @property
    def bridge(self) -> str:
        """The name of its link on the host."""
        return self.spec.bridge or identity.bridge_name(self._env.lab.uuid, self.spec.name)

    def alive(self) -> bool:
        """Raises KvmError."""
        connection = self._env.connection
        try:
            return bool(connection.ask_of(connection.ask("networkLookupByUUIDString", self.uuid), "isActive"))
        except Gone:
            return False

    def start(self) -> None:
        """All networks of the lab, which belong together."""
        self._env.start([])

    def stop(self) -> None:
        """All networks, and the VMs in them."""
        self._env.prefix.stop()

    def leases(self) -> list[dict[str, t.Any]]:
        """Of its DHCP server, as libvirt tells them. Raises KvmError."""
        connection = self._env.connection
        found = connection.ask_of(connection.ask("networkLookupByUUIDString", self.uuid), "DHCPLeases")
        return list(found)

    def save(self, path: str | None = None) -> None:
        """Its file, for people and tools; what counts is in that of the lab. Raises OSError."""
        spec, addresses = self.spec, self.addresses
        kept = {
            "name": spec.name,
            "type": spec.type,
            "management": spec.management,
            "gw": self.gw(),
            "subnet": str(addresses.subnets.v4 or ""),
            "subnet6": str(addresses.subnets.v6 or ""),
            "mtu": spec.mtu,
            "dns_domain_name": spec.dns_domain_name,
            "mapping": self.mapping(),
            "uuid": self.uuid,
            "libvirt_name": self.libvirt_name,
            "bridge": self.bridge,
        }
        files.write_whole(path or self._env.virt_path(f"net-{spec.name}"), json.dumps(kept, indent=1).encode())


class NATNetwork(Network):
    """One with addresses, a server of DHCP where the file says so, and a way out."""


class BridgeNetwork(Network):
    """One without: a wire between VMs."""
