# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the DNS server of a lab's network knows."""

from __future__ import annotations

import typing as t

from .addressing import Addresses
from .initfile.model import Net

Names = t.Mapping[str, t.Sequence[str]]  # by address


def names_of(lab: t.Mapping[str, Addresses]) -> dict[str, list[str]]:
    """All names of all VMs' interfaces in a lab, by address."""
    found: dict[str, list[str]] = {}
    for addresses in lab.values():
        for place in addresses.places:
            for address in (place.v4, place.v6):
                if address is not None:
                    found.setdefault(str(address), []).extend(place.names)
    return found


def dns_names(net: Net, lab: t.Mapping[str, Addresses]) -> dict[str, list[str]]:
    """What the network's DNS server knows, by address: only a NAT network for management has one."""
    return with_records(net, names_of(lab)) if net.management and net.type == "nat" else {}


def with_records(net: Net, names: Names) -> dict[str, list[str]]:
    """`names` and those that the file says besides."""
    by_address: dict[str, list[str]] = {str(address): list(some) for address, some in names.items()}
    for name, address in net.dns_records.items():
        by_address.setdefault(str(address), []).append(name)
    return {address: list(dict.fromkeys(some)) for address, some in by_address.items()}
