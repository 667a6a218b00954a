# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab goes back to a snapshot: the disks of all its VMs, and where it was saved their memory.

What the VMs wrote since is lost, unless another snapshot has it. A VM whose memory was saved goes on from there; one
that ran without is booted; one that was off is off. What a revert needs is looked for before anything is stopped; a
revert that was interrupted is done again from its beginning, since what it ends with is always the same.
"""

from __future__ import annotations

import os
import typing as t
from contextlib import ExitStack

from . import layers, memory, window
from .errors import SnapshotError
from .journal import Journal
from .making import clear
from .parallel import invoke_in_parallel
from .snapshots import (
    disks_of,
    making,
    next_layers,
    next_number,
    stamp,
    sweep,
    taken,
    try_to_settle,
    write_to,
)

if t.TYPE_CHECKING:
    from .prefix import Prefix
    from .virt_env import VirtEnv

Parts = t.Mapping[str, t.Mapping[str, t.Any]]  # of a snapshot, by VM


def revert_snapshots(prefix: Prefix, name: str) -> None:
    """Brings all VMs of the snapshot `name` back to it; VMs that came later stay as they are.

    Raises SnapshotError before anything is done where the snapshot is not there or not whole; KvmError, OSError.
    """
    with prefix.working("revert", name=name) as journal:
        parts = whole(prefix.virt_env, name)
        sweep(prefix, journal)
        try:
            _put_files(prefix, journal, name, parts)
        except Exception:
            try_to_settle(prefix, journal)
            raise
        _go_on(prefix, journal, parts)
        sweep(prefix, journal)


def resume_revert(prefix: Prefix, name: str) -> None:
    revert_snapshots(prefix, name)


def whole(env: VirtEnv, name: str) -> Parts:
    """The parts of a snapshot, all of whose files and VMs are there. Raises SnapshotError that says what is not."""
    known = taken(env)
    if name not in known:
        raise SnapshotError(f"there is no snapshot {name}; there are: {', '.join(known) or 'none'}")
    parts: Parts = known[name]["vms"]
    for vm, part in parts.items():
        if vm not in env.get_vms():
            raise SnapshotError(f"the snapshot {name} has the VM {vm}, which is not in the lab any more")
        _check(name, vm, part)
        if part["memory"]:
            memory.image_document(env.connection, part["memory"])
    return parts


def _check(name: str, vm: str, part: t.Mapping[str, t.Any]) -> None:
    paths = [path for chain in part["chains"].values() for path, _unused in chain]
    for path in [*paths, *filter(None, [part["memory"]])]:
        if not os.path.isfile(path):
            raise SnapshotError(f"the snapshot {name} is not whole: {path} of the VM {vm} is gone")
    for disk, chain in part["chains"].items():
        if stamp(chain[0][0]) != part["stamps"][disk]:
            raise SnapshotError(f"the snapshot {name} is not whole: {chain[0][0]} of the VM {vm} was written to since")


def _put_files(prefix: Prefix, journal: Journal, name: str, parts: Parts) -> None:
    """Stops the VMs, and gives their disks new overlays over the snapshot's files."""
    env = prefix.virt_env
    below = {
        (vm, disk): tuple((path, form) for path, form in chain)
        for vm, part in parts.items()
        for disk, chain in part["chains"].items()
    }
    number = next_number(journal)
    with ExitStack() as records:
        new = next_layers(prefix, journal, below)
        for layer in new:
            records.enter_context(making(journal, layer, number))
        layers.make_all(new)
        invoke_in_parallel(lambda vm: clear(prefix, journal, "domain", vm), parts)
        env.snapshots["at"] = name
        write_to(env, new)
        env.save()


def _go_on(prefix: Prefix, journal: Journal, parts: Parts) -> None:
    """Makes that runs what ran then; VMs with their memory wait for each other."""
    from .converging import carry_out_with
    from .wish import Wish

    running = [vm for vm, part in parts.items() if part["state"] == "running"]
    warm = [vm for vm in running if parts[vm]["memory"]]
    cold = [vm for vm in running if vm not in warm]
    if cold or not all(net.alive() for net in prefix.virt_env.get_nets().values()):
        carry_out_with(prefix, journal, Wish("started", None, cold, None, None, ""))
    invoke_in_parallel(lambda vm: _restore(prefix, journal, vm, parts[vm]), warm)
    domains = {vm: prefix.virt_env.get_vm(vm).domain() for vm in warm}
    window.wake(prefix.connection, domains)
    window.set_clocks(prefix.connection, {vm: domain for vm, domain in domains.items() if parts[vm]["agent"]})


def _restore(prefix: Prefix, journal: Journal, vm: str, part: t.Mapping[str, t.Any]) -> None:
    chains = {disk.dev: disk.chain for disk in disks_of(prefix.virt_env.get_vm(vm))}
    with journal.making("domain", vm, **part["domain"]):
        memory.restore(prefix.connection, part["memory"], chains)
    prefix.progress("memory restored", vm=vm)
