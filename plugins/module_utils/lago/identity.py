# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, ids and MAC addresses that follow from the prefix's uuid: the same at each run, and nobody else's.

Whoever knows a prefix's uuid can tell which of libvirt's objects are its own, whatever happened to its files. A
network's name in libvirt has the whole uuid, so that an orphan is proved by name and id alone; libvirt 9.0 keeps no
metadata of networks, as it does of domains.
"""

from __future__ import annotations

import base64
import hashlib
import re
import typing as t
import uuid

IFNAMSIZ = 15  # letters of a link's name (linux/if.h has 16 with the end)
NETWORK, DOMAIN = "network", "domain"
OF_PREFIX = re.compile(r"^([0-9a-f]{32})-(.+)$")


def new_uuid() -> str:
    """32 hexadecimal digits, as Lago keeps them in a prefix's file."""
    return uuid.uuid4().hex


def is_uuid(text: str) -> bool:
    try:
        return uuid.UUID(text).hex == text.replace("-", "").lower()
    except ValueError:
        return False


def object_uuid(prefix: str, kind: str, name: str) -> str:
    """The id in libvirt of the domain or network `name` of a prefix (UUID version 5)."""
    return str(uuid.uuid5(uuid.UUID(prefix), f"{kind}/{name}"))


def domain_name(prefix: str, name: str) -> str:
    """Lago's: short enough for lists. Should two prefixes have the same, libvirt refuses: it is the id that counts."""
    return f"{uuid.UUID(prefix).hex[:8]}-{name}"


def network_name(prefix: str, name: str) -> str:
    return f"{uuid.UUID(prefix).hex}-{name}"


def network_owner(libvirt_name: str, libvirt_uuid: str) -> t.Tuple[str, str] | None:
    """The prefix's uuid and the name of a network in libvirt that was made here; None of any other."""
    found = OF_PREFIX.match(libvirt_name)
    if not found:
        return None
    prefix, name = found.groups()
    return (prefix, name) if object_uuid(prefix, NETWORK, name) == libvirt_uuid else None


def bridge_name(prefix: str, net: str) -> str:
    """A link's name, 65 bits of a digest: networks whose names begin alike get different ones."""
    return _link_name("lg", prefix, NETWORK, net)


def tap_name(prefix: str, domain: str, nic: int) -> str:
    """The link on the host that is the other end of a VM's interface."""
    return _link_name("lt", prefix, DOMAIN, domain, str(nic))


def _link_name(start: str, *of: str) -> str:
    letters = base64.b32encode(_digest(*of)).decode().lower()
    return (start + letters)[:IFNAMSIZ]


def mac(prefix: str, domain: str, nic: int) -> str:
    """A unicast address of the locally administered ones, with 40 bits of a digest."""
    return ":".join(f"{byte:02x}" for byte in (0x52, *_digest(prefix, "mac", domain, str(nic))[:5]))


def iscsi_name(domain: str) -> str:
    """Of a guest as an initiator: Lago's."""
    return f"iqn.2014-07.org.lago:{domain}"


def ula(prefix: str) -> str:
    """The prefix's own fd00::/8 network of length 48 (RFC 4193), for its IPv6 networks of length 64."""
    bits = _digest(prefix, "ula")[:5].hex()
    return f"fd{bits[:2]}:{bits[2:6]}:{bits[6:10]}::/48"


def _digest(prefix: str, *of: str) -> bytes:
    """Of the parts with their borders: `a`, `bc` is not `ab`, `c`; however the uuid is written."""
    return hashlib.sha256("\0".join((uuid.UUID(prefix).hex, *of)).encode()).digest()
