# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kind of machine a lab's VMs are: chosen once, when the lab is made, and kept, since guests remember theirs."""

from __future__ import annotations

import typing as t

from ..hypervisor.connection import Connection
from ..hypervisor.facts.acceleration import acceleration
from ..hypervisor.facts.node import Node
from .errors import LagoError
from .initfile.model import InitFile
from .machine import KVM, TCG, Machine

# Machine types by architecture, the first that the host lists is taken.
MACHINES = {"x86_64": ("pc", "q35"), "aarch64": ("virt",), "ppc64le": ("pseries",), "s390x": ("s390-ccw-virtio",)}


def choose(connection: Connection) -> Machine:
    """With the accelerator that can boot a stock guest, by the verdict on this host. Raises LagoError, KvmError."""
    node = Node(connection)
    kind = acceleration(node)["recommended"]
    if kind is None:
        raise LagoError(f"{connection.uri} offers no guests of {node.architecture}")
    arch = next(one for one in node.capabilities.iterfind("guest/arch") if one.get("name") == node.architecture)
    listed = [machine.text or "" for machine in arch.iterfind("machine")]
    wanted = MACHINES.get(node.architecture, ())
    machine = next((one for one in wanted if one in listed), listed[0] if listed else "")
    return Machine(kind, node.architecture, machine)


def check(connection: Connection, spec: InitFile) -> None:
    """Raises LagoError where a VM insists on KVM and the host's cannot boot it."""
    insisting = [name for name, domain in spec.domains.items() if domain.accel == "kvm"]
    if not insisting:
        return
    verdict = acceleration(Node(connection))
    if verdict["recommended"] != KVM:
        why = "; ".join(str(one["what"]) for one in verdict["evidence"] if one["verdict"] == "against")
        raise LagoError(f"domains.{insisting[0]}.accel: kvm cannot boot a guest here: {why}")


def accelerated(machine: Machine, wished: str) -> Machine:
    """With another accelerator: `auto`, `kvm` or `tcg`."""
    return machine._replace(type={"auto": machine.type, "kvm": KVM, "tcg": TCG}[wished])


def parsed(found: t.Sequence[str]) -> Machine:
    """Of the four texts in which a lab keeps it."""
    return Machine(*(str(one) for one in found))
