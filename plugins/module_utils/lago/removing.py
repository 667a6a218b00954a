# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How each kind of thing is removed, by what the journal knows of it alone; gone already is as good."""

from __future__ import annotations

import os
import shutil
import typing as t

from ..hypervisor.errors import Gone, Refused
from . import files, left_of_domain, left_of_network
from .standing import Thing
from .subnet_store import SubnetStore
from .templates.store import TemplateStore

if t.TYPE_CHECKING:
    from ..hypervisor.connection import Connection
    from .prefix import Prefix

# VIR_DOMAIN_UNDEFINE_MANAGED_SAVE, _SNAPSHOTS_METADATA, _NVRAM, _CHECKPOINTS_METADATA (libvirt-domain.h)
UNDEFINE_ALL = 1 | 2 | 4 | 16
INVALID_OPERATION = 55  # VIR_ERR_OPERATION_INVALID: it has just ended by itself, or was ended by somebody else


def remove(prefix: Prefix, thing: Thing) -> None:
    """Raises LagoError, KvmError, OSError."""
    REMOVERS[thing.kind](prefix, thing)


def _domain(prefix: Prefix, thing: Thing) -> None:
    with prefix.connection.beside() as connection:
        try:
            domain = connection.ask("lookupByUUIDString", thing.detail["uuid"])
            if connection.ask_of(domain, "isActive"):
                _ended(connection, domain)
            connection.ask_of(domain, "undefineFlags", UNDEFINE_ALL)
        except Gone:
            pass
        left_of_domain.sweep(connection, prefix.setting, thing.detail["libvirt_name"])
    files.remove(os.path.join(prefix.setting("libvirt_logs"), f"{thing.detail['libvirt_name']}.log"))


def _ended(connection: Connection, running: t.Any) -> None:
    """A domain or a network."""
    try:
        connection.ask_of(running, "destroy")
    except Refused as error:
        if error.code != INVALID_OPERATION:
            raise


def _network(prefix: Prefix, thing: Thing) -> None:
    connection = prefix.connection
    try:
        network = connection.ask("networkLookupByUUIDString", thing.detail["uuid"])
        if connection.ask_of(network, "isActive"):
            _ended(connection, network)
        left_of_network.sweep(connection, network)
        connection.ask_of(network, "undefine")
    except Gone:
        pass


def _file(_prefix: Prefix, thing: Thing) -> None:
    if thing.detail.get("own", True):
        files.remove(thing.detail["path"])


def _folder(_prefix: Prefix, thing: Thing) -> None:
    shutil.rmtree(thing.detail["path"], ignore_errors=True)


def _key(_prefix: Prefix, thing: Thing) -> None:
    for path in (thing.detail["path"], f"{thing.detail['path']}.pub"):
        files.remove(path)


def _lease(prefix: Prefix, thing: Thing) -> None:
    SubnetStore(prefix.setting("lease_dir")).release_use(prefix.paths.uuid(), thing.name)


def _template(prefix: Prefix, thing: Thing) -> None:
    if "sha256" in thing.detail:
        TemplateStore(prefix.setting("template_store")).release(prefix.uuid, thing.detail["sha256"])


def _snapshot(prefix: Prefix, thing: Thing) -> None:
    from .snapshots import remove_thing

    remove_thing(prefix, thing)


def _archive(prefix: Prefix, thing: Thing) -> None:
    from .exporting import remove_thing

    remove_thing(prefix, thing)


REMOVERS: t.Dict[str, t.Callable[[t.Any, Thing], None]] = {
    "folder": _folder,
    "key": _key,
    "lease": _lease,
    "template": _template,
    "disk": _file,
    "seed": _file,
    "network": _network,
    "domain": _domain,
    "snapshot": _snapshot,
    "archive": _archive,
}
