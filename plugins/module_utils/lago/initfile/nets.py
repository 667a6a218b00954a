# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One network of an init file."""

from __future__ import annotations

import typing as t

from ..errors import InitFileError
from . import names
from .fields import Field, anything, boolean, choice, integer, read_fields, values_of
from .model import Dhcp, Net

FIELDS = (
    Field("type", choice("nat", "bridge"), "nat"),
    Field("management", boolean, False),
    Field("subnet", names.subnet, None),
    Field("subnet6", names.subnet, None),
    Field("ipv6", boolean, False),
    Field("gw", names.address, None),
    Field("mtu", integer(68, 65521), 0),
    Field("dhcp", anything, None),
    Field("dns_domain_name", names.host, ""),
    Field("dns_records", values_of(names.address), {}),
    Field("mapping", values_of(names.address), {}),
    Field("bridge", names.link, ""),
)

DHCP = (
    Field("start", integer(1, 1 << 24)),
    Field("end", integer(1, 1 << 24)),
)

LEASED = 24  # the length of the network around a gateway that does not say it, as Lago had them


def read(place: str, name: str, given: t.Any, unknown: list[str]) -> Net:
    """Raises InitFileError."""
    names.word(place, name)
    values = read_fields(place, {} if given is None else given, FIELDS, unknown)
    values["dhcp"] = _dhcp(f"{place}.dhcp", values["dhcp"], unknown)
    for key in values["dns_records"]:
        names.host(f"{place}.dns_records", key)
    net = _around_gateway(Net(name=name, **values))
    _check(place, net)
    return net


def _dhcp(place: str, given: t.Any, unknown: list[str]) -> Dhcp | None:
    if given is None:
        return None
    dhcp = Dhcp(**read_fields(place, given, DHCP, unknown))
    if dhcp.start > dhcp.end:
        raise InitFileError(place, f"the start {dhcp.start} lies behind the end {dhcp.end}")
    return dhcp


def _around_gateway(net: Net) -> Net:
    """In Lago's files a gateway's address alone says which network it is."""
    if net.gw is None or net.subnet is not None or net.gw.version == 6:
        return net
    return net._replace(subnet=names.subnet("", f"{_network_of(str(net.gw))}/{LEASED}"))


def _network_of(address: str) -> str:
    return address.rsplit(".", 1)[0] + ".0"


def _check(place: str, net: Net) -> None:
    for key, version in (("subnet", 4), ("subnet6", 6)):
        found = getattr(net, key)
        if found is not None and found.version != version:
            raise InitFileError(f"{place}.{key}", f"{found} is not of IPv{version}")
    if net.gw is not None and (net.gw.version == 6 or net.subnet is None or net.gw not in net.subnet):
        raise InitFileError(f"{place}.gw", f"{net.gw} does not lie in {net.subnet or 'an IPv4 subnet'}")
    if net.gw is not None and net.subnet is not None and net.gw in (net.subnet[0], net.subnet[-1]):
        raise InitFileError(f"{place}.gw", f"{net.gw} is no host's address in {net.subnet}")
    if net.subnet is not None and net.dhcp is not None and net.dhcp.end > net.subnet.num_addresses - 2:
        raise InitFileError(f"{place}.dhcp.end", f"{net.subnet} has no host {net.dhcp.end}")
    if net.type == "bridge" and net.dhcp is not None:
        raise InitFileError(f"{place}.dhcp", "a network of type bridge has no DHCP server")
    if net.bridge and net.type != "bridge":
        raise InitFileError(f"{place}.bridge", "only a network of type bridge can be on one of the host's")
    if net.bridge and net.mtu:
        raise InitFileError(f"{place}.mtu", "a bridge of the host's has its own")
