# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's devices: groups of the IOMMU, PCI, SR-IOV, mediated devices, storage and links."""

from __future__ import annotations

import typing as t
from xml.etree.ElementTree import Element

from ..document import parse
from ..errors import Gone
from .node import Node
from .values import attr, integer, known, text, whole

CLASSES = {  # the first byte of a PCI class, pci.ids
    0x01: "storage", 0x02: "network", 0x03: "display", 0x04: "multimedia", 0x05: "memory", 0x06: "bridge",
    0x07: "communication", 0x08: "system", 0x0C: "serial bus", 0x12: "accelerator",
}  # fmt: skip


def documents(source: Node) -> list[Element]:
    """What libvirt says of each device, by name; those that went away meanwhile are left out."""
    return source.keep("devices", lambda: sorted(_read(source), key=lambda root: text(root, "name") or ""))


def _read(source: Node) -> t.Iterator[Element]:
    for device in source.ask("listAllDevices", 0):
        try:
            yield parse(source.ask_of(device, "XMLDesc", 0))
        except Gone:
            continue


def _of(source: Node, kind: str) -> t.Iterator[tuple[Element, Element]]:
    for root in documents(source):
        capability = root.find(f"capability[@type='{kind}']")
        if capability is not None:
            yield root, capability


def devices(source: Node) -> dict[str, t.Any]:
    """Counts, and what guests can be given: groups, SR-IOV, kinds of mediated devices."""
    kinds: dict[str, int] = {}
    for root in documents(source):
        for one in root.iterfind("capability"):
            kinds[one.get("type", "")] = kinds.get(one.get("type", ""), 0) + 1
    every = [_pci(root, capability) for root, capability in _of(source, "pci")]
    return {
        "count": len(documents(source)),
        "by_capability": dict(sorted(kinds.items())),
        "pci_classes": _counted(one.get("class_name") for one in every),
        "iommu_groups": _groups(every),
        "sriov": [
            {key: one[key] for key in ("address", "driver", "numa_node", "max_vfs", "vfs") if key in one}
            for one in every
            if one.get("max_vfs")
        ],
        "mdev_types": [{"address": one["address"], **kind} for one in every for kind in one.get("mdev_types", [])],
        "storage": [_block(root, capability) for root, capability in _of(source, "storage")],
        "net": [_net(root, capability) for root, capability in _of(source, "net")],
    }


def pci(source: Node) -> list[dict[str, t.Any]]:
    """Every PCI device in full."""
    return [_pci(root, capability) for root, capability in _of(source, "pci")]


def mediated(source: Node) -> list[dict[str, t.Any]]:
    return [
        known(
            name=text(root, "name"),
            parent=text(root, "parent"),
            uuid=text(one, "uuid"),
            type=attr(one, "type", "id"),
            iommu_group=integer(one, "iommuGroup", "number"),
        )
        for root, one in _of(source, "mdev")
    ]


def scsi_hosts(source: Node) -> list[dict[str, t.Any]]:
    found = []
    for root, one in _of(source, "scsi_host"):
        fibre = one.find("capability[@type='fc_host']")
        found.append(
            known(
                name=text(root, "name"),
                parent=text(root, "parent"),
                host=integer(one, "host"),
                wwnn=text(fibre, "wwnn"),
                wwpn=text(fibre, "wwpn"),
                fabric_wwn=text(fibre, "fabric_wwn"),
                max_vports=integer(one.find("capability[@type='vport_ops']"), "max_vports"),
            )
        )
    return found


def _pci(root: Element, one: Element) -> dict[str, t.Any]:
    code = whole(text(one, "class"))
    vfs = one.find("capability[@type='virt_functions']")
    pf = one.find("capability[@type='phys_function']/address")
    mdevs = one.find("capability[@type='mdev_types']")
    return known(
        address=_address(one),
        name=text(root, "name"),
        driver=text(root, "driver/name"),
        class_code=None if code is None else f"0x{code:06x}",
        class_name=None if code is None else CLASSES.get(code >> 16, "other"),
        vendor_id=_id(one, "vendor"),
        vendor=text(one, "vendor"),
        product_id=_id(one, "product"),
        product=text(one, "product"),
        iommu_group=integer(one, "iommuGroup", "number"),
        numa_node=integer(one, "numa", "node"),
        max_vfs=None if vfs is None else whole(vfs.get("maxCount")),
        vfs=None if vfs is None else [_written(address) for address in vfs.iterfind("address")],
        physical_function=None if pf is None else _written(pf),
        mdev_types=None if mdevs is None else [_mdev_type(kind) for kind in mdevs.iterfind("type")],
    )


def _mdev_type(kind: Element) -> dict[str, t.Any]:
    return known(
        id=kind.get("id"),
        name=text(kind, "name"),
        api=text(kind, "deviceAPI"),
        available=integer(kind, "availableInstances"),
    )


def _id(one: Element, tag: str) -> str | None:
    found = one.find(tag)
    return None if found is None else found.get("id")


def _address(one: Element) -> str:
    domain, bus, slot, function = (integer(one, tag) or 0 for tag in ("domain", "bus", "slot", "function"))
    return f"{domain:04x}:{bus:02x}:{slot:02x}.{function:x}"


def _written(address: Element) -> str:
    domain, bus, slot, function = (whole(address.get(key)) or 0 for key in ("domain", "bus", "slot", "function"))
    return f"{domain:04x}:{bus:02x}:{slot:02x}.{function:x}"


def _groups(every: t.Iterable[t.Mapping[str, t.Any]]) -> dict[str, list[str]]:
    """Number of a group (as a string: JSON has no other keys) -> addresses of its devices."""
    found: dict[int, list[str]] = {}
    for one in every:
        if "iommu_group" in one:
            found.setdefault(one["iommu_group"], []).append(one["address"])
    return {str(number): sorted(found[number]) for number in sorted(found)}


def _counted(names: t.Iterable[str | None]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in names:
        if name:
            found[name] = found.get(name, 0) + 1
    return dict(sorted(found.items()))


def _block(root: Element, one: Element) -> dict[str, t.Any]:
    removable = one.find("capability[@type='removable']")
    return known(
        name=text(root, "name"),
        device=text(one, "block"),
        type=text(one, "drive_type"),
        bus=text(one, "bus"),
        model=text(one, "model"),
        vendor=text(one, "vendor"),
        serial=text(one, "serial"),
        size_bytes=integer(one, "size"),
        logical_block_bytes=integer(one, "logical_block_size"),
        removable=None if removable is None else True,
        parent=text(root, "parent"),
    )


def _net(root: Element, one: Element) -> dict[str, t.Any]:
    link = one.find("link")
    speed = None if link is None else whole(link.get("speed"))
    return known(
        name=text(one, "interface"),
        mac=text(one, "address"),
        state=None if link is None else link.get("state"),
        speed_mbit=speed,
        features=[feature.get("name") for feature in one.iterfind("feature")],
        parent=text(root, "parent"),
    )
