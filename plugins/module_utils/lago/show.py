# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A `lago_prefix_info` task from its parameters to its result."""

from __future__ import annotations

import os
import typing as t

from ..hypervisor.connection import Connection
from ..hypervisor.errors import KvmError
from . import config, files, orphans
from .errors import LagoError
from .host_options import HOST, settings
from .prefix import Prefix
from .prefixes import folders
from .status import of_prefix
from .subnet_store import Lease, SubnetStore
from .templates.store import TemplateStore

FAILURES = (LagoError, KvmError, OSError)
SPEC = {**HOST, "paths": {"type": "list", "elements": "str", "default": []}}

Params = t.Mapping[str, t.Any]
Fields = t.Dict[str, t.Any]


def run(params: Params) -> Fields:
    """`prefixes`, `leases`, `templates` and `orphans`. Raises FAILURES."""
    said = settings(params)
    places = {key: said.get(key) or config.get(key) for key in ("libvirt_url", "lease_dir", "template_store")}
    leases = SubnetStore(places["lease_dir"]).leases()
    paths = [*folders(params["paths"]), *(os.path.dirname(lease.uuid_path) for lease in leases)]
    found = [_prefix(path, said) for path in sorted(set(paths))]
    with Connection(places["libvirt_url"], readonly=False) as connection:
        things, there = orphans.of_labs(connection)
    known = there | {one["uuid"] for one in found}
    return {
        "prefixes": found,
        "leases": [_lease(lease) for lease in leases],
        "templates": _templates(TemplateStore(places["template_store"])),
        "orphans": [thing._asdict() for thing in things if thing.prefix not in known],
    }


def _prefix(path: str, said: t.Mapping[str, str]) -> Fields:
    """One that cannot be read does not keep the others from being seen."""
    try:
        with Prefix(path, said) as prefix:
            return of_prefix(prefix)
    except (LagoError, OSError) as error:
        return {"path": path, "uuid": files.first_line(os.path.join(path, "uuid")), "error": str(error)}


def _lease(lease: Lease) -> Fields:
    return {"subnet": str(lease.subnet), "path": os.path.dirname(lease.uuid_path), "network": lease.use}


def _templates(store: TemplateStore) -> list[Fields]:
    return [
        {
            "name": name,
            "sha256": kept.sha256,
            "format": kept.format,
            "size_bytes": kept.size,
            "used_by": [os.path.dirname(path) for path in users],
        }
        for name, kept, users in store.images()
    ]
