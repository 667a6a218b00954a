# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which address each interface of a lab gets once its networks have their subnets, and which names stand for it.

Lago's rules: the gateway is the first host; where an interface says an address of another subnet than the one that was
leased, its number in the network counts; all others get the lowest free number. What a network's `mapping` has already
stays, so that a lab that is changed keeps its addresses.
"""

from __future__ import annotations

import ipaddress
import typing as t

from .errors import AddressError
from .initfile.model import InitFile, Net, Nic
from .initfile.names import Address, Subnet


class Subnets(t.NamedTuple):
    """What a network got; None: no addresses of that family."""

    v4: Subnet | None
    v6: Subnet | None = None


class Place(t.NamedTuple):
    """One interface in a network, and its addresses there."""

    domain: str
    nic: int
    names: t.Tuple[str, ...]
    v4: Address | None
    v6: Address | None


class Addresses(t.NamedTuple):
    """Of one network: its subnets, gateways and interfaces."""

    subnets: Subnets
    gw: Address | None
    gw6: Address | None
    places: t.Tuple[Place, ...]

    @property
    def mapping(self) -> dict[str, str]:
        """Lago's: addresses by each name that stands for them; that of IPv6 where there is no other."""
        return {
            name: str(place.v4 or place.v6) for place in self.places for name in place.names if place.v4 or place.v6
        }


def allocate(lab: InitFile, subnets: t.Mapping[str, Subnets]) -> dict[str, Addresses]:
    """The addresses of all networks by name; one that is not in `subnets` has none. Raises AddressError."""
    return {
        name: _of_net(net, _nics_of(lab, net), subnets.get(name) or Subnets(net.subnet, net.subnet6))
        for name, net in lab.nets.items()
    }


Member = t.Tuple[str, int, Nic, t.Tuple[str, ...]]  # the VM, the number of its interface, and its names


def _nics_of(lab: InitFile, net: Net) -> list[Member]:
    found = []
    for domain in lab.domains.values():
        numbers = [number for number, nic in enumerate(domain.nics) if nic.net == net.name]
        for count, number in enumerate(numbers):
            names = nic_names(domain.name, net, number, count)
            found.append((domain.name, number, domain.nics[number], names))
    return found


def nic_names(domain: str, net: Net, number: int, count: int) -> tuple[str, ...]:
    """Names of a VM's interface `number`, which is the VM's `count`th in the network: those of Lago 0.3 and of 1.0."""
    own = (domain,) if net.management else ()
    first = (f"{domain}-{net.name}",) if count == 0 else ()
    return (*own, f"{domain}-eth{number}", *first, f"{domain}-{net.name}-{count}")


def _of_net(net: Net, members: t.Sequence[Member], subnets: Subnets) -> Addresses:
    if subnets.v4 is None and subnets.v6 is None:
        return Addresses(subnets, None, None, ())
    gateway = int(net.gw) - int(subnets.v4[0]) if net.gw is not None and subnets.v4 is not None else 1
    used = {gateway: f"the gateway of {net.name}"}
    numbers = _said(net, members, subnets, used)
    free = _free(subnets, used)
    places = []
    for domain, nic, _unused, names in members:
        number = numbers.get((domain, nic)) or next(free, None)
        if number is None:
            raise AddressError(f"nets.{net.name}: {subnets.v4 or subnets.v6} has no address left for {domain}")
        places.append(Place(domain, nic, names, _host(subnets.v4, number), _host(subnets.v6, number)))
    return Addresses(subnets, _host(subnets.v4, gateway), _host(subnets.v6, gateway), tuple(places))


def _said(net: Net, members: t.Sequence[Member], subnets: Subnets, used: dict[int, str]) -> dict[tuple[str, int], int]:
    """The numbers of those that say theirs, or had one before; marks all numbers that are in use."""
    found = {}
    mine = {name for member in members for name in member[3]}
    for name, kept in net.mapping.items():
        if name not in mine:
            used.setdefault(_number(f"nets.{net.name}.mapping.{name}", kept, subnets), name)
    for domain, nic, wanted, names in members:
        address = wanted.ip or next((net.mapping[name] for name in names if name in net.mapping), None)
        if address is None:
            continue
        place = f"domains.{domain}.nics[{nic}]"
        number = _number(place, address, subnets)
        if number in used:
            raise AddressError(f"{place}: {address} has the place of {used[number]} in {subnets.v4 or subnets.v6}")
        used[number] = place
        found[domain, nic] = number
    return found


def _number(place: str, address: Address, subnets: Subnets) -> int:
    subnet = subnets.v4 if address.version == 4 else subnets.v6
    if subnet is None:
        raise AddressError(f"{place}: {address} is of IPv{address.version}, which the network does not have")
    number = int(address) & int(subnet.hostmask)
    if not 0 < number < subnet.num_addresses - 1:
        raise AddressError(f"{place}: {address} is no host's number in {subnet}")
    return number


def _free(subnets: Subnets, used: t.Container[int]) -> t.Iterator[int]:
    hosts = min(subnet.num_addresses - 2 for subnet in subnets if subnet is not None)
    return (number for number in range(1, hosts + 1) if number not in used)


def _host(subnet: Subnet | None, number: int) -> Address | None:
    return None if subnet is None else subnet[number]


# Lago's own functions, for subnets as it writes them: 192.168.200.0, or with a length


def _create_ip(subnet: str, index: int) -> str:
    return str(_network(subnet)[index])


def _ip_in_subnet(subnet: str, ip: str) -> bool:
    return ipaddress.ip_address(ip) in _network(subnet)


def _network(subnet: str) -> Subnet:
    return ipaddress.ip_network(subnet if "/" in subnet else f"{subnet}/24")
