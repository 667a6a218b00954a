# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that a user gives: each becomes a file name, a name in DNS or a name in libvirt, so that few letters fit."""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ..errors import InitFileError
from .fields import text

LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
HOST = re.compile(rf"^{LABEL}(?:\.{LABEL})*$", re.ASCII)
WORD = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$", re.ASCII)
LINK = re.compile(r"^(?!\.{1,2}$)[A-Za-z0-9_.-]{1,15}$", re.ASCII)  # IFNAMSIZ, of those that need no quotes
DEVICE = re.compile(r"^(?:vd|sd|hd)[a-z]$", re.ASCII)

Address = t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
Subnet = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


def host(place: str, value: t.Any) -> str:
    """The name of a VM, or one that DNS shall know. Underscores, which Lago's own labs have, are taken."""
    found = text(place, value)
    if len(found) > 200 or not HOST.match(found):
        raise InitFileError(place, f"{found!r} cannot be a host name (letters, digits and - inside, 63 a label)")
    return found


def word(place: str, value: t.Any) -> str:
    """The name of a network, a disk, a snapshot, a group: what is safe in a path."""
    found = text(place, value)
    if not WORD.match(found):
        raise InitFileError(place, f"{found!r} cannot be a name (letters, digits, _ . and -, 100 at most)")
    return found


def device(place: str, value: t.Any) -> str:
    """`vda` (virtio), `sda` (virtio-scsi), `hda` (IDE or SATA), up to z."""
    found = text(place, value)
    if not DEVICE.match(found):
        raise InitFileError(place, f"{found!r} is no disk's name such as vda, sda or hda")
    return found


def link(place: str, value: t.Any) -> str:
    """The name of one of the host's links."""
    found = text(place, value)
    if not LINK.match(found):
        raise InitFileError(place, f"{found!r} cannot be a link's name (letters, digits, _ . and -, 15 at most)")
    return found


def address(place: str, value: t.Any) -> Address:
    try:
        return ipaddress.ip_address(text(place, value))
    except ValueError:
        raise InitFileError(place, f"{value!r} is no IP address") from None


def subnet(place: str, value: t.Any) -> Subnet:
    """A network with its length, such as 10.1.2.0/26, that has room for a gateway and a guest."""
    try:
        found = ipaddress.ip_network(text(place, value))
    except ValueError as error:
        raise InitFileError(place, str(error)) from None
    if "/" not in str(value) or found.num_addresses < 4:
        raise InitFileError(place, f"{value!r} is no network with a length, for two hosts at least")
    return found
