# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is of a lab; nothing is changed, and no lock is taken: a lab is seen while another process works on it."""

from __future__ import annotations

import typing as t

from .prefix import Prefix

if t.TYPE_CHECKING:
    from .network import Network
    from .vm import VM

Fields = t.Dict[str, t.Any]

RUNNING = "running"


def of_prefix(prefix: Prefix) -> Fields:
    """Of one that is initialized. Raises LagoError, KvmError, OSError."""
    fields: Fields = {
        "path": prefix.paths.prefix(),
        "uuid": prefix.uuid,
        "unfinished": prefix.standing().action,
        "vms": [],
        "networks": [],
        "snapshots": [],
        "snapshot": "",
    }
    if not prefix.specified():
        return {**fields, "state": "initialized"}
    env = prefix.virt_env
    vms = [_vm(vm) for vm in env.get_vms().values()]
    return {
        **fields,
        "state": _state(vms),
        "vms": vms,
        "networks": [_network(net) for net in env.get_nets().values()],
        "snapshots": sorted(env.snapshots.get("taken", ())),
        "snapshot": env.snapshots.get("at") or "",
    }


def _state(vms: list[Fields]) -> str:
    running = sum(vm["state"] == RUNNING for vm in vms)
    return "stopped" if not running else "started" if running == len(vms) else "partly"


def _vm(vm: VM) -> Fields:
    return {
        "name": vm.name(),
        "state": vm.state(),
        "ip": vm.ip(),
        "uuid": vm.uuid,
        "libvirt_name": vm.libvirt_name,
        "groups": list(vm.groups),
        "nics": [{name: nic[name] for name in ("net", "mac", "ip", "ip6")} for nic in vm.nics()],
        "console": vm.console(),
    }


def _network(net: Network) -> Fields:
    return {
        "name": net.name(),
        "type": net.spec.type,
        "state": "active" if net.alive() else "inactive",
        "uuid": net.uuid,
        "libvirt_name": net.libvirt_name,
        "bridge": net.bridge,
        "subnets": [str(subnet) for subnet in net.addresses.subnets if subnet is not None],
        "gw": net.gw(),
        "management": net.is_management(),
    }
