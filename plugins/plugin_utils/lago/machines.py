# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The VMs of a prefix, as variables and groups of inventory hosts; what its files say is not trusted."""

from __future__ import annotations

import ipaddress
import json
import os
import typing as t
import uuid

from ...module_utils.lago.errors import LagoError
from ...module_utils.lago.initfile import reading
from ...module_utils.lago.initfile.model import Domain, InitFile
from ...module_utils.lago.prefixes import Prefix
from ...module_utils.lago.records import unpack
from ...module_utils.lago.standing import Standing, replay

Variables = t.Dict[str, t.Any]
Mapping = t.Dict[str, t.Dict[str, str]]  # network -> name in it -> address
RUNNING = ("made", "changing")  # what the journal says of a domain that is in libvirt


class Machine(t.NamedTuple):
    """`variables` without those of the connection; `groups` by what they are about."""

    name: str
    address: str
    user: str
    variables: Variables
    groups: t.Dict[str, t.List[str]]


def machines(prefix: Prefix) -> list[Machine]:
    """The VMs of a lab that has been described; none of a prefix that has not. Raises LagoError."""
    if not prefix["env"]:
        return []
    try:
        own = uuid.UUID(prefix["uuid"].strip()).hex
        env = json.loads(prefix["env"])
        lab = reading.read(env["spec"], {str(name): str(text) for name, text in env["variables"].items()})
        mapping = {str(net): _addresses(names) for net, names in env["mapping"].items()}
        snapshots = sorted(str(name) for name in env.get("snapshots", {}).get("taken", ()))
    except LagoError as error:
        raise LagoError(f"{prefix['path']}: {error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise LagoError(f"{prefix['path']}: virt/env is not what a prefix has there ({error!r})") from None
    running = _started(prefix)
    common = {
        "lago_prefix": prefix["path"],
        "lago_lab": os.path.basename(prefix["path"]),
        "lago_uuid": own,
        "lago_snapshots": snapshots,
    }
    return [_machine(common, lab, domain, mapping, domain.name in running) for domain in lab.domains.values()]


def _addresses(names: t.Mapping[str, str]) -> dict[str, str]:
    return {str(name): str(ipaddress.ip_address(address)) for name, address in names.items()}


def _started(prefix: Prefix) -> set[str]:
    """Names of the VMs that the journal says are in libvirt. Raises LagoError."""
    standing: Standing = replay(unpack(prefix["journal"].encode())[0])
    return {name for (kind, name), thing in standing.things.items() if kind == "domain" and thing.state in RUNNING}


def _machine(common: Variables, lab: InitFile, domain: Domain, mapping: Mapping, started: bool) -> Machine:
    nets = list(dict.fromkeys(nic.net for nic in domain.nics))
    templates = sorted({disk.template_name for disk in domain.disks if disk.template_name})
    state = "started" if started else "stopped"
    variables = {
        **common,
        "lago_name": domain.name,
        "lago_state": state,
        "lago_groups": list(domain.groups),
        "lago_nets": nets,
        "lago_ips": _ips(domain, mapping),
        "lago_templates": templates,
        "lago_distro": domain.distro,
        "lago_metadata": dict(domain.metadata),
    }
    groups = {
        "groups": list(domain.groups),
        "lab": [f"lab_{common['lago_lab']}"],
        "state": [f"state_{state}"],
        "network": [f"network_{net}" for net in nets],
        "template": [f"template_{name}" for name in templates],
        "snapshot": [f"snapshot_{name}" for name in common["lago_snapshots"]],
    }
    return Machine(domain.name, _managed_by(lab, domain, mapping), domain.ssh_user, variables, groups)


def _ips(domain: Domain, mapping: Mapping) -> list[str]:
    """The addresses of its interfaces in their order; "" for one without."""
    return [mapping.get(nic.net, {}).get(f"{domain.name}-eth{number}", "") for number, nic in enumerate(domain.nics)]


def _managed_by(lab: InitFile, domain: Domain, mapping: Mapping) -> str:
    """Its address in the management network, "" where it has none."""
    nets = [nic.net for nic in domain.nics if lab.nets[nic.net].management]
    return next((mapping.get(net, {}).get(domain.name, "") for net in nets), "")
