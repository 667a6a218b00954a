# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of a whole lab: what all its VMs were at one moment, under a name.

A snapshot is the files that the VMs wrote to until then, which nobody writes to any more, and where asked for an image
of each running VM's memory. The VMs write to overlays from then on. `snapshots` of virt/env has it all:

    {"at": "before",                    the snapshot that the lab goes on from
     "taken": {"before": {"parent": "", "time": 1795253693, "memory": true, "paused": 0.042, "frozen": ["vm0"],
                          "vms": {"vm0": {"state": "running", "memory": "/lab/images/vm0.1.memory", "agent": true,
                                          "domain": {...},
                                          "chains": {"root": [["/lab/images/vm0_root.qcow2", "qcow2"], ...]},
                                          "stamps": {"root": [196624, 1795253693611038712]}}}}}}

That file, written at once, is where a snapshot becomes one: what a killed process made before is undone by `settle`,
also in the middle of the window, and what is in it is kept.
"""

from __future__ import annotations

import os
import time
import typing as t
from contextlib import ExitStack

from ..hypervisor.errors import ConnectionLost, Gone, KvmError
from . import files, layers, window
from .documents.domain import DiskFile
from .errors import LagoError, SnapshotError
from .initfile.names import WORD
from .journal import Journal
from .layers import Chain, Layer
from .making import clear
from .standing import Thing

if t.TYPE_CHECKING:
    from .prefix import Prefix
    from .virt_env import VirtEnv

SNAPSHOT = "snapshot"
PATIENCE = 15.0  # seconds for a libvirtd that is restarted meanwhile
ENDING = 3.0  # seconds for a VM that libvirtd is stopping
OFF = "shut off"


def create_snapshots(prefix: Prefix, name: str, memory: bool = False, quiesce: bool | None = None) -> bool:
    """Takes the snapshot `name` of all VMs in one window; whether it had to be taken.

    `memory`: with that of the VMs that run, which are paused until it is written. `quiesce`: see window.quiesced; a
    guest whose memory is saved need not hold still. All VMs or none. Raises LagoError, KvmError, OSError.
    """
    if not WORD.match(name):
        raise SnapshotError(f"{name!r} cannot be the name of a snapshot (letters, digits, _ . and -, 100 at most)")
    with prefix.working("snapshot", name=name, memory=memory, quiesce=quiesce) as journal:
        env = prefix.virt_env
        if name in taken(env):
            return False
        sweep(prefix, journal)
        try:
            _Taking(prefix, journal, name, memory).run(False if memory and quiesce is None else quiesce)
        except Exception:
            try_to_settle(prefix, journal)
            raise
    return True


def delete_snapshots(prefix: Prefix, name: str) -> bool:
    """Forgets a snapshot; whether there was one. Those that were taken after it stay, and so does what the VMs have.

    What VMs have written since is folded into the file below where no other snapshot needs that.
    """
    with prefix.working("snapshot", forget=name) as journal:
        env = prefix.virt_env
        known = name in taken(env)
        if known:
            _forget(env, name)
            env.save()
        fold_needless(prefix, journal)
        sweep(prefix, journal)
    return known


def _forget(env: VirtEnv, name: str) -> None:
    parent = taken(env).pop(name)["parent"]
    for other in taken(env).values():
        other["parent"] = parent if other["parent"] == name else other["parent"]
    if env.snapshots["at"] == name:
        env.snapshots["at"] = parent


def resume_snapshot(prefix: Prefix, name: str = "", forget: str = "", **how: t.Any) -> None:
    """Does again what was interrupted, when its half is undone already."""
    if forget:
        delete_snapshots(prefix, forget)
    else:
        create_snapshots(prefix, name, **how)


def taken(env: VirtEnv) -> dict[str, dict[str, t.Any]]:
    """Snapshots by name, in the order in which they were taken."""
    return t.cast(t.Dict[str, t.Dict[str, t.Any]], env.snapshots.setdefault("taken", {}))


def disks_of(vm: t.Any) -> list[DiskFile]:
    """Those that a snapshot has: a CD is not written to."""
    return [disk for disk in vm.disks() if not disk.cdrom]


def next_layers(prefix: Prefix, journal: Journal, below: t.Mapping[tuple[str, str], Chain]) -> list[Layer]:
    """New files for disks, by VM and disk, with a number that no file of a snapshot has."""
    number = next_number(journal)
    return [
        Layer(vm.name(), disk.name, disk.dev, _file(prefix, vm.name(), disk.name, number), below[vm.name(), disk.name])
        for vm in prefix.virt_env.get_vms().values()
        for disk in disks_of(vm)
        if (vm.name(), disk.name) in below
    ]


def next_number(journal: Journal) -> int:
    things = journal.standing.things.values()
    return 1 + max((thing.detail.get("number", 0) for thing in things if thing.kind == SNAPSHOT), default=0)


def _file(prefix: Prefix, vm: str, disk: str, number: int) -> str:
    return prefix.paths.images(f"{vm}_{disk}.{number}.qcow2")


def making(journal: Journal, layer: Layer, number: int, paused: t.Sequence[str] = ()) -> t.Any:
    """The record of a new file; `paused`: the VMs that are until it is made, or undone."""
    where = {"vm": layer.vm, "disk": layer.disk, "dev": layer.dev, "path": layer.path}
    return journal.making(SNAPSHOT, os.path.basename(layer.path), **where, number=number, paused=list(paused))


class _Taking:
    """One snapshot as it is taken."""

    def __init__(self, prefix: Prefix, journal: Journal, name: str, memory: bool) -> None:
        self._prefix, self._journal, self._name, self._memory = prefix, journal, name, memory
        self._vms = prefix.virt_env.get_vms()
        self._domains = live_domains(prefix, journal)
        self._devs = {vm: set(layers.active_files(prefix.connection, live)) for vm, live in self._domains.items()}
        self._agents = {
            vm for vm, live in self._domains.items() if memory and window.has_agent(prefix.connection, live)
        }
        self._number = next_number(journal)
        self._layers = next_layers(
            prefix, journal, {(vm, disk.name): disk.chain for vm in self._vms for disk in disks_of(self._vms[vm])}
        )

    def run(self, quiesce: bool | None) -> None:
        with ExitStack() as records:
            for layer in self._layers:
                records.enter_context(making(self._journal, layer, self._number, sorted(self._domains)))
            layers.make_all(self._layers)
            for vm in self._domains if self._memory else ():
                self._expect_memory(records, vm)
            frozen, paused = self._window(quiesce)
            self._keep(frozen, paused)

    def _expect_memory(self, records: ExitStack, vm: str) -> None:
        path = self._memory_file(vm)
        about = {"vm": vm, "path": path, "number": self._number, "paused": sorted(self._domains)}
        records.enter_context(self._journal.making(SNAPSHOT, os.path.basename(path), **about))

    def _window(self, quiesce: bool | None) -> tuple[list[str], float]:
        """Who held still, and for how many seconds VMs were paused."""
        from . import memory
        from .parallel import invoke_in_parallel

        connection = self._prefix.connection

        def one(vm: str) -> None:
            mine = [layer for layer in self._layers if layer.vm == vm]
            others = self._devs[vm] - {layer.dev for layer in mine}
            image = self._memory_file(vm) if self._memory else ""
            if mine or image:
                told = self._prefix.progress.of_bytes("writing memory", vm)
                memory.take(connection, self._domains[vm], mine, image, sorted(others), told)

        with window.quiesced(connection, self._domains, quiesce) as frozen:
            with window.Window(connection, self._domains) as opened:
                invoke_in_parallel(one, self._domains)
        return frozen, opened.seconds

    def _keep(self, frozen: list[str], paused: float) -> None:
        """From here on it is a snapshot."""
        vms = {
            vm: {
                "state": "running" if vm in self._domains else OFF,
                "memory": self._memory_file(vm) if self._memory and vm in self._domains else "",
                "agent": vm in self._agents,
                "domain": self._detail(vm) if self._memory and vm in self._domains else {},
                "chains": {layer.disk: layer.below for layer in self._layers if layer.vm == vm},
                "stamps": {layer.disk: stamp(layer.below[0][0]) for layer in self._layers if layer.vm == vm},
            }
            for vm in self._vms
        }
        env = self._prefix.virt_env
        taken(env)[self._name] = {
            "parent": env.snapshots.get("at", ""),
            "time": int(time.time()),
            "memory": self._memory,
            "paused": round(paused, 4),
            "frozen": frozen,
            "vms": vms,
        }
        env.snapshots["at"] = self._name
        write_to(env, self._layers)
        env.save()

    def _detail(self, vm: str) -> dict[str, t.Any]:
        """What the journal knows of the domain, which comes back with the memory."""
        thing = self._journal.standing.things.get(("domain", vm))
        return thing.detail if thing is not None else {}

    def _memory_file(self, vm: str) -> str:
        return self._prefix.paths.images(f"{vm}.{self._number}.memory")


def stamp(path: str) -> list[int]:
    """Size and time of the last write of a file that nobody writes to any more: another one is another file."""
    found = os.stat(path)
    return [found.st_size, found.st_mtime_ns]


def live_domains(prefix: Prefix, journal: Journal) -> dict[str, t.Any]:
    """libvirt's domains of the VMs that run, by name. One that is paused is refused: somebody wants it so.

    One that is off is nothing to libvirt from now on, which would start it again with the files that it had.
    """
    found = {}
    for name, vm in prefix.virt_env.get_vms().items():
        try:
            domain = vm.domain()
            state = window.state_of(prefix.connection, domain)
        except Gone:
            continue
        if state == window.PAUSED:
            raise SnapshotError(f"{name} is paused; a snapshot has VMs that run, or are off")
        if state == window.RUNNING:
            found[name] = domain
        else:
            clear(prefix, journal, "domain", name)
    return found


def write_to(env: VirtEnv, new: t.Iterable[Layer]) -> None:
    """The layers are what the VMs write to; to be saved."""
    for layer in new:
        env.chains.setdefault(layer.vm, {})[layer.disk] = [list(part) for part in layer.chain]


def needed_files(env: VirtEnv) -> set[str]:
    """All files that the VMs or a snapshot need; kernels too, which lie among them in a lab that was imported."""
    found = {path for domain in env.lab.domains.values() for path in (domain.kernel, domain.initrd)}
    for thing in env.standing().things.values():
        if thing.kind == "disk":
            vm, disk = thing.name.split("/", 1)
            chain = env.chains.get(vm, {}).get(disk) or thing.detail.get("chain", ())
            found.update(path for path, _unused in chain)
    for one in taken(env).values():
        for part in one["vms"].values():
            found.update(path for chain in part["chains"].values() for path, _unused in chain)
            found.add(part["memory"])
    return found


# What is left over, or half done


def settle(prefix: Prefix, journal: Journal) -> None:
    """Ends what a killed snapshot or revert left half done: kept where virt/env has it, else undone.

    To be called before anything else is done with the journal. Raises KvmError, LagoError, OSError.
    """
    half = [thing for thing in things(journal) if thing.state != "made"]
    if not half or not prefix.specified():  # there was no lab yet that could need it
        return
    prefix.forget()  # what counts is on the disk, also where saving it failed
    _wake(prefix, {vm for thing in half for vm in thing.detail.get("paused", ())})
    needed = needed_files(prefix.virt_env)
    for thing in reversed(half):
        if thing.state == "removing":
            remove(prefix, journal, thing)
        elif thing.detail["path"] in needed:
            with journal.making(SNAPSHOT, thing.name):
                pass
        else:
            _undo(prefix, journal, thing)


def things(journal: Journal) -> list[Thing]:
    return [thing for thing in journal.standing.things.values() if thing.kind == SNAPSHOT]


def sweep(prefix: Prefix, journal: Journal) -> None:
    """Removes files that no VM and no snapshot needs any more."""
    needed = needed_files(prefix.virt_env)
    for thing in reversed(things(journal)):
        if thing.detail["path"] not in needed:
            with journal.removing(SNAPSHOT, thing.name):
                remove_thing(prefix, thing)


def remove_thing(prefix: Prefix, thing: Thing) -> None:
    """Unlinks the file."""
    files.remove(thing.detail["path"])


def _undo(prefix: Prefix, journal: Journal, thing: Thing) -> None:
    """A VM that writes to the file already goes back to the one below, also where libvirtd forgot that it does."""
    domain = _domain(prefix, thing.detail["vm"])
    if domain is not None and thing.detail.get("dev"):
        try:
            _let_go(prefix, domain, thing.detail["dev"], thing.detail["path"])
        except KvmError:
            if not _ends(prefix, thing.detail["vm"]):
                raise
    with journal.removing(SNAPSHOT, thing.name):
        remove_thing(prefix, thing)


def _let_go(prefix: Prefix, domain: t.Any, dev: str, path: str) -> None:
    active = layers.active_files(prefix.connection, domain).get(dev, "")
    if active == path:
        layers.fold_live(prefix.connection, domain, dev)
    else:
        from . import forgotten

        forgotten.take_back(prefix.connection, domain, dev, path, active)


def _ends(prefix: Prefix, vm: str) -> bool:
    """Whether the VM is off soon: libvirtd goes on with what a killed revert asked of it last."""
    end = time.monotonic() + ENDING
    while _domain(prefix, vm) is not None:
        if time.monotonic() > end:
            return False
        time.sleep(layers.PAUSE)
    return True


def fold_needless(prefix: Prefix, journal: Journal) -> None:
    """Folds what VMs write to into the file below, as long as that is our own and no snapshot has it."""
    env = prefix.virt_env
    kept = {
        path
        for one in taken(env).values()
        for vm in one["vms"].values()
        for chain in vm["chains"].values()
        for path, _unused in chain
    }
    for thing in reversed(things(journal)):
        chain = _current(env, thing)
        written = bool(chain) and chain[0][0] == thing.detail["path"]
        if written and not kept.intersection((chain[0][0], chain[1][0])):
            remove(prefix, journal, thing)


def remove(prefix: Prefix, journal: Journal, thing: Thing) -> None:
    """Folds the layer into the file below where a VM needs it, and removes it. Can be done again at any point."""
    with journal.removing(SNAPSHOT, thing.name):
        env = prefix.virt_env
        chain = _current(env, thing)
        if chain and chain[0][0] == thing.detail["path"]:
            _fold(prefix, journal, thing, chain)
            env.chains[thing.detail["vm"]][thing.detail["disk"]] = [list(part) for part in chain[1:]]
            env.save()
        remove_thing(prefix, thing)


def _fold(prefix: Prefix, journal: Journal, thing: Thing, chain: Chain) -> None:
    """A live VM that does not write to the layer any more has been folded, by one who was killed then."""
    domain = _domain(prefix, thing.detail["vm"])
    if domain is None:
        clear(prefix, journal, "domain", thing.detail["vm"])
        layers.fold_stopped(chain)
    elif layers.active_files(prefix.connection, domain).get(thing.detail["dev"]) == thing.detail["path"]:
        layers.let_write(chain)
        layers.fold_live(prefix.connection, domain, thing.detail["dev"])


def _current(env: VirtEnv, thing: Thing) -> Chain:
    chain = env.chains.get(thing.detail["vm"], {}).get(thing.detail.get("disk", ""), ())
    return tuple((path, form) for path, form in chain)


def _domain(prefix: Prefix, vm: str) -> t.Any:
    """The VM's domain where it is live; None elsewhere."""
    known = prefix.virt_env.get_vms().get(vm)
    try:
        domain = known.domain() if known is not None else None
        live = domain is not None and prefix.connection.ask_of(domain, "isActive")
    except Gone:
        return None
    return domain if live else None


def _wake(prefix: Prefix, names: t.Iterable[str]) -> None:
    domains = {name: _domain(prefix, name) for name in sorted(names)}
    live = {name: domain for name, domain in domains.items() if domain is not None}
    window.wake(prefix.connection, live)
    window.thaw(prefix.connection, live)


def try_to_settle(prefix: Prefix, journal: Journal) -> None:
    """After an error, which is the one to be told; what cannot be undone now is when the prefix is worked on again."""
    try:
        try:
            settle(prefix, journal)
        except ConnectionLost:
            prefix.connection.reopen(PATIENCE)
            settle(prefix, journal)
    except (KvmError, LagoError, OSError):
        pass
