# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node as a machine: CPU model, topology, cells of NUMA, caches; versions; migration; kinds of guests."""

from __future__ import annotations

import typing as t
from xml.etree.ElementTree import Element

from ..errors import KvmError
from ..schema import number
from .memory import ALL
from .node import Node
from .values import attr, integer, kib, known, ranges, text, version, whole


def node(source: Node) -> dict[str, t.Any]:
    model, mib, cpus, mhz, numa_cells, sockets, cores, threads = source.once("getInfo")
    root = source.capabilities
    return {
        "hostname": source.once("getHostname"),
        **known(uuid=text(root, "host/uuid")),
        "architecture": source.architecture,
        "cpu": _cpu(root.find("host/cpu"), model, mhz),
        # of one cell, as the kernel counts them; the product is not always the number of CPUs
        "topology": {
            "numa_cells": numa_cells,
            "sockets": sockets,
            "cores_per_socket": cores,
            "threads_per_core": threads,
        },
        "cpus": cpus,
        "memory_kib": memory_kib(source, mib, numa_cells),
        "cells": [_cell(one) for one in root.iterfind("host/topology/cells/cell")],
        "caches": [_cache(one) for one in root.iterfind("host/cache/bank")],
        "power_management": [child.tag for child in root.iterfind("host/power_management/*")],
    }


def memory_kib(source: Node, mib: int, cells: int) -> int:
    """To the KiB where libvirt tells; the binding's getInfo cuts its figure to MiB.

    That is all memory or, where some was plugged in that no cell of NUMA counts, the sum of the cells'.
    """
    for asked in ((ALL,), range(cells)):
        try:
            total: int = sum(source.ask("getMemoryStats", cell)["total"] for cell in asked)
        except (KvmError, KeyError):
            continue
        if total >> 10 == mib:
            return total
    return mib << 10


def _cpu(cpu: Element | None, model: str, mhz: int) -> dict[str, t.Any]:
    signature = None if cpu is None else cpu.find("signature")
    return {
        "model": text(cpu, "model") or model,
        "mhz": mhz,
        **known(
            vendor=text(cpu, "vendor"),
            microcode=integer(cpu, "microcode", "version"),
            signature=None if signature is None else {name: whole(value) for name, value in signature.items()},
            tsc_hz=integer(cpu, "counter[@name='tsc']", "frequency"),
            physical_address_bits=integer(cpu, "maxphysaddr", "bits"),
        ),
        "features": sorted(one.get("name", "") for one in ([] if cpu is None else cpu.iterfind("feature"))),
        "page_sizes_kib": sorted(
            found for one in ([] if cpu is None else cpu.iterfind("pages")) if (found := kib(one, attribute="size"))
        ),
    }


def _cell(cell: Element) -> dict[str, t.Any]:
    ids = [found for one in cell.iterfind("cpus/cpu") if (found := whole(one.get("id"))) is not None]
    return {
        "id": whole(cell.get("id")),
        "memory_kib": kib(cell, "memory"),
        "cpus": ranges(ids),
        "cpu_count": len(ids),
        "pages": [
            {"size_kib": kib(one, attribute="size"), "total": whole(text(one))} for one in cell.iterfind("pages")
        ],
        "distances": {one.get("id", ""): whole(one.get("value")) for one in cell.iterfind("distances/sibling")},
    }


def _cache(bank: Element) -> dict[str, t.Any]:
    return {
        "id": whole(bank.get("id")),
        "level": whole(bank.get("level")),
        "type": bank.get("type"),
        "size_kib": kib(bank, attribute="size"),
        "cpus": bank.get("cpus"),
        **({"allocation": [_numbers(one) for one in bank.iterfind("control")]} if len(bank) else {}),
    }


def _numbers(element: Element) -> dict[str, t.Any]:
    return {name: number(value) for name, value in element.items()}


def versions(source: Node) -> dict[str, t.Any]:
    binding = source.connection.libvirt.getVersion()
    return {
        "libvirt": version(source.once("getLibVersion")),
        "libvirt_client": version(binding),
        "hypervisor": {"type": source.once("getType"), "version": version(source.once("getVersion"))},
    }


def migration(source: Node) -> dict[str, t.Any]:
    features = source.capabilities.find("host/migration_features")
    return {
        "live": features is not None and features.find("live") is not None,
        "uri_transports": [] if features is None else [one.text for one in features.iterfind(".//uri_transport")],
    }


def guest_types(source: Node) -> list[dict[str, t.Any]]:
    """What can be virtualized: one entry a kind of operating system interface and architecture."""
    return [
        {
            "os_type": text(guest, "os_type"),
            "architecture": arch.get("name"),
            "word_bits": integer(arch, "wordsize"),
            "emulator": text(arch, "emulator"),
            "virttypes": [one.get("type") for one in arch.iterfind("domain")],
            "machines": len(arch.findall("machine")),
            "machine_aliases": {
                one.text: one.get("canonical") for one in arch.iterfind("machine") if one.get("canonical")
            },
        }
        for guest in source.capabilities.iterfind("guest")
        for arch in guest.iterfind("arch")
    ]


def sysinfo(source: Node) -> dict[str, t.Any]:
    """What the firmware tables (SMBIOS) say; names as libvirt has them."""
    root = source.document("getSysinfo", 0)
    found: dict[str, t.Any] = {}
    for part in root:
        entries = {one.get("name"): text(one) for one in part.iterfind("entry") if one.get("name")}
        if part.tag in ("processor", "memory_device", "baseBoard"):
            found.setdefault(part.tag, []).append(entries)
        elif part.tag == "oemStrings":
            found[part.tag] = [text(one) for one in part.iterfind("entry")]
        else:
            found[part.tag] = entries
    return found


def iommu(source: Node) -> bool | None:
    """Whether the host has an IOMMU that guests can be given devices by; None: libvirt does not say."""
    said = attr(source.capabilities, "host/iommu", "support")
    return None if said is None else said == "yes"


def security_models(source: Node) -> list[dict[str, t.Any]]:
    return [
        {"model": text(one, "model"), "doi": text(one, "doi")} for one in source.capabilities.iterfind("host/secmodel")
    ]
