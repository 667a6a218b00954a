# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries out the actions of a plan on the host, with a record of the journal around each."""

from __future__ import annotations

import base64
import os
import typing as t
from xml.etree import ElementTree

from ..hypervisor.errors import Gone
from . import described, disks, files, seed
from .converge import CHANGE, MAKE, REMOVE, Action
from .dns import names_of
from .documents import domain as domain_document
from .documents import network as network_document
from .documents.domain import DiskFile
from .errors import LagoError
from .journal import Journal
from .lab import Lab
from .parallel import VectorThread
from .removing import remove
from .standing import Standing, Thing
from .templates.repository import TemplateRepository, find_repo_by_name
from .templates.store import TemplateStore
from .wanted import SEED, SEED_DEV, Detail

if t.TYPE_CHECKING:
    from .prefix import Prefix

AT_ONCE = 8  # actions of a wave that run at the same time
DONE = {MAKE: "made", CHANGE: "changed", REMOVE: "removed"}
TOLD = {
    (MAKE, "template"): "template there",
    (MAKE, "network"): "network up",
    (MAKE, "domain"): "started",
    (REMOVE, "domain"): "stopped",
    (REMOVE, "network"): "network down",
}

Chains = t.Mapping[str, t.Mapping[str, t.Sequence[t.Sequence[str]]]]  # of VMs and their disks: files and formats


class Making:
    """What `Plan` hands its actions to (`run`)."""

    def __init__(
        self,
        prefix: Prefix,
        journal: Journal,
        chains: Chains,
        repository: TemplateRepository | str | None,
        store: TemplateStore,
    ) -> None:
        self.prefix, self.journal, self.chains = prefix, journal, chains
        self._repository, self.store = repository, store

    @property
    def repository(self) -> TemplateRepository:
        """Raises TemplateError."""
        if self._repository is None:
            raise LagoError("a disk of a template needs a repository, and none was said")
        if isinstance(self._repository, str):
            self._repository = opened(self._repository)
        return self._repository

    def run(self, actions: t.Sequence[Action]) -> list[Exception | None]:
        """The outcome of each."""
        outcomes: list[Exception | None] = []
        for start in range(0, len(actions), AT_ONCE):
            some = VectorThread([_call(self._one, action) for action in actions[start : start + AT_ONCE]])
            some.start_all()
            some.join_all(raise_exceptions=False)
            for error in some.errors:
                if error is not None and not isinstance(error, Exception):
                    raise error
                outcomes.append(error)
        return outcomes

    def _one(self, action: Action) -> None:
        if action.kind != described.KIND:
            self._carry_out(action)
        words = TOLD.get((action.verb, action.kind)) or f"{action.kind} {DONE[action.verb]}"
        vm = action.name.split("/")[0] if action.kind in ("disk", "seed", "domain", described.KIND) else ""
        self.prefix.progress(words if vm else f"{words}: {action.name}", vm=vm)

    def _carry_out(self, action: Action) -> None:
        if action.verb == CHANGE:
            with self.journal.changing(action.kind, action.name, **action.detail):
                CHANGERS[action.kind](self, action)
        else:
            clear(self.prefix, self.journal, action.kind, action.name)
            if action.verb == MAKE:
                with self.journal.making(action.kind, action.name, **action.detail) as more:
                    more.update(MAKERS[action.kind](self, action) or {})


def opened(said: str) -> TemplateRepository:
    """A repository by its file, its URL, or its name among those of the settings. Raises TemplateError."""
    if said.startswith(("http://", "https://")):
        return TemplateRepository.from_url(said)
    return TemplateRepository.from_file(said) if "/" in said else find_repo_by_name(said)


def _call(function: t.Callable[..., t.Any], *arguments: t.Any) -> t.Callable[[], t.Any]:
    return lambda: function(*arguments)


def clear(prefix: Prefix, journal: Journal, kind: str, name: str) -> None:
    """Removes a thing, half or whole; that there is none is as good. Raises LagoError, KvmError, OSError."""
    thing = journal.standing.things.get((kind, name))
    if thing is None:
        return
    with journal.removing(kind, name):
        remove(prefix, thing)


# How each kind is made


def _template(work: Making, action: Action) -> Detail:
    name, _unused, version = action.detail["is"]["template"].partition(":")
    found = work.repository.get_by_name(name).get_version(version)
    told = work.prefix.progress.of_bytes(f"getting template: {name}")
    work.store.download(found, key_path=work.prefix.paths.uuid(), progress=told)
    return {
        "sha256": work.store.get_stored_hash(found),
        "path": os.path.abspath(work.store.get_path(found)),
        "format": work.store.get_format(found),
        "metadata": work.store.get_stored_metadata(found),
    }


def _disk(work: Making, action: Action) -> Detail:
    meaning, path = action.detail["is"], action.detail["path"]
    form = "raw" if meaning["format"] == "iso" else meaning["format"]
    if not action.detail["own"]:
        if not os.path.exists(path):
            raise LagoError(f"{path}: there is no such file")
        return {"chain": [[path, form]]}
    base = None
    if "template" in action.detail:
        template = work.journal.standing.things["template", action.detail["template"]].detail
        base = (template["path"], template["format"])
    elif meaning["type"] == "template":
        base = disks.base_of(meaning["path"])
    vm, _unused, name = action.name.partition("/")
    disks.create(path, form, meaning, base, work.prefix.progress.of_bytes(f"getting disk {name}", vm))
    if "build" in meaning:
        from . import sysprep

        sysprep.build(path, form, meaning["build"], work.prefix.paths.ssh_id_rsa_pub(), _lab(action).machine.type)
    return {"chain": [[path, form], *([list(base)] if base else [])]}


