# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What guests of a machine type and an accelerator can have (getDomainCapabilities), asked for several of both.

Secure boot is one answer for `pc` and another for `q35`, usable CPU models one for KVM and another for TCG: what is
true of a host is not said by any single document.
"""

from __future__ import annotations

import typing as t
from xml.etree.ElementTree import Element

from ..errors import NotSupported, Refused
from ..schema import number
from .node import Node
from .values import integer, text

YES = "yes"


class Kind(t.NamedTuple):
    """Of which guests; `machine` "" is the emulator's default."""

    machine: str
    virttype: str


def kinds(source: Node) -> list[Kind]:
    """Those wanted: by default the default machine and q35 where there is one, under every accelerator listed."""
    arch = _own(source)
    if arch is None:
        return []
    listed = [one.get("type", "") for one in arch.iterfind("domain")]
    machines = {one.text for one in arch.iterfind("machine")}
    wanted = source.options.machines or ("", *(["q35"] if "q35" in machines else []))
    return [Kind(machine, virttype) for virttype in source.options.virttypes or listed for machine in wanted]


def listed(source: Node) -> list[str]:
    """The accelerators that the host lists for guests of its own architecture."""
    arch = _own(source)
    return [] if arch is None else [one.get("type", "") for one in arch.iterfind("domain")]


def _own(source: Node) -> Element | None:
    for arch in source.capabilities.iterfind("guest/arch"):
        if arch.get("name") == source.architecture:
            return arch
    return None


def read(source: Node, kind: Kind) -> Element:
    """The document. Raises KvmError."""
    arguments = (None, source.architecture, kind.machine or None, kind.virttype or None, 0)
    return source.document("getDomainCapabilities", *arguments)


def answers(source: Node) -> t.Iterator[tuple[Kind, Element]]:
    """The kinds wanted that there are."""
    for kind in kinds(source):
        try:
            yield kind, read(source, kind)
        except Refused:
            continue


def domain_capabilities(source: Node) -> list[dict[str, t.Any]]:
    found = []
    for kind in kinds(source):
        asked = {"virttype": kind.virttype, "machine": kind.machine or None}
        try:
            found.append({**asked, **summary(read(source, kind))})
        except Refused as error:
            found.append({**asked, "supported": False, "reason": str(error)})
    if not found:
        raise NotSupported(refusal(source))
    return found


def refusal(source: Node) -> str:
    """Why there are no domain capabilities at all."""
    try:
        read(source, Kind("", (listed(source) or [""])[0]))
    except Refused as error:
        return str(error)
    return "none of the machine types and accelerators asked for can be had"


def summary(root: Element) -> dict[str, t.Any]:
    """One document in short."""
    return {
        "virttype": text(root, "domain"),
        "machine": text(root, "machine"),
        "architecture": text(root, "arch"),
        "emulator": text(root, "path"),
        "max_vcpus": integer(root, "vcpu", "max"),
        "cpu": cpu(root),
        "firmware": firmware(root),
        "devices": {one.tag: _enums(one) for one in root.iterfind("devices/*") if supported(one)},
        "features": {one.tag: supported(one) for one in root.iterfind("features/*")},
        "launch_security": values(root, "launchSecurity", "sectype"),
    }


def supported(element: Element) -> bool:
    return element.get("supported", YES) == YES


def values(root: Element, path: str, enum: str) -> list[str]:
    return [one.text or "" for one in root.iterfind(f"{path}/enum[@name='{enum}']/value")]


def _enums(element: Element) -> dict[str, list[str]]:
    return {one.get("name", ""): [value.text or "" for value in one] for one in element.iterfind("enum")}


def cpu(root: Element) -> dict[str, t.Any]:
    models = models_by_use(root)
    return {
        "modes": [one.get("name") for one in root.iterfind("cpu/mode") if supported(one)],
        "host_model": text(root, "cpu/mode[@name='host-model']/model"),
        "usable_models": sorted(models[True]),
        "unusable_models": len(models[False]),
    }


def models_by_use(root: Element) -> dict[bool, list[str]]:
    """CPU models that QEMU knows, those that guests can have here under True; what is not said counts as usable."""
    found: dict[bool, list[str]] = {True: [], False: []}
    for one in root.iterfind("cpu/mode[@name='custom']/model"):
        found[one.get("usable") != "no"].append(one.text or "")
    return found


def firmware(root: Element) -> dict[str, t.Any]:
    """`loader` are the files of firmware that libvirt knows to be installed."""
    return {
        "types": values(root, "os", "firmware"),
        "loaders": [one.text or "" for one in root.iterfind("os/loader/value")],
        "secure_boot": YES in values(root, "os/loader", "secure"),
        "enrolled_keys": YES in values(root, "os/firmwareFeatures", "enrolledKeys"),
    }


def feature(root: Element, name: str) -> dict[str, t.Any] | None:
    """A feature with what is said of it; None when libvirt does not know it."""
    found = root.find(f"features/{name}")
    if found is None:
        return None
    told = ((child.tag, text(child)) for child in found if child.tag not in ("enum", "cpu0Id"))
    details = {tag: number(said) for tag, said in told if said}
    return {"supported": supported(found), **details, **_enums(found)}
