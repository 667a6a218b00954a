# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The subnets of a lab's networks: leased, those too that the init file says, so that no two labs have the same."""

from __future__ import annotations

import ipaddress
import typing as t

from ..hypervisor.connection import Connection
from ..hypervisor.errors import Gone
from . import identity
from .addressing import Subnets
from .initfile.model import InitFile, Net
from .initfile.names import Subnet
from .paths import Paths
from .subnet_store import Claim, SubnetStore
from .subnets import DEFAULT_POOLS, Pool, Taken, pool

if t.TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from .journal import Journal

LENGTH6 = 64

Lease = t.Callable[[str, t.Optional[Subnet], t.Sequence[Pool]], Subnet]  # use, the one that is wanted, pools


def subnets(uuid: str, spec: InitFile, lease: Lease, pools: t.Sequence[Pool] = ()) -> dict[str, Subnets]:
    """Of all networks by name. `pools`, for the families that they are of, go before Lago's. Raises LeaseError."""
    pools4, pools6 = ([one for one in pools if one.network.version == version] for version in (4, 6))
    of = {4: pools4 or DEFAULT_POOLS, 6: pools6 or [pool(identity.ula(uuid), LENGTH6)]}
    return {name: _of_net(net, lease, of) for name, net in spec.nets.items() if net.type == "nat"}


def _of_net(net: Net, lease: Lease, pools: t.Mapping[int, t.Sequence[Pool]]) -> Subnets:
    """A network with IPv6 alone is one that says only `subnet6`."""
    v6 = None
    if net.subnet6 is not None or net.ipv6:
        v6 = lease(f"{net.name}/6", net.subnet6, pools[6])
    if net.subnet is None and net.subnet6 is not None and not net.ipv6:
        return Subnets(None, v6)
    return Subnets(lease(net.name, net.subnet, pools[4]), v6)


class Leases:
    """Those of one prefix in the folder `lease_dir`. `connection` is asked for the other networks of libvirt."""

    def __init__(self, lease_dir: str, paths: Paths, uuid: str, connection: Connection) -> None:
        self._store = SubnetStore(lease_dir)
        self._paths, self._uuid, self._connection = paths, uuid, connection
        self._seen: list[Taken] | None = None

    def acquire(self, journal: Journal) -> Lease:
        """A function that leases, with a record around it. Raises LeaseError, LockTimeout, OSError, KvmError."""

        def lease(use: str, wanted: Subnet | None, pools: t.Sequence[Pool]) -> Subnet:
            if not journal.has("lease", use):
                with journal.making("lease", use):
                    return self._store.acquire(self._claim(use, wanted, pools))
            return self._store.acquire(self._claim(use, wanted, pools))

        return lease

    def candidate(self, use: str, wanted: Subnet | None, pools: t.Sequence[Pool]) -> Subnet:
        """What would be leased. Raises LeaseError, OSError, KvmError."""
        return self._store.candidate(self._claim(use, wanted, pools))

    def _claim(self, use: str, wanted: Subnet | None, pools: t.Sequence[Pool]) -> Claim:
        return Claim(self._paths.uuid(), wanted, use, pools, self._taken)

    def keep_only(self, current: t.Collection[Subnet]) -> None:
        """Gives up what the prefix has besides."""
        for lease in self._store.leases(self._uuid):
            if lease.subnet not in current:
                self._store.release(lease.subnet, self._paths.uuid())

    def _taken(self) -> list[Taken]:
        """Looked up once."""
        from . import host_subnets

        if self._seen is None:
            self._seen = [*host_subnets.observe(), *of_networks(self._connection, self._uuid)]
        return self._seen


def of_networks(connection: Connection, uuid: str) -> list[Taken]:
    """Of libvirt's networks, those too that do not run now; without the lab's own."""
    from xml.etree import ElementTree

    found = []
    for network in connection.ask("listAllNetworks", 0):
        name = connection.ask_of(network, "name")
        owner = identity.network_owner(name, connection.ask_of(network, "UUIDString"))
        if owner is not None and owner[0] == uuid:
            continue
        try:
            root = ElementTree.fromstring(connection.ask_of(network, "XMLDesc", 0))
        except Gone:
            continue
        found += [Taken(subnet, f"is of libvirt's network {name}") for subnet in map(_subnet, root.iterfind("ip"))]
    return found


def _subnet(element: Element) -> Subnet:
    address = element.get("address", "")
    length = element.get("prefix") or element.get("netmask") or {4: "24", 6: "64"}[6 if ":" in address else 4]
    return ipaddress.ip_interface(f"{address}/{length}").network
