# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which facts there are, which are wanted, and gathering them over one connection."""

from __future__ import annotations

import typing as t

from ..connection import Connection
from ..errors import ConnectionLost, KvmError
from . import acceleration, cpu, devices, documents, domcaps, guests, host, memory, networks, security, storage
from .node import Node, Options

# subset -> what reads it; the first ones are small and gathered by default
DEFAULT = {
    "node": host.node,
    "memory": memory.memory,
    "ksm": memory.ksm,
    "versions": host.versions,
    "guest_types": host.guest_types,
    "migration": host.migration,
    "sysinfo": host.sysinfo,
    "acceleration": acceleration.acceleration,
    "firmware": security.firmware,
    "security": security.security,
    "devices": devices.devices,
    "pools": storage.pools,
    "networks": networks.networks,
    "interfaces": networks.interfaces,
    "guests": guests.guests,
    "cpu": cpu.cpu,  # last: it may have to wait for its second sample
}
DETAIL = {
    "domain_capabilities": domcaps.domain_capabilities,
    "pci": devices.pci,
    "mdev": devices.mediated,
    "scsi_hosts": devices.scsi_hosts,
    "volumes": storage.volumes,
    "leases": networks.leases,
    "nwfilters": networks.filters,
    "secrets": networks.secrets,
    "cpu_models": documents.cpu_models,
    "documents": documents.documents,
    "cpus": cpu.cpus,
}
SUBSETS = {**DETAIL, **DEFAULT}
GROUPS = {"all": tuple(SUBSETS), "default": tuple(DEFAULT)}

ATTEMPTS = 3  # of a subset, each over a connection of its own
PATIENCE = 5.0  # seconds that a daemon has for its restart


class WrongSubset(KvmError):
    """There is no such subset."""


def chosen(gather: t.Sequence[str]) -> list[str]:
    """The subsets that a list asks for, in the order in which they are read.

    A name adds, `!name` takes away whatever else is said; without a name that adds, the default is there to take from.
    Raises WrongSubset.
    """
    unknown = sorted({one.lstrip("!") for one in gather} - set(SUBSETS) - set(GROUPS))
    if unknown:
        raise WrongSubset(f"gather: there is no {', '.join(unknown)}, but {', '.join(sorted({*SUBSETS, *GROUPS}))}")
    added = {name for one in gather if one[0] != "!" for name in GROUPS.get(one, (one,))}
    named = {one for one in gather if one in SUBSETS}
    removed = {name for one in gather if one[0] == "!" for name in GROUPS.get(one[1:], (one[1:],))}
    refused = {one[1:] for one in gather if one[0] == "!"} - set(GROUPS)
    start = added or set(DEFAULT)
    wanted = (start - removed) | (named - refused)
    return [name for name in SUBSETS if name in wanted]


def gather(connection: Connection, subsets: t.Iterable[str], options: Options | None = None) -> dict[str, t.Any]:
    """Each subset's facts; of one that the hypervisor cannot tell, `supported: false` and the reason.

    Raises ConnectionLost when the daemon goes away and does not come back.
    """
    source = Node(connection, options)
    found: dict[str, t.Any] = {"uri": connection.uri}
    for name in subsets:
        source, found[name] = _subset(source, name)
    return found


def _subset(source: Node, name: str) -> tuple[Node, t.Any]:
    """The facts, and the node that could tell them: after a lost connection that is another."""
    read = SUBSETS[name]
    attempts = ATTEMPTS
    while True:
        try:
            return source, read(source)
        except ConnectionLost:
            attempts -= 1
            if not attempts:
                raise
            source.connection.reopen(PATIENCE)
            source = Node(source.connection, source.options)
        except KvmError as error:
            return source, {"supported": False, "reason": str(error)}
