# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes the hosts that a running network's servers of DHCP and DNS know, without a break for those who use it."""

from __future__ import annotations

import typing as t
from xml.etree import ElementTree

from ..hypervisor.connection import Connection
from .dns import names_of
from .documents import network as network_document
from .lab import Lab

# libvirt-network.h
DELETE, ADD = 2, 3  # VIR_NETWORK_UPDATE_COMMAND_DELETE, _ADD_LAST
DHCP_HOST, DNS_HOST = 4, 10  # VIR_NETWORK_SECTION_IP_DHCP_HOST, _DNS_HOST
LIVE_AND_CONFIG = 1 | 2

Element = ElementTree.Element
Hosts = t.Dict[str, Element]  # by all that they say


def update(connection: Connection, lab: Lab, name: str, uuid: str) -> None:
    """Raises KvmError."""
    network = connection.ask("networkLookupByUUIDString", uuid)
    names = names_of(lab.addresses)
    document = network_document.build(lab.uuid, lab.spec.nets[name], lab.addresses[name], names)
    want = ElementTree.fromstring(document)
    have = ElementTree.fromstring(connection.ask_of(network, "XMLDesc", 0))
    wanted_ips, ips = want.findall("ip"), have.findall("ip")
    for number, (one, other) in enumerate(zip(ips, wanted_ips)):
        _section(connection, network, DHCP_HOST, number, one.findall("dhcp/host"), other.findall("dhcp/host"))
    _section(connection, network, DNS_HOST, -1, have.findall("dns/host"), want.findall("dns/host"))


def _section(
    connection: Connection, network: t.Any, section: int, parent: int, have: list[Element], want: list[Element]
) -> None:
    before, after = _hosts(have), _hosts(want)
    for command, some in (
        (DELETE, [element for key, element in before.items() if key not in after]),
        (ADD, [element for key, element in after.items() if key not in before]),
    ):
        for element in some:
            text = ElementTree.tostring(element, encoding="unicode")
            connection.ask_of(network, "update", command, section, parent, text, LIVE_AND_CONFIG)


def _hosts(elements: t.Iterable[Element]) -> Hosts:
    return {_all_of(element): element for element in elements}


def _all_of(element: Element) -> str:
    own = sorted(element.attrib.items())
    return repr((own, sorted(child.text or "" for child in element)))
