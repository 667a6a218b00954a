# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a stock guest will run under KVM: not what is listed, but what speaks for it and against it.

A host inside a cloud may have /dev/kvm, list `kvm`, start guests under it and call them running, and yet not one
instruction of a stock kernel gets executed, because what it offers is a paravirtual KVM for kernels made for it. Such a
host is known by having no virtualization extension in its CPU, and by libvirt finding not even the baseline CPU models
of x86-64 usable under KVM.
"""

from __future__ import annotations

import typing as t

from ..errors import Denied, Refused
from . import domcaps
from .node import Node

KVM, TCG = "kvm", "qemu"  # as libvirt calls them
X86 = frozenset(("x86_64", "i686"))
EXTENSIONS = frozenset(("vmx", "svm"))
MODULES = ("kvm_intel", "kvm_amd")
BASELINE = frozenset(("qemu64", "kvm64", "Opteron_G1", "Conroe", "x86-64-v1"))  # what a kernel for x86-64 needs


class Evidence(t.NamedTuple):
    speaks_for: bool | None  # None: it decides nothing
    what: str


def acceleration(source: Node) -> dict[str, t.Any]:
    """The verdict with its evidence. `kvm` is None when nothing decides it.

    `recommended` is what guests of the host's architecture should be given.
    """
    found = evidence(source)
    against = [one for one in found if one.speaks_for is False]
    usable = False if against else (any(one.speaks_for for one in found) or None)
    listed = domcaps.listed(source)
    return {
        "kvm": usable,
        "kvm_listed": KVM in listed,
        "emulation": TCG in listed,
        "recommended": KVM if usable else TCG if TCG in listed else None,
        "nested": nested(source),
        "evidence": [
            {"verdict": {True: "for", False: "against", None: "neutral"}[one.speaks_for], "what": one.what}
            for one in found
        ],
    }


def evidence(source: Node) -> list[Evidence]:
    listed = domcaps.listed(source)
    if KVM not in listed:
        offered = ", ".join(listed) or "nothing"
        return [Evidence(False, f"for {source.architecture}, the hypervisor offers {offered}, not kvm")]
    found = [Evidence(None, "the hypervisor lists kvm")]
    if source.local:
        found += _of_device(source)
        if source.architecture in X86:
            found += _of_processor(source)
    return found + _of_models(source)


def _of_device(source: Node) -> list[Evidence]:
    if source.exists("/dev/kvm"):
        return [Evidence(None, "there is /dev/kvm")]
    return [Evidence(False, "there is no /dev/kvm")]


def _of_processor(source: Node) -> list[Evidence]:
    """vmx or svm among the flags, and the kernel's driver of either."""
    told = source.file("/proc/cpuinfo")
    if told is None:
        return []
    flags = next((line.split(":", 1)[1].split() for line in told.splitlines() if line.startswith("flags")), [])
    extensions = sorted(EXTENSIONS & set(flags))
    modules = [name for name in MODULES if source.exists(f"/sys/module/{name}")]
    if extensions and modules:
        return [Evidence(True, f"the CPU has {', '.join(extensions)}, and the kernel drives it with {modules[0]}")]
    if not extensions and not modules:
        return [Evidence(False, "the CPU shows neither vmx nor svm, and neither kvm_intel nor kvm_amd is there")]
    if extensions:
        return [Evidence(False, f"the CPU has {', '.join(extensions)}, but neither kvm_intel nor kvm_amd is there")]
    return [Evidence(False, f"{modules[0]} is there, but the CPU shows neither vmx nor svm")]


def _of_models(source: Node) -> list[Evidence]:
    """What libvirt found out by asking QEMU under KVM."""
    try:
        root = domcaps.read(source, domcaps.Kind("", KVM))
    except Denied:
        return [Evidence(None, "a connection that only reads may not ask which CPU models are usable under kvm")]
    except Refused as error:
        return [Evidence(False, f"libvirt has no capabilities of guests under kvm: {error}")]
    models = domcaps.models_by_use(root)
    if source.architecture not in X86 or not (models[True] or models[False]):
        return [Evidence(True, "libvirt has capabilities of guests under kvm")]
    usable = sorted(BASELINE & set(models[True]))
    total = len(models[True]) + len(models[False])
    if usable:
        return [
            Evidence(True, f"{len(models[True])} of {total} CPU models are usable under kvm, {usable[0]} among them")
        ]
    few = ", ".join(sorted(models[True])) or "none"
    return [Evidence(False, f"no CPU model that x86-64 needs is usable under kvm, of {total} only: {few}")]


def nested(source: Node) -> bool | None:
    """Whether guests can have KVM themselves; None: not known."""
    for name in MODULES:
        told = source.file(f"/sys/module/{name}/parameters/nested")
        if told is not None:
            return told.strip() in ("Y", "1")
    return None
