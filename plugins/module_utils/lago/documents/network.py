# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's document of a lab's network (libvirt.org/formatnetwork.html)."""

from __future__ import annotations

import typing as t

from .. import identity
from ..addressing import Addresses, Place
from ..dns import Names, with_records
from ..errors import AddressError
from ..initfile.model import Net
from ..initfile.names import Address, Subnet
from .element import Element, document, element


def build(prefix: str, net: Net, addresses: Addresses, names: Names) -> str:
    """The document of `net` in the lab with the uuid `prefix`.

    `names` are what the DNS server of a management network knows besides what the file says (see dns.names_of).
    Raises AddressError where the pool of DHCP does not fit into the subnet.
    """
    nat = net.type == "nat"
    if net.bridge:
        return document(_on_bridge(prefix, net))
    return document(
        element(
            "network",
            element("name", identity.network_name(prefix, net.name)),
            element("uuid", identity.object_uuid(prefix, identity.NETWORK, net.name)),
            element("forward", mode="nat") if nat else None,
            # Without a delay: guests ask for their addresses before a bridge with one passes anything on.
            element("bridge", name=identity.bridge_name(prefix, net.name), stp="off", delay="0"),
            element("mtu", size=net.mtu) if net.mtu else None,
            element("domain", name=net.dns_domain_name, localOnly="yes") if net.dns_domain_name else None,
            _dns(net, names) if nat else None,
            *(_ip(prefix, net, subnet, gw, addresses.places) for subnet, gw in _families(addresses)),
        )
    )


def _on_bridge(prefix: str, net: Net) -> Element:
    """On a bridge that is the host's: libvirt only plugs guests into it."""
    return element(
        "network",
        element("name", identity.network_name(prefix, net.name)),
        element("uuid", identity.object_uuid(prefix, identity.NETWORK, net.name)),
        element("forward", mode="bridge"),
        element("bridge", name=net.bridge),
    )


def _families(addresses: Addresses) -> list[tuple[Subnet, Address]]:
    both = ((addresses.subnets.v4, addresses.gw), (addresses.subnets.v6, addresses.gw6))
    return [(subnet, gw) for subnet, gw in both if subnet is not None and gw is not None]


def _dns(net: Net, names: Names) -> Element:
    """Only management networks have a DNS server; on the others the same names would be other machines."""
    if not net.management:
        return element("dns", enable="no")
    return element("dns", *(dns_host(address, some) for address, some in with_records(net, names).items()))


def dns_host(address: str, names: t.Sequence[str]) -> Element:
    return element("host", *(element("hostname", name) for name in names), ip=address)


def _ip(prefix: str, net: Net, subnet: Subnet, gw: Address, places: t.Sequence[Place]) -> Element:
    family = "ipv6" if subnet.version == 6 else "ipv4"
    dhcp = _dhcp(prefix, net, subnet, places) if net.dhcp is not None else None
    return element("ip", dhcp, family=family, address=gw, prefix=subnet.prefixlen)


def _dhcp(prefix: str, net: Net, subnet: Subnet, places: t.Sequence[Place]) -> Element | None:
    if net.dhcp is None:
        return None
    if net.dhcp.end > subnet.num_addresses - 2:
        raise AddressError(f"nets.{net.name}.dhcp.end: {subnet} has no host {net.dhcp.end}")
    return element(
        "dhcp",
        element("range", start=subnet[net.dhcp.start], end=subnet[net.dhcp.end]),
        *(dhcp_host(prefix, place, subnet.version) for place in places),
    )


def dhcp_host(prefix: str, place: Place, version: int) -> Element:
    """IPv6 knows clients by an identifier of their own making, or as here by their name."""
    mac = identity.mac(prefix, place.domain, place.nic) if version == 4 else None
    name = place.names[0]
    return element("host", mac=mac, name=name, ip=place.v4 if version == 4 else place.v6)
