# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab with all that follows from its init file: subnets, addresses, and what machines its VMs are."""

from __future__ import annotations

import ipaddress
import typing as t

from .addressing import Addresses, Subnets, allocate, nic_names
from .errors import InitFileError
from .initfile.model import Domain, InitFile, Net
from .initfile.reading import read
from .machine import KVM, TCG, Machine
from .paths import Paths

LOCAL = "local-libvirt"  # the provider of VMs that are made here; others are only reached


class Lab(t.NamedTuple):
    """`given` is the init file as a dictionary, `variables` what its $LAGO_.. stand for, `key` SSH's public one."""

    uuid: str
    paths: Paths
    given: t.Mapping[str, t.Any]
    variables: t.Mapping[str, str]
    spec: InitFile
    addresses: t.Mapping[str, Addresses]
    machine: Machine
    key: str

    @property
    def domains(self) -> dict[str, Domain]:
        """Those that are made on this host."""
        return {name: domain for name, domain in self.spec.domains.items() if domain.vm_provider == LOCAL}

    def machine_of(self, domain: Domain) -> Machine:
        kinds = {"auto": self.machine.type, "kvm": KVM, "tcg": TCG}
        return self.machine._replace(type=kinds[domain.accel])


def specified(given: t.Mapping[str, t.Any], variables: t.Mapping[str, str], known: Mappings | None = None) -> InitFile:
    """The init file; VMs that were there keep the addresses of `known`. Raises InitFileError."""
    spec = read(given, variables)
    for name, domain in spec.domains.items():
        _check(f"domains.{name}", domain)
    nets = {name: _with_known(net, spec, (known or {}).get(name, {})) for name, net in spec.nets.items()}
    return spec._replace(nets=nets)


Mappings = t.Mapping[str, t.Mapping[str, str]]  # of networks: addresses by name


def addressed(spec: InitFile, subnets: t.Mapping[str, Subnets]) -> dict[str, Addresses]:
    """Raises AddressError."""
    return allocate(spec, subnets)


def _check(place: str, domain: Domain) -> None:
    if domain.type == "ova":
        raise InitFileError(
            f"{place}.type",
            f"an OVA is not taken: unpack {domain.url} (tar xf), make qcow2 of its disks (qemu-img convert -O qcow2), "
            "and name these under disks, as {type: file, path: .., format: qcow2, make_a_copy: true}",
        )


def _with_known(net: Net, spec: InitFile, known: t.Mapping[str, str]) -> Net:
    """With the addresses of those that are still in the network, and that nobody has asked for since."""
    said = {str(nic.ip) for domain in spec.domains.values() for nic in domain.nics if nic.net == net.name and nic.ip}
    said |= {str(address) for address in net.mapping.values()}
    kept = {
        name: ipaddress.ip_address(known[name])
        for name in _names_in(net, spec)
        if name in known and known[name] not in said
    }
    return net._replace(mapping={**kept, **net.mapping})


def _names_in(net: Net, spec: InitFile) -> list[str]:
    found: list[str] = []
    for domain in spec.domains.values():
        numbers = [number for number, nic in enumerate(domain.nics) if nic.net == net.name]
        for count, number in enumerate(numbers):
            found += nic_names(domain.name, net, number, count)
    return found
