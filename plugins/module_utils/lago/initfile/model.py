# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an init file says, typed: defaults are filled in, names of other parts exist, nothing contradicts itself."""

from __future__ import annotations

import typing as t

from .names import Address, Subnet


class Nic(t.NamedTuple):
    net: str
    ip: Address | None = None


class Disk(t.NamedTuple):
    """`type` is template, empty or file. A template is of the repository (`template_type` lago) or a file (qcow2)."""

    name: str
    type: str
    dev: str
    format: str  # qcow2, raw, iso
    template_type: str = "lago"
    template_name: str = ""
    template_version: str = ""  # "": the newest
    path: str = ""
    url: str = ""
    size: int = 0  # bytes
    make_a_copy: bool = False
    build: t.Tuple[t.Mapping[str, t.Any], ...] = ()  # virt-customize's options and the like, in their order
    comment: str = ""

    @property
    def cdrom(self) -> bool:
        return self.format == "iso"


class Domain(t.NamedTuple):
    """One VM. `memory` in MiB; "" and None: not said."""

    name: str
    memory: int
    vcpu: int
    cpu_model: str
    cpu_custom: t.Mapping[str, t.Any] | None
    accel: str  # auto, kvm, tcg
    kernel: str  # of a guest that is booted without a boot loader: files on the host
    initrd: str
    cmdline: str
    distro: str
    groups: t.Tuple[str, ...]
    service_provider: str
    vm_type: str
    vm_provider: str
    bootstrap: bool
    ssh_user: str
    ssh_password: str
    root_password: str
    boot_time_sec: int
    guest_agent: str
    skip_export: bool
    type: str  # "ova": made of the archive at `url`
    url: str
    nics: t.Tuple[Nic, ...]
    disks: t.Tuple[Disk, ...]
    artifacts: t.Tuple[str, ...]
    metadata: t.Mapping[str, t.Any]
    snapshots: t.Mapping[str, t.Tuple[str, ...]]  # of a prefix that Lago saved: the disks' files by snapshot


class Dhcp(t.NamedTuple):
    """The first and the last address of the pool, counted from the network's own."""

    start: int
    end: int


class Net(t.NamedTuple):
    """One network. `mapping` are addresses by name that are there besides those of the VMs."""

    name: str
    type: str  # nat, bridge
    management: bool
    subnet: Subnet | None  # None: one is leased
    subnet6: Subnet | None
    ipv6: bool  # lease one also of IPv6
    gw: Address | None
    mtu: int  # 0: not said
    dhcp: Dhcp | None
    dns_domain_name: str
    dns_records: t.Mapping[str, Address]
    mapping: t.Mapping[str, Address]
    bridge: str = ""  # one of the host's own, which is there; "": the lab makes one


class InitFile(t.NamedTuple):
    """`unknown`: a sentence for each key that means nothing here, as Lago left such out too."""

    domains: t.Mapping[str, Domain]
    nets: t.Mapping[str, Net]
    unknown: t.Tuple[str, ...] = ()

    @property
    def groups(self) -> dict[str, list[str]]:
        """Names of VMs by the groups that they say they are in."""
        found: dict[str, list[str]] = {}
        for domain in self.domains.values():
            for group in domain.groups:
                found.setdefault(group, []).append(domain.name)
        return found