def _seed(_work: Making, action: Action) -> None:
    lab = _lab(action)
    made = seed.build(lab.uuid, lab.spec.domains[action.name], lab.spec, lab.addresses, [lab.key])
    files.write_whole(action.detail["path"], made)


def _network(work: Making, action: Action) -> None:
    lab = _lab(action)
    net = lab.spec.nets[action.name]
    names = names_of(lab.addresses)
    document = network_document.build(lab.uuid, net, lab.addresses[net.name], names)
    connection = work.prefix.connection
    connection.ask_of(connection.ask("networkDefineXML", document), "create")


def _domain(work: Making, action: Action) -> Detail:
    """`console`: bytes that its log had before this boot."""
    log = _lab(action).paths.console(action.name)
    size = os.path.getsize(log) if os.path.exists(log) else 0
    work.prefix.connection.ask_of(defined(work.prefix, _lab(action), action.name, work), "create")
    return {"console": size}


def defined(prefix: Prefix, lab: Lab, name: str, made: Making) -> t.Any:
    """The domain of a VM, as libvirt-python has it, that does not run yet."""
    return prefix.connection.ask("defineXML", domain_xml(lab, name, made.journal.standing, made.chains))


def domain_xml(lab: Lab, name: str, standing: Standing, chains: Chains) -> str:
    """The document of a VM, with its disks as they lie on the host."""
    domain = lab.spec.domains[name]
    told = told_by_smbios(name, lab.key) if domain.bootstrap else []
    return domain_document.build(
        lab.uuid,
        domain,
        lab.machine_of(domain),
        lab.spec.nets,
        disk_files(lab, name, standing, chains, seeded=True),
        lab.paths.console(name),
        told,
    )


def told_by_smbios(name: str, key: str) -> list[str]:
    """Who the guest is, by the names that systemd reads (systemd.system-credentials(7)), and small guests too."""
    keys = base64.b64encode(f"{key}\n".encode()).decode()
    return [
        f"io.systemd.credential:system.hostname={name}",
        f"io.systemd.credential.binary:ssh.authorized_keys.root={keys}",
    ]


def disk_files(lab: Lab, name: str, standing: Standing, chains: Chains, seeded: bool = False) -> list[DiskFile]:
    """The disks of a VM. Raises LagoError for one that was not made."""
    domain = lab.spec.domains[name]
    found = []
    for disk in domain.disks:
        made = _made(standing, name, disk.name).detail["chain"]
        chain = chains.get(name, {}).get(disk.name) or made
        files_of = tuple((path, form) for path, form in chain)
        found.append(DiskFile(disk.name, disk.dev, disk.cdrom, files_of, template=len(made) > 1))
    if seeded and domain.bootstrap:
        found.append(DiskFile(SEED, SEED_DEV, True, ((lab.paths.seed(name), "raw"),)))
    return found


def _made(standing: Standing, vm: str, disk: str) -> Thing:
    thing = standing.things.get(("disk", f"{vm}/{disk}"))
    if thing is None or "chain" not in thing.detail:
        raise LagoError(f"the disk {disk} of {vm} was not made")
    return thing


def _lab(action: Action) -> Lab:
    if action.lab is None:
        raise LagoError(f"the {action.kind} {action.name} is of a lab that is not known")
    return action.lab


MAKERS: t.Dict[str, t.Callable[[Making, Action], Detail | None]] = {
    "template": _template,
    "disk": _disk,
    "seed": _seed,
    "network": _network,
    "domain": _domain,
}


# How what is there becomes another


def _resized(work: Making, action: Action) -> None:
    vm, disk = action.name.split("/", 1)
    lab = _lab(action)
    size = action.detail["is"]["size"]
    chain = work.chains.get(vm, {}).get(disk) or _made(work.journal.standing, vm, disk).detail["chain"]
    dev = next(one.dev for one in lab.spec.domains[vm].disks if one.name == disk)
    connection = work.prefix.connection
    thing = work.journal.standing.things.get(("domain", vm))
    try:
        domain = connection.ask("lookupByUUIDString", thing.detail["uuid"]) if thing else None
    except Gone:
        domain = None
    if domain is not None and connection.ask_of(domain, "isActive"):
        connection.ask_of(domain, "blockResize", dev, size, connection.libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)
    else:
        disks.resize(chain[0][0], chain[0][1], size)


def _network_live(work: Making, action: Action) -> None:
    from .live_network import update

    update(work.prefix.connection, _lab(action), action.name, action.detail["uuid"])


def _domain_live(work: Making, action: Action) -> None:
    from .live_domain import update

    root = ElementTree.fromstring(domain_xml(_lab(action), action.name, work.journal.standing, work.chains))
    update(work.prefix.connection, action.detail["uuid"], root)


CHANGERS: t.Dict[str, t.Callable[[Making, Action], Detail | None]] = {
    "disk": _resized,
    "seed": _seed,
    "network": _network_live,
    "domain": _domain_live,
}
