# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An init file as a whole: read, its variables expanded, its parts checked against each other.

Lago's formats 0.3 to 1.0, which differ little: JSON or a dictionary, `prototypes`, `domains`, `nets`. Other keys on top
are where people keep what they refer to by YAML's anchors, and are passed over.
"""

from __future__ import annotations

import json
import re
import typing as t

from ..errors import InitFileError
from . import domains, nets
from .fields import mapping
from .model import Domain, InitFile, Net

VARIABLE = re.compile(r"\$\{?(LAGO_(?:PREFIX|INITFILE|WORKDIR)_PATH)\b\}?")
DEEPEST = 50  # levels; Lago's have six


def load(path: str, variables: t.Mapping[str, str]) -> InitFile:
    """The init file in JSON at `path`. Raises InitFileError and OSError."""
    with open(path, encoding="utf-8") as file:
        try:
            given = json.load(file)
        except (ValueError, RecursionError) as error:
            raise InitFileError("", f"{path} is no JSON: {error}") from None
    return read(given, variables)


def read(given: t.Any, variables: t.Mapping[str, str]) -> InitFile:
    """The structures of an init file that is given as a dictionary.

    `variables` by name without the $: LAGO_PREFIX_PATH, LAGO_INITFILE_PATH, LAGO_WORKDIR_PATH; one that the file uses
    has to be there. Raises InitFileError.
    """
    whole = mapping("", expanded("", given, variables, 0))
    unknown: list[str] = []
    prototypes = mapping("prototypes", whole.get("prototypes") or {})
    made_nets = {
        name: nets.read(f"nets.{name}", name, one, unknown)
        for name, one in mapping("nets", whole.get("nets") or {}).items()
    }
    made_domains = {
        name: domains.read(f"domains.{name}", name, one, prototypes, unknown)
        for name, one in mapping("domains", whole.get("domains") or {}).items()
    }
    if not made_domains:
        raise InitFileError("domains", "there is none")
    made_nets = _with_management(made_nets)
    for domain in made_domains.values():
        _check_nics(domain, made_nets)
    _check_dns(made_nets)
    _check_addresses(made_domains, made_nets)
    return InitFile(made_domains, made_nets, tuple(unknown))


def expanded(place: str, value: t.Any, variables: t.Mapping[str, str], level: int = 0) -> t.Any:
    """What is said at `place` with all its variables. Raises InitFileError."""
    if level > DEEPEST:
        raise InitFileError(place, f"is nested more than {DEEPEST} levels deep")
    if isinstance(value, str):
        return VARIABLE.sub(lambda found: _variable(place, found.group(1), variables), value)
    if isinstance(value, t.Mapping):
        dot = f"{place}." if place else ""
        return {key: expanded(f"{dot}{key}", one, variables, level + 1) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [expanded(f"{place}[{number}]", one, variables, level + 1) for number, one in enumerate(value)]
    return value


def _variable(place: str, name: str, variables: t.Mapping[str, str]) -> str:
    if name not in variables:
        raise InitFileError(place, f"${name} is not known here")
    return variables[name]


def _with_management(made: dict[str, Net]) -> dict[str, Net]:
    """Where no network is for management, the first by name is."""
    if not made or any(net.management for net in made.values()):
        return made
    first = min(made)
    return {**made, first: made[first]._replace(management=True)}


def _check_nics(domain: Domain, made: t.Mapping[str, Net]) -> None:
    place = f"domains.{domain.name}.nics"
    for number, nic in enumerate(domain.nics):
        if nic.net not in made:
            raise InitFileError(f"{place}[{number}].net", f"there is no network {nic.net}")
    if domain.vm_provider == "ssh":
        return
    count = sum(made[nic.net].management for nic in domain.nics)
    if count != 1:
        raise InitFileError(place, f"one has to be on a management network, and {count} are")


def _check_dns(made: t.Mapping[str, Net]) -> None:
    for net in made.values():
        for key in ("dns_domain_name", "dns_records"):
            if getattr(net, key) and not net.management:
                raise InitFileError(f"nets.{net.name}.{key}", "only management networks have DNS")


def _check_addresses(made: t.Mapping[str, Domain], with_nets: t.Mapping[str, Net]) -> None:
    """That no address is given twice in one network."""
    taken = {(net.name, net.gw): f"nets.{net.name}.gw" for net in with_nets.values() if net.gw}
    for net in with_nets.values():
        for name, address in net.mapping.items():
            taken.setdefault((net.name, address), f"nets.{net.name}.mapping.{name}")
    for domain in made.values():
        for number, nic in enumerate(domain.nics):
            place = f"domains.{domain.name}.nics[{number}].ip"
            if nic.ip is None:
                continue
            other = taken.setdefault((nic.net, nic.ip), place)
            if other != place and not _own(other, nic.net, domain.name):
                raise InitFileError(place, f"{nic.ip} is also that of {other}")


def _own(place: str, net: str, domain: str) -> bool:
    """Whether a mapping, which Lago saved, is of the VM itself: `vm`, `vm-eth0`, `vm-net-0`."""
    start = f"nets.{net}.mapping.{domain}"
    return place == start or place.startswith(f"{start}-")
