# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's own documents, whole, as dictionaries without loss: large, for questions that the rest does not answer."""

from __future__ import annotations

import typing as t

from ..document import parse, to_dict
from ..errors import Refused
from . import devices, domcaps
from .node import Node


def documents(source: Node) -> dict[str, t.Any]:
    found: dict[str, t.Any] = {"capabilities": to_dict(source.capabilities)["capabilities"]}
    found["domain_capabilities"] = [
        {"virttype": kind.virttype, **to_dict(root)["domainCapabilities"]} for kind, root in domcaps.answers(source)
    ]
    for name, method, root in (
        ("storage_pool_capabilities", "getStoragePoolCapabilities", "storagepoolCapabilities"),
        ("sysinfo", "getSysinfo", "sysinfo"),
    ):
        try:
            found[name] = to_dict(source.document(method, 0))[root]
        except Refused as error:
            found[name] = {"supported": False, "reason": str(error)}
    for name, method in (("networks", "listAllNetworks"), ("storage_pools", "listAllStoragePools")):
        found[name] = [
            value
            for one in source.ask(method, 0)
            for value in to_dict(parse(source.ask_of(one, "XMLDesc", 0))).values()
        ]
    found["devices"] = [to_dict(root)["device"] for root in devices.documents(source)]
    return found


def cpu_models(source: Node) -> list[str]:
    """Every CPU model of the host's architecture that libvirt knows."""
    return sorted(source.ask("getCPUModelNames", source.architecture, 0))
