# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's document of a lab's VM (libvirt.org/formatdomain.html)."""

from __future__ import annotations

import typing as t
from xml.etree import ElementTree

from ...hypervisor.document import to_element
from ...hypervisor.errors import KvmError
from .. import identity
from ..errors import InitFileError
from ..initfile.model import Domain, Net
from ..machine import Machine
from .element import Element, document, element

METADATA = "urn:fleet.hypervisor:lago"  # the namespace of what says whose a domain is
AGENT = "org.qemu.guest_agent.0"
WITH_SMBIOS = ("x86_64", "aarch64")

ElementTree.register_namespace("lago", METADATA)


class DiskFile(t.NamedTuple):
    """A disk as it lies on the host: `chain` are path and format of the file itself, then of each below it.

    `template`: the last of them is one, which is not the lab's own.
    """

    name: str
    dev: str
    cdrom: bool
    chain: t.Tuple[t.Tuple[str, str], ...]
    template: bool = False


def build(
    prefix: str,
    domain: Domain,
    machine: Machine,
    nets: t.Mapping[str, Net],
    disks: t.Sequence[DiskFile],
    console: str,
    told: t.Sequence[str] = (),
) -> str:
    """The document of `domain` in the lab with the uuid `prefix`; `console`: the file with all that its console says.

    `told` are lines that a guest reads in its SMBIOS (OEM strings, type 11), where its machine has one.
    Raises InitFileError for a `cpu_custom` that is no element.
    """
    return document(
        element(
            "domain",
            element("name", identity.domain_name(prefix, domain.name)),
            element("uuid", identity.object_uuid(prefix, identity.DOMAIN, domain.name)),
            element("metadata", element(f"{{{METADATA}}}vm", prefix=prefix, name=domain.name)),
            element("memory", str(domain.memory), unit="MiB"),
            element("vcpu", str(domain.vcpu)),
            _sysinfo(told) if told and machine.arch in WITH_SMBIOS else None,
            _os(domain, machine, bool(told)),
            element("features", element("acpi"), element("apic")) if machine.arch == "x86_64" else None,
            _cpu(domain, machine),
            element("clock", offset="utc"),
            element("on_poweroff", "destroy"),
            element("on_reboot", "restart"),
            element("on_crash", "destroy"),
            element(
                "devices",
                element("emulator", machine.emulator) if machine.emulator else None,
                *(disk_element(disk, machine) for disk in disks),
                _scsi(disks),
                *(interface(prefix, domain, number, nets) for number in range(len(domain.nics))),
                *_consoles(console),
                element("graphics", type="vnc", autoport="yes", listen="127.0.0.1"),
                element("video", element("model", type="virtio" if machine.arch != "x86_64" else "vga")),
                element("memballoon", model="virtio"),
                element("rng", element("backend", "/dev/urandom", model="random"), model="virtio"),
            ),
            type=machine.type,
        )
    )


def _sysinfo(told: t.Sequence[str]) -> Element:
    return element("sysinfo", element("oemStrings", *(element("entry", line) for line in told)), type="smbios")


def _os(domain: Domain, machine: Machine, told: bool) -> Element:
    direct = [
        element(tag, value)
        for tag, value in (("kernel", domain.kernel), ("initrd", domain.initrd), ("cmdline", domain.cmdline))
        if value
    ]
    boot = direct or [element("boot", dev="hd")]
    smbios = element("smbios", mode="sysinfo") if told and machine.arch in WITH_SMBIOS else None
    return element("os", element("type", "hvm", arch=machine.arch, machine=machine.machine), *boot, smbios)


def _cpu(domain: Domain, machine: Machine) -> Element | None:
    """What the file says; else all that the host has, or what the emulator thinks best."""
    if domain.cpu_custom is not None:
        try:
            return to_element({"cpu": dict(domain.cpu_custom)})
        except (KvmError, AttributeError, TypeError) as error:
            raise InitFileError(f"domains.{domain.name}.cpu_custom", f"is no element of libvirt: {error}") from None
    if domain.cpu_model:
        return element("cpu", element("model", domain.cpu_model, fallback="forbid"), mode="custom", match="exact")
    return element("cpu", mode="host-passthrough", check="none") if machine.type == "kvm" else None


def disk_element(disk: DiskFile, machine: Machine) -> Element:
    (path, form), *below = disk.chain
    return element(
        "disk",
        element("driver", name="qemu", type=form, discard=None if disk.cdrom else "unmap"),
        element("source", file=path),
        backing(below, disk.template) if form == "qcow2" else None,
        element("target", dev=disk.dev, bus=bus(disk.dev, machine)),
        _scsi_address(disk.dev) if bus(disk.dev, machine) == "scsi" else None,
        element("readonly") if disk.cdrom else None,
        None if disk.cdrom else element("serial", disk.name[:20]),
        type="file",
        device="cdrom" if disk.cdrom else "disk",
    )


def backing(below: t.Sequence[tuple[str, str]], template: bool = False) -> Element:
    """The whole chain with its formats: nothing is left to be guessed from what a guest can write into an image.

    A template at its end stays root's: by default libvirt makes QEMU's user the owner of all files of a chain.
    """
    if not below:
        return element("backingStore")
    (path, form), *rest = below
    kept = element("seclabel", model="dac", relabel="no") if template and not rest else None
    source = element("source", kept, file=path)
    return element("backingStore", element("format", type=form), source, backing(rest, template), type="file")


def bus(dev: str, machine: Machine) -> str:
    """Of a disk's name; the machines of today have SATA where IDE was."""
    if dev.startswith("hd"):
        return "ide" if machine.machine == "pc" or machine.machine.startswith("pc-i440fx") else "sata"
    return {"vd": "virtio", "sd": "scsi"}[dev[:2]]


def _scsi_address(dev: str) -> Element:
    """A target each, all on the controller that is there: libvirt would add one behind each seventh, of LSI's make."""
    target = 0
    for letter in dev[2:]:
        target = 26 * target + ord(letter) - ord("a") + 1
    return element("address", type="drive", controller="0", bus="0", target=str(target - 1), unit="0")


def _scsi(disks: t.Sequence[DiskFile]) -> Element | None:
    """One for all, since each disk says its address: a controller that libvirt adds itself is of another model."""
    if any(disk.dev.startswith("sd") for disk in disks):
        return element("controller", type="scsi", index="0", model="virtio-scsi")
    return None


def interface(prefix: str, domain: Domain, number: int, nets: t.Mapping[str, Net]) -> Element:
    net = nets[domain.nics[number].net]
    return element(
        "interface",
        element("mac", address=identity.mac(prefix, domain.name, number)),
        element("source", network=identity.network_name(prefix, net.name)),
        element("target", dev=identity.tap_name(prefix, domain.name, number)),
        element("model", type="virtio"),
        element("mtu", size=net.mtu) if net.mtu else None,
        type="network",
    )


def _consoles(path: str) -> list[Element]:
    """A serial console to be used, all of which is kept; and the channel of the guest agent."""
    return [
        element("serial", element("log", file=path, append="on"), element("target", port="0"), type="pty"),
        element("console", element("target", type="serial", port="0"), type="pty"),
        element("channel", element("target", type="virtio", name=AGENT), type="unix"),
    ]
