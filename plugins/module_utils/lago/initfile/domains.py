# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One VM of an init file, and the prototype that it is based on."""

from __future__ import annotations

import typing as t

from ..errors import InitFileError
from . import disks, names
from .fields import (
    Field,
    anything,
    boolean,
    choice,
    each,
    integer,
    line,
    mapping,
    read_fields,
    sequence,
    text,
    values_of,
)
from .model import Domain, Nic

SSH_USER, ROOT = "ssh-user", "root"
FIELDS = (
    Field("memory", integer(16, 1 << 24), 16384),  # MiB; Lago's default
    Field("vcpu", integer(1, 4096), 2),
    Field("cpu_model", line, ""),
    Field("cpu_custom", mapping, None),
    Field("accel", choice("auto", "kvm", "tcg"), "auto"),
    Field("kernel", line, ""),
    Field("initrd", line, ""),
    Field("cmdline", line, ""),
    Field("distro", names.word, ""),
    Field("groups", each(names.word), ()),
    Field("service_provider", choice("systemd", "sysvinit", "systemdcontainer"), ""),
    Field("vm-type", names.word, "default"),
    Field("vm-provider", choice("local-libvirt", "ssh"), "local-libvirt"),
    Field("bootstrap", boolean, True),
    Field(SSH_USER, names.word, ROOT),
    Field("ssh-password", text, ""),
    Field("root-password", text, ""),
    Field("boot_time_sec", integer(1, 86400), 600),
    Field("guest-agent", names.word, ""),
    Field("skip-export", boolean, False),
    Field("type", choice("ova"), ""),
    Field("url", line, ""),
    Field("nics", anything, ()),
    Field("disks", anything, ()),
    Field("artifacts", each(line), ()),
    Field("metadata", mapping, {}),
    Field("snapshots", values_of(each(line)), {}),
)

NIC = (
    Field("net", names.word),
    Field("ip", names.address, None),
)

BASED_ON = "based-on"


def read(place: str, name: str, given: t.Any, prototypes: t.Mapping[str, t.Any], unknown: list[str]) -> Domain:
    """Raises InitFileError."""
    names.host(place, name)
    values = read_fields(place, based(place, given, prototypes), FIELDS, unknown)
    values["nics"] = _nics(f"{place}.nics", values["nics"], unknown)
    values["disks"] = disks.read(f"{place}.disks", values["disks"], unknown)
    domain = Domain(name=name, **values)
    _check(place, domain)
    return domain


def with_user(given: t.Mapping[str, t.Any], user: str) -> dict[str, t.Any]:
    """The init file with the `ssh-user` of Lago's settings, where neither a VM nor its prototype says one."""
    whole = mapping("", given)
    prototypes = mapping("prototypes", whole.get("prototypes") or {})
    made = {}
    for name, one in mapping("domains", whole.get("domains") or {}).items():
        said = based(f"domains.{name}", one, prototypes).get(SSH_USER)
        made[name] = {**one, SSH_USER: user} if said is None else one
    return {**whole, "domains": made}


def based(place: str, given: t.Any, prototypes: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What a VM says, and where it says nothing, its prototype: by name as in Lago 0.3, or itself as in 1.0.

    A prototype can have one too.
    """
    found = mapping(place, given)
    passed: list[str] = []
    while found.get(BASED_ON) is not None:
        base = found.pop(BASED_ON)
        if isinstance(base, str):
            if base in passed:
                raise InitFileError(f"{place}.{BASED_ON}", f"{base} is based on itself")
            if base not in prototypes:
                raise InitFileError(f"{place}.{BASED_ON}", f"there is no prototype {base}")
            passed.append(base)
            base = mapping(f"prototypes.{base}", prototypes[base])
        found = {**mapping(f"{place}.{BASED_ON}", base), **found}
    found.pop(BASED_ON, None)
    return found


def _nics(place: str, given: t.Any, unknown: list[str]) -> tuple[Nic, ...]:
    return tuple(
        Nic(**read_fields(f"{place}[{number}]", one, NIC, unknown)) for number, one in enumerate(sequence(place, given))
    )


def _check(place: str, domain: Domain) -> None:
    if domain.cpu_model and domain.cpu_custom:
        raise InitFileError(place, "cpu_model and cpu_custom exclude each other")
    if (domain.initrd or domain.cmdline) and not domain.kernel:
        raise InitFileError(place, "initrd and cmdline mean something only with kernel")
    if (domain.type == "ova") != bool(domain.url):
        raise InitFileError(place, "type: ova and url go together")
    if domain.type == "ova" and domain.disks:
        raise InitFileError(f"{place}.disks", "an OVA brings its own disks")
