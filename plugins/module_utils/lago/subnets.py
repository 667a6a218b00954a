# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which subnet of a pool is free, and if none, why: pure arithmetic over what is taken."""

from __future__ import annotations

import ipaddress
import typing as t

from .errors import LeaseError
from .initfile.names import Subnet

NAMED = 3  # reasons in a refusal; the rest is counted


class Pool(t.NamedTuple):
    """Subnets of `length` are made of `network`."""

    network: Subnet
    length: int


class Taken(t.NamedTuple):
    """A network that cannot be used: `why` ends the sentence "10.0.0.0/8 ..."."""

    network: Subnet
    why: str


# Lago 1.0's: 192.168.200.0/24 to 192.168.255.0/24.
DEFAULT_POOLS = tuple(
    Pool(ipaddress.ip_network(network), 24) for network in ("192.168.200.0/21", "192.168.208.0/20", "192.168.224.0/19")
)


def pool(network: str, length: int) -> Pool:
    """A pool as people write it. Raises LeaseError where no subnet of that length is in it."""
    try:
        found = ipaddress.ip_network(network)
    except ValueError as error:
        raise LeaseError(f"the pool {network}: {error}") from None
    if not found.prefixlen <= length <= found.max_prefixlen - 2:
        raise LeaseError(f"the pool {network} has no subnets of length {length} with room for two hosts")
    return Pool(found, length)


def pools_of(text: str) -> list[Pool]:
    """As the setting subnet_pools has them: `10.80.0.0/16 26, fd00:80::/48 64`. Raises LeaseError."""
    return [_pool_of(said) for said in map(str.strip, text.split(",")) if said]


def _pool_of(said: str) -> Pool:
    network, _unused, length = said.partition(" ")
    if not length.strip().isdecimal():
        raise LeaseError(f"the pool {said}: it takes a network and the length of its subnets, as in 10.80.0.0/16 26")
    return pool(network, int(length))


def first_free(pools: t.Sequence[Pool], taken: t.Sequence[Taken]) -> Subnet:
    """The first subnet of the pools that overlaps nothing that is taken. Raises LeaseError with what is in the way."""
    in_the_way: dict[Taken, None] = {}
    for one in pools:
        found = _first_in(one, taken, in_the_way)
        if found is not None:
            return found
    tried = ", ".join(f"{one.network} (length {one.length})" for one in pools)
    raise LeaseError(f"no subnet is free in {tried}: {_reasons(list(in_the_way))}")


def _first_in(one: Pool, taken: t.Sequence[Taken], in_the_way: dict[Taken, None]) -> Subnet | None:
    """Goes on behind the end of what is in the way, so that a pool of 2^56 subnets takes no longer than a small one."""
    end = int(one.network.broadcast_address)
    size = 1 << one.network.max_prefixlen - one.length
    start = int(one.network.network_address)
    near = [item for item in taken if item.network.version == one.network.version]
    while start <= end:
        subnet = type(one.network)((start, one.length))
        hit = overlap(subnet, near)
        if hit is None:
            return subnet
        in_the_way[hit] = None
        start = max(start, int(hit.network.broadcast_address) // size * size) + size
    return None


def overlap(subnet: Subnet, taken: t.Iterable[Taken]) -> Taken | None:
    """The first that overlaps the subnet."""
    return next(
        (item for item in taken if item.network.version == subnet.version and item.network.overlaps(subnet)), None
    )


def _reasons(found: t.Sequence[Taken]) -> str:
    if not found:
        return "there is no pool of that family"
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return "; ".join(f"{item.network} {item.why}" for item in found[:NAMED]) + more
