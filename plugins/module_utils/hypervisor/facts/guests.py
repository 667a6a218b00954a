# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of the host its guests were given, in sums; the guests themselves are the answer of kvm_domain_info."""

from __future__ import annotations

import typing as t

from ..errors import Gone
from .node import Node

STATE, BALLOON, VCPU = 1, 4, 8  # virDomainStatsTypes
RUNNING, SHUTOFF = 1, 5  # virDomainState


def guests(source: Node) -> dict[str, t.Any]:
    """Counts and sums. Overcommit is the share of the host's CPUs and memory that running guests may take."""
    rows = [
        row for record in source.ask("getAllDomainStats", STATE | BALLOON | VCPU, 0) for row in _row(source, record)
    ]
    active = [row for row in rows if row[0] != SHUTOFF]
    cpus, mib = source.once("getInfo")[2], source.once("getInfo")[1]
    vcpus, kib = sum(row[1] for row in active), sum(row[2] for row in active)
    return {
        "defined": len(rows),
        "running": sum(1 for row in active if row[0] == RUNNING),
        "active": len(active),
        "vcpus": vcpus,
        "memory_kib": kib,
        "cpu_overcommit": round(vcpus / cpus, 3) if cpus else None,
        "memory_overcommit": round(kib / (mib << 10), 3) if mib else None,
    }


def _row(source: Node, record: t.Any) -> list[tuple[int, int, int]]:
    """State, virtual CPUs, KiB of memory; a driver whose bulk call tells states alone is asked for the guest."""
    domain, said = record
    if "vcpu.current" in said and "balloon.maximum" in said:
        return [(said["state.state"], said["vcpu.current"], said["balloon.maximum"])]
    try:
        state, maximum, _memory, vcpus, _time = source.ask_of(domain, "info")
    except Gone:
        return []
    return [(state, vcpus, maximum)]
