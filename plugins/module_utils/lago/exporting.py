# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole lab as one archive (manifest.py), from files that nobody writes to: of a snapshot, or a lab that is off.

Its disks lie there layer by layer with what they stand on and all snapshots, or each as one file of its own.
"""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import time
import typing as t

from . import files, manifest, sparse
from .disks import qemu_img
from .errors import ArchiveError, SnapshotError
from .initfile.reading import expanded
from .journal import Journal
from .making import clear
from .manifest import File, Manifest
from .reverting import whole
from .snapshots import create_snapshots, delete_snapshots, disks_of, taken
from .standing import Thing
from .templates.digests import Digests

if t.TYPE_CHECKING:
    from .prefix import Prefix
    from .virt_env import VirtEnv

ARCHIVE = "archive"
FOR_EXPORT = "to-be-exported"  # the snapshot that a running lab is exported from, and loses again
COMPRESSIONS = ("", "gz", "xz")
KEYS = ("id_rsa", "id_rsa.pub")

Chains = t.Dict[str, t.Dict[str, t.List[t.List[str]]]]  # by VM and disk: paths and formats


def export(
    prefix: Prefix, path: str, snapshot: str = "", standalone: bool = False, compress: str = ""
) -> dict[str, t.Any]:
    """Writes the lab to the file `path`, in place of one that is there, when it is whole.

    A running lab is not stopped: it is exported as `snapshot` has it, or one that is taken for it. With `standalone`
    each disk is one file that stands on none, and there are no snapshots. `compress`: "", gz, xz.
    Raises ArchiveError, SnapshotError, KvmError, OSError.
    """
    if compress not in COMPRESSIONS:
        raise ArchiveError(f"{compress!r} is no compression; there are gz and xz")
    path = os.path.abspath(path)
    delete_leftover(prefix)
    own = not snapshot and any(vm.alive() for vm in prefix.virt_env.get_vms().values())
    if own:
        create_snapshots(prefix, FOR_EXPORT)
    try:
        arguments = {"path": path, "snapshot": snapshot, "standalone": standalone, "compress": compress}
        with prefix.working("export", **arguments) as journal:
            return _Exporting(prefix, journal, path, compress).run(FOR_EXPORT if own else snapshot, standalone)
    finally:
        delete_leftover(prefix)


def resume_export(prefix: Prefix, **arguments: t.Any) -> None:
    """From its beginning."""
    export(prefix, **arguments)


def delete_leftover(prefix: Prefix) -> None:
    if FOR_EXPORT in taken(prefix.virt_env):
        delete_snapshots(prefix, FOR_EXPORT)


def remove_thing(_prefix: Prefix, thing: Thing) -> None:
    """The folder that it was written in."""
    shutil.rmtree(thing.detail["path"], ignore_errors=True)


class _Exporting:
    def __init__(self, prefix: Prefix, journal: Journal, path: str, compress: str) -> None:
        self._prefix, self._journal, self._path, self._compress = prefix, journal, path, compress
        self._members: dict[str, str] = {}  # where each is on this host
        self._files: dict[str, File] = {}  # by their path on this host

    def run(self, snapshot: str, standalone: bool) -> dict[str, t.Any]:
        _check_copies(self._prefix)
        chains = self._chains(snapshot)
        folder = os.path.join(os.path.dirname(self._path), f"{files.BESIDE}{self._prefix.uuid}")
        clear(self._prefix, self._journal, ARCHIVE, folder)  # of one that was killed when it was as good as ready
        try:
            with self._journal.making(ARCHIVE, folder, path=folder):
                os.mkdir(folder, 0o700)
                made = self._made(chains, standalone, folder)
        finally:
            clear(self._prefix, self._journal, ARCHIVE, folder)
        return {
            "path": self._path,
            "size": os.stat(self._path).st_size,
            "files": len(made.files),
            "vms": sorted(made.disks),
            "snapshots": sorted(made.snapshots["taken"]),
        }

    def _made(self, chains: Chains, standalone: bool, folder: str) -> Manifest:
        if standalone:
            chains = self._flattened(chains, folder)
        made = self._manifest(chains, {} if standalone else self._snapshots())
        beside = os.path.join(folder, "archive")
        self._write(beside, made)
        os.rename(beside, self._path)
        files.sync_folder(os.path.dirname(self._path))
        return made

    def _chains(self, snapshot: str) -> Chains:
        env = self._prefix.virt_env
        own = {thing.name for thing in self._things("disk") if thing.detail.get("own", True)}
        cds = {
            name: {
                one.name: [list(part) for part in one.chain]
                for one in vm.disks()
                if one.cdrom and f"{name}/{one.name}" in own
            }
            for name, vm in env.get_vms().items()
        }
        if snapshot:
            return {vm: {**part["chains"], **cds[vm]} for vm, part in whole(env, snapshot).items()}
        return {
            name: {**{disk.name: [list(part) for part in disk.chain] for disk in disks_of(vm)}, **cds[name]}
            for name, vm in env.get_vms().items()
        }

    def _things(self, kind: str) -> list[Thing]:
        return [thing for thing in self._prefix.standing().things.values() if thing.kind == kind]

    def _flattened(self, chains: Chains, folder: str) -> Chains:
        done: Chains = {}
        domains = self._prefix.virt_env.lab.domains
        for vm, disks in chains.items():
            forms = {disk.name: disk.format for disk in domains[vm].disks}
            for disk, chain in disks.items():
                form = forms[disk]
                if form == "iso":
                    done.setdefault(vm, {})[disk] = chain
                    continue
                path = os.path.join(folder, os.path.basename(self._prefix.paths.disk(vm, disk, form)))
                qemu_img("convert", "-q", "-f", chain[0][1], "-O", form, "--", chain[0][0], path)
                done.setdefault(vm, {})[disk] = [[path, form]]
                self._prefix.progress(f"disk {disk} made one file", vm=vm)
        return done

    def _snapshots(self) -> dict[str, t.Any]:
        """Those that can be gone back to: of a VM that was taken out of the lab since, the files are gone."""
        env = self._prefix.virt_env
        known = {name: one for name, one in taken(env).items() if name != FOR_EXPORT and _is_whole(env, name)}
        at = env.snapshots.get("at", "")
        return {"at": taken(env)[at]["parent"] if at == FOR_EXPORT else at, "taken": known}

    def _manifest(self, chains: Chains, snapshots: dict[str, t.Any]) -> Manifest:
        lab = self._prefix.virt_env.lab
        # The archive's lab is in another folder one day; files beside its init file are where they are now.
        spec = expanded("", lab.given, {**lab.variables, "LAGO_PREFIX_PATH": "$LAGO_PREFIX_PATH"})
        kept = {
            name: {
                "parent": one["parent"],
                "time": one["time"],
                "vms": {
                    vm: {"state": part["state"], "chains": self._named_all(part["chains"])}
                    for vm, part in one["vms"].items()
                },
            }
            for name, one in snapshots.get("taken", {}).items()
        }
        disks = {vm: self._named_all(of_vm) for vm, of_vm in chains.items()}
        self._files_of_host(spec)
        for key in KEYS:
            self._add(os.path.join(self._prefix.paths.prefix(), key), "", key)
        listed = sorted(self._files.values(), key=lambda file: file.name)
        found = {"at": snapshots.get("at", ""), "taken": kept}
        return Manifest(self._prefix.uuid, int(time.time()), spec, tuple(listed), disks, self._templates(), found)

    def _named_all(self, disks: t.Mapping[str, t.Sequence[t.Sequence[str]]]) -> dict[str, list[str]]:
        return {disk: [self._add(path, form) for path, form in chain] for disk, chain in disks.items()}

    def _add(self, path: str, form: str, name: str = "") -> str:
        """The name in the archive of a file of this host, which is read for it."""
        known = self._files.get(path)
        if known is None:
            digests = Digests()
            with open(path, "rb") as file:
                for _unused in sparse.read(file, sparse.parts(file, os.fstat(file.fileno()).st_size), digests):
                    pass
            self._prefix.progress(f"read {os.path.basename(path)}")
            known = File(name or self._name(path, digests.sha256), digests.size, digests.sha256, form)
            self._files[path] = known
            self._members[known.name] = path
        return known.name

    def _name(self, path: str, sha256: str) -> str:
        folder, base = os.path.split(path)
        own = folder == self._prefix.paths.images() or os.path.dirname(folder) == os.path.dirname(self._path)
        name = f"images/{base}"
        return name if own and manifest.MEMBER.match(name) and name not in self._members else f"below/{sha256}"

    def _files_of_host(self, spec: dict[str, t.Any]) -> None:
        """Kernels, ram disks and CDs that are files of this host come along, and lie in the lab's folder then."""
        for vm, domain in self._prefix.virt_env.lab.domains.items():
            for key in ("kernel", "initrd"):
                path = getattr(domain, key)
                if path:
                    spec["domains"][vm][key] = self._elsewhere(path)
            for disk in domain.disks:
                if disk.cdrom and disk.type == "file" and not disk.make_a_copy and not disk.url:
                    said = [one for one in spec["domains"][vm].get("disks", ()) if one.get("name") == disk.name]
                    if not said:
                        raise ArchiveError(f"domains.{vm}: its CD {disk.name} has to be said of it, not of a prototype")
                    said[0]["path"] = self._elsewhere(disk.path)

    def _elsewhere(self, path: str) -> str:
        return f"$LAGO_PREFIX_PATH/images/{os.path.basename(self._add(path, ''))}"

    def _templates(self) -> dict[str, dict[str, t.Any]]:
        """Those that a file in it is."""
        found = {}
        for thing in self._things("template"):
            file = self._files.get(thing.detail.get("path", ""))
            if file is not None:
                found[thing.name] = {"name": file.name, "metadata": thing.detail.get("metadata") or {}}
        return found

    def _write(self, path: str, made: Manifest) -> None:
        """Only for its owner: it has the lab's private key."""
        mode: t.Any = f"w:{self._compress}"
        with files.named(path), open(path, "xb", opener=_private) as raw:
            with tarfile.open(fileobj=raw, mode=mode, format=tarfile.PAX_FORMAT) as archive:
                text = made.pack()
                archive.addfile(_member(manifest.NAME, len(text), made.time), io.BytesIO(text))
                for file in made.files:
                    digests = Digests()
                    with open(self._members[file.name], "rb") as stream:
                        sparse.add(archive, _member(file.name, file.size, made.time), stream, digests)
                    if digests.sha256 != file.sha256:
                        raise ArchiveError(f"{self._members[file.name]} was written to while it was exported")
                    self._prefix.progress(f"exported {file.name}")
            raw.flush()
            os.fsync(raw.fileno())


def _is_whole(env: VirtEnv, name: str) -> bool:
    try:
        whole(env, name)
    except SnapshotError:
        return False
    return True


def _check_copies(prefix: Prefix) -> None:
    """A disk that is somebody's file in its place would be somebody else's file on another host."""
    for thing in prefix.standing().things.values():
        if thing.kind == "disk" and not thing.detail.get("own", True) and thing.detail["is"].get("format") != "iso":
            raise ArchiveError(
                f"the disk {thing.name} is the file {thing.detail['path']} itself; say make_a_copy for it"
            )


def _member(name: str, size: int, when: int) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.size, made.mtime, made.mode = size, when, 0o600
    return made


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
