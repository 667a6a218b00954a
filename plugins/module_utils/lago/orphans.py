# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt has of labs whose folders are gone: only what can be proved, by ids that follow from a lab's uuid."""

from __future__ import annotations

import os
import typing as t
from xml.etree import ElementTree

from ..hypervisor.connection import Connection
from . import files, identity
from .documents.domain import METADATA

WHOSE = f"metadata/{{{METADATA}}}vm"
CONSOLE = "devices/serial/log"  # lies in a lab's folder, and in no other that belongs to nobody else


class Thing(t.NamedTuple):
    """`kind` is domain or network; `name` and `uuid` are libvirt's, `prefix` is the uuid of the lab."""

    kind: str
    name: str
    uuid: str
    prefix: str


def of_labs(connection: Connection) -> tuple[list[Thing], set[str]]:
    """All that libvirt has of labs, and the uuids of those labs whose folders its domains name and that are there.

    Raises KvmError.
    """
    things, there = [], set()
    for domain in connection.ask("listAllDomains", 0):
        root = ElementTree.fromstring(connection.ask_of(domain, "XMLDesc", 0))
        thing = _domain(root)
        if thing:
            things.append(thing)
            there |= {thing.prefix} if _folder_is_there(root, thing.prefix) else set()
    for network in connection.ask("listAllNetworks", 0):
        name, uuid = connection.ask_of(network, "name"), connection.ask_of(network, "UUIDString")
        owner = identity.network_owner(name, uuid)
        if owner:
            things.append(Thing(identity.NETWORK, name, uuid, owner[0]))
    return things, there


def _domain(root: ElementTree.Element) -> Thing | None:
    """None for a domain of somebody else, or one that says it is a lab's and has not the id for it."""
    said, uuid = root.find(WHOSE), root.findtext("uuid", "")
    prefix, name = (said.get("prefix", ""), said.get("name", "")) if said is not None else ("", "")
    if not identity.is_uuid(prefix) or identity.object_uuid(prefix, identity.DOMAIN, name) != uuid:
        return None
    return Thing(identity.DOMAIN, root.findtext("name", ""), uuid, prefix)


def _folder_is_there(root: ElementTree.Element, prefix: str) -> bool:
    log = root.find(CONSOLE)
    folder = os.path.dirname(os.path.dirname(log.get("file", ""))) if log is not None else ""
    return bool(folder) and files.first_line(os.path.join(folder, "uuid")) == prefix
