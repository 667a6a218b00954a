# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lago's functions that lease subnets, in the folder that its settings name; nothing else in this core needs this file.

Other than Lago's, they keep clear of what the host has on its links and routes.
"""

from __future__ import annotations

import ipaddress
import typing as t

from . import config, host_subnets
from .errors import LeaseError
from .initfile.names import Subnet
from .subnet_store import Claim, Lease, SubnetStore
from .subnets import DEFAULT_POOLS, Pool, pools_of

Said = t.Union[str, Subnet]


def _store() -> SubnetStore:
    return SubnetStore(config.get("lease_dir"))


def _pools() -> t.Sequence[Pool]:
    return pools_of(config.get("subnet_pools")) or DEFAULT_POOLS


def _subnet(said: Said) -> Subnet:
    """Lago 0.3 says 192.168.200.0, 1.0 adds the length."""
    text = str(said)
    try:
        return ipaddress.ip_network(text if "/" in text else f"{text}/24")
    except ValueError as error:
        raise LeaseError(str(error)) from None


def is_leasable_subnet(subnet: Said) -> bool:
    """Whether it lies where subnets are leased."""
    found = _subnet(subnet)
    return any(
        found.version == pool.network.version and found.subnet_of(pool.network)  # type: ignore[arg-type]
        for pool in _pools()
    )


def acquire(uuid_path: str, subnet: Said | None = None) -> Subnet:
    """A subnet, that one or any, for as long as `uuid_path` has its uuid. Raises LeaseError."""
    wanted = None if subnet is None else _subnet(subnet)
    if wanted is not None and not is_leasable_subnet(wanted):
        raise LeaseError(f"{wanted} does not lie where subnets are leased")
    return _store().acquire(Claim(uuid_path, wanted, pools=_pools(), taken=host_subnets.observe))


def list_leases(uuid: str | None = None) -> list[Lease]:
    return _store().leases(uuid)


def release(subnet: Said | t.Sequence[Said]) -> None:
    """One subnet, or several; one that is not leased is no error."""
    several: t.Sequence[t.Any] = subnet if isinstance(subnet, (list, tuple)) else [subnet]
    for one in several:
        _store().release(_subnet(one))
