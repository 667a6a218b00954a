# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plugs what a running VM is to have besides, and unplugs what it is not to have any more.

What there is is asked of libvirt, so that it can be done again when it was interrupted.
"""

from __future__ import annotations

import time
import typing as t
from xml.etree import ElementTree

from ..hypervisor.connection import Connection
from .errors import LagoError

LIVE_AND_CONFIG = 1 | 2  # VIR_DOMAIN_AFFECT_LIVE, VIR_DOMAIN_AFFECT_CONFIG
UNPLUGGED = 30.0  # seconds that a guest has to give a device up
PAUSE = 0.2

Element = ElementTree.Element
Devices = t.Dict[t.Tuple[str, str, str], Element]  # kind, name, and what it is connected to


def update(connection: Connection, uuid: str, wanted: Element) -> None:
    """Makes the devices of the domain those of the document `wanted`. Raises LagoError, KvmError."""
    domain = connection.ask("lookupByUUIDString", uuid)
    want, have = devices(wanted), _now(connection, domain)
    for key, element in have.items():
        if key not in want:
            _unplug(connection, domain, key, element)
    for key, element in want.items():
        if key not in have:
            connection.ask_of(domain, "attachDeviceFlags", _text(element), LIVE_AND_CONFIG)


def devices(root: Element) -> Devices:
    """Interfaces by their MAC address and network, disks by their device and file; no CDs, which stay."""
    found: Devices = {}
    for element in root.iterfind("devices/interface"):
        found["interface", _of(element, "mac", "address"), _of(element, "source", "network")] = element
    for element in root.iterfind("devices/disk"):
        if element.get("device") != "cdrom":
            found["disk", _of(element, "target", "dev"), _of(element, "source", "file")] = element
    return found


def _of(element: Element, tag: str, attribute: str) -> str:
    child = element.find(tag)
    return "" if child is None else child.get(attribute, "")


def _now(connection: Connection, domain: t.Any) -> Devices:
    return devices(ElementTree.fromstring(connection.ask_of(domain, "XMLDesc", 0)))


def _unplug(connection: Connection, domain: t.Any, key: tuple[str, str, str], element: Element) -> None:
    """A guest has to let go of it: one that does not is asked again, until its time is over."""
    deadline = time.monotonic() + UNPLUGGED
    connection.ask_of(domain, "detachDeviceFlags", _text(element), LIVE_AND_CONFIG)
    while key in _now(connection, domain):
        if time.monotonic() > deadline:
            raise LagoError(f"the guest has not given up the {key[0]} {key[1]} within {UNPLUGGED:g} s; restart the VM")
        time.sleep(PAUSE)


def _text(element: Element) -> str:
    return ElementTree.tostring(element, encoding="unicode")
