# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings a lab to what is wished: looks, plans, carries out, and keeps what it is now."""

from __future__ import annotations

import typing as t

from ..plan import Plan
from .journal import Journal
from .leasing import Leases
from .making import Chains, Making
from .planning import all_changes, check, lab_of, things
from .templates.store import TemplateStore
from .wanted import Detail, Things
from .wish import Wish

if t.TYPE_CHECKING:
    from .prefix import Prefix


def carry_out(prefix: Prefix, wish: Wish) -> Plan:
    """Raises LagoError, ChangeFailed, KvmError, OSError."""
    check(prefix, wish)
    with prefix.working("converge", **wish.arguments()) as journal:
        return carry_out_with(prefix, journal, wish)


def carry_out_with(prefix: Prefix, journal: Journal, wish: Wish) -> Plan:
    """The same within another action, which has the journal."""
    from .virt_env import VirtEnv

    prefix.forget()
    before = prefix.virt_env if prefix.specified() else None
    leases = Leases(prefix.setting("lease_dir"), prefix.paths, prefix.uuid, prefix.connection)
    after = lab_of(prefix, wish, before.lab if before else None, leases.acquire(journal))
    have, want = things(prefix, journal.standing, wish, before.lab if before else None, after)
    chains = _still(before.chains if before else {}, have, want)
    if before is not None and chains != before.chains:  # before the disks are others, whose overlays these are not
        before.chains = chains
        before.save()
    store = wish.template_store or TemplateStore(prefix.setting("template_store"))
    making = Making(prefix, journal, chains, wish.template_repo, store)
    was = before.lab if before else None
    plan = Plan(all_changes(have, want, was, after), making.run)
    prefix.progress.expect(len(plan.changes))
    plan.apply()
    now = VirtEnv.of(prefix, after, chains, before.snapshots if before else {})
    if before is None or plan or before.lab.given != after.given or before.lab.spec != after.spec:
        now.save()
    leases.keep_only([one for found in after.addresses.values() for one in found.subnets if one is not None])
    return plan


def start_vms(prefix: Prefix, journal: Journal, names: t.Sequence[str]) -> Plan:
    """Within another action: starts VMs, with the disks that the lab's file says, and the networks if they are down."""
    return carry_out_with(prefix, journal, Wish("started", vms=names))


def _still(chains: Chains, have: Things, want: Things) -> dict[str, dict[str, t.Any]]:
    """Of the disks that stay as they are."""
    kept: dict[str, dict[str, t.Any]] = {}
    for vm, disks in chains.items():
        for disk, chain in disks.items():
            key = ("disk", f"{vm}/{disk}")
            if key in have and key in want and _same(have[key]["is"], want[key]["is"]):
                kept.setdefault(vm, {})[disk] = chain
    return kept


def _same(have: Detail, want: Detail) -> bool:
    """But for their size, which can grow."""
    return {**have, "size": 0} == {**want, "size": 0}
