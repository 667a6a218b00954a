# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Firmware with secure boot, and memory that the host cannot read: SEV, SGX, TDX and their like."""

from __future__ import annotations

import json
import os
import typing as t

from ..errors import Refused
from . import domcaps, host
from .node import Node

CONFIDENTIAL = ("sev", "sgx", "tdx", "s390-pv")  # <features> of domain capabilities
LAUNCH = {"sev": "sev", "sev-snp": "sev_snp", "tdx": "tdx", "s390-pv": "s390_pv"}  # sectype -> name of ours
# docs/interop/firmware.json of QEMU: what a distribution installs, and what an administrator overrides
DESCRIPTORS = ("/usr/share/qemu/firmware", "/etc/qemu/firmware")


def firmware(source: Node) -> dict[str, t.Any]:
    """What guests can boot by. Where libvirt may not be asked, what the installed descriptors say."""
    by_kind = [
        {"virttype": kind.virttype, "machine": root.findtext("machine"), **domcaps.firmware(root)}
        for kind, root in domcaps.answers(source)
    ]
    images = descriptors(source)
    found: dict[str, t.Any] = {"by_machine": by_kind, "descriptors": images}
    if not by_kind:
        found["reason"] = domcaps.refusal(source)
    efi = [one for one in images if "uefi" in one.get("interfaces", ())]
    found["efi"] = any("efi" in one["types"] for one in by_kind) or (not by_kind and bool(efi))
    found["secure_boot"] = any(one["secure_boot"] for one in by_kind) or (
        not by_kind and any("secure-boot" in one["features"] for one in efi)
    )
    return found


def descriptors(source: Node) -> list[dict[str, t.Any]]:
    """The firmware images that QEMU is told of by files, on the host itself; a broken file has its error."""
    if not source.local:
        return []
    names: dict[str, str] = {}
    for folder in DESCRIPTORS:  # a later one of the same name overrides
        try:
            entries = sorted(os.listdir(source.path(folder)))
        except OSError:
            continue
        names.update({name: f"{folder}/{name}" for name in entries if name.endswith(".json")})
    return [found for name in sorted(names) if (found := _descriptor(source, names[name]))]


def _descriptor(source: Node, path: str) -> dict[str, t.Any] | None:
    told = source.file(path)
    if not told:
        return None  # an empty file hides the one of that name
    try:
        one = json.loads(told)
        mapping = one["mapping"]
        executable = mapping.get("executable", mapping)
        return {
            "file": path,
            "description": one["description"],
            "interfaces": one["interface-types"],
            "image": executable.get("filename"),
            "machines": sorted({name for target in one["targets"] for name in target["machines"]}),
            "features": one["features"],
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return {"file": path, "error": f"not a firmware descriptor: {error!r}"}


def security(source: Node) -> dict[str, t.Any]:
    found: dict[str, t.Any] = {"models": host.security_models(source), "iommu": host.iommu(source)}
    roots = [root for _kind, root in domcaps.answers(source)]
    for name in CONFIDENTIAL:
        known = [one for root in roots if (one := domcaps.feature(root, name)) is not None]
        if known:
            found[name.replace("-", "_")] = next((one for one in known if one["supported"]), known[0])
    for sectype, name in LAUNCH.items():
        if any(sectype in domcaps.values(root, "launchSecurity", "sectype") for root in roots):
            found[name] = {**found.get(name, {}), "supported": True}
    if found.get("sev", {}).get("supported"):
        found["sev"]["platform"] = _sev(source)
    return found


def _sev(source: Node) -> dict[str, t.Any]:
    try:
        said = source.ask("getSEVInfo", 0)
    except Refused as error:
        return {"supported": False, "reason": str(error)}
    # pdh, cert-chain and cpu0-id are certificates of kilobytes that only a guest's owner needs
    return {name.replace("-", "_"): value for name, value in said.items() if isinstance(value, int)}
