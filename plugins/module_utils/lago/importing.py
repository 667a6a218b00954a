# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab out of an archive (manifest.py), in another folder or on another host: the same disks, another lab.

It has a uuid, addresses of hardware and leased subnets of its own, so that it can run beside the one that it was. What
is in the archive is believed nothing: only files that its manifest names are taken, with the size and sha256 that it
says, and what an image says of the files below it is written anew.
"""

from __future__ import annotations

import json
import os
import struct
import tarfile
import typing as t

from . import files, manifest
from .disks import MODE, qemu_img
from .errors import ArchiveError
from .exporting import KEYS
from .initfile.model import Disk, Domain
from .initfile.reading import read
from .journal import Journal
from .manifest import File, Manifest
from .prefix import Prefix
from .progress import Progress
from .snapshots import SNAPSHOT, stamp
from .templates.digests import CHUNK, Digests
from .templates.image import AT_FEATURES, EXTERNAL_DATA, FEATURES, MAGIC
from .templates.store import TemplateStore
from .wanted import disk_detail

HOLE = 1 << 16  # bytes: so many zeros, where such a number of bytes begins, become a hole
ZEROS = bytes(HOLE)
NET_PLACES = ("subnet", "subnet6", "gw")  # what a network's addresses follow from


def import_lab(
    path: str,
    archive: str,
    settings: t.Mapping[str, str] | None = None,
    progress: Progress | None = None,
    new_subnets: bool = False,
) -> dict[str, t.Any]:
    """Makes the lab of the file `archive` in the folder `path`, stopped.

    `new_subnets`: also for networks whose subnet the init file says. An import that was interrupted is gone on with.
    Raises ArchiveError, LagoError, KvmError, OSError.
    """
    with Prefix(path, settings, progress) as prefix:
        if prefix.specified() and prefix.standing().action != "import":
            raise ArchiveError(f"importing a lab into {path}: there is one already")
        made = look(archive)
        prefix.initialize()
        resume_import(prefix, os.path.abspath(archive), new_subnets)
        return {
            "path": prefix.paths.prefix(),
            "uuid": prefix.uuid,
            "from": made.uuid,
            "vms": sorted(made.disks),
            "snapshots": sorted(made.snapshots["taken"]),
        }


def resume_import(prefix: Prefix, archive: str, new_subnets: bool) -> None:
    from .converging import carry_out_with
    from .wish import Wish

    with prefix.working("import", archive=archive, new_subnets=new_subnets) as journal:
        try:
            with tarfile.open(archive, mode="r|*") as tar:
                made = _manifest(tar)
                conf = _without_subnets(made.spec) if new_subnets else made.spec
                importing = _Importing(prefix, journal, made, conf)
                importing.take(tar)
        except tarfile.TarError as error:
            raise ArchiveError(f"{archive} cannot be read to its end: {error}") from None
        carry_out_with(prefix, journal, Wish("initialized", conf))
        importing.keep()


def look(archive: str) -> Manifest:
    """What an archive says of itself. Raises ArchiveError, OSError."""
    try:
        with tarfile.open(archive, mode="r|*") as tar:
            return _manifest(tar)
    except tarfile.TarError as error:
        raise ArchiveError(f"{archive} is no archive of a lab: {error}") from None


def _next(tar: tarfile.TarFile) -> tarfile.TarInfo | None:
    try:
        return tar.next()
    except ValueError as error:  # of the map of a sparse file, which tarfile believes
        raise ArchiveError(f"a member is not described: {error}") from None


def _manifest(tar: tarfile.TarFile) -> Manifest:
    first = _next(tar)
    if first is None or first.name != manifest.NAME or not first.isreg() or first.size > manifest.LARGEST:
        raise ArchiveError(f"its first member is not {manifest.NAME}")
    stream = tar.extractfile(first)
    return manifest.unpack(stream.read() if stream else b"")


def _without_subnets(spec: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    found = json.loads(json.dumps(spec))
    for net in found["nets"].values():
        for key in NET_PLACES:
            net.pop(key, None)
    return t.cast(t.Dict[str, t.Any], found)


class _Importing:
    """Where each file goes, and what the journal calls it."""

    def __init__(self, prefix: Prefix, journal: Journal, made: Manifest, conf: t.Mapping[str, t.Any]) -> None:
        self._prefix, self._journal, self._made = prefix, journal, made
        self._store = TemplateStore(prefix.setting("template_store"))
        self._below = manifest.below(made)
        self._formats = {file.name: file.format for file in made.files}
        self._devs: dict[tuple[str, str], str] = {}  # of VMs' disks, in the guest
        self._own = self._own_files(conf)
        self._places: dict[str, str] = {}

    def _own_files(self, conf: t.Mapping[str, t.Any]) -> dict[str, tuple[Domain, Disk]]:
        """The VM and the disk of the files that disks were made with. Raises ArchiveError."""
        paths = self._prefix.paths
        spec = read(conf, {"LAGO_PREFIX_PATH": paths.prefix()})
        found = {}
        for vm, domain in spec.domains.items():
            for disk in domain.disks:
                place = f"domains.{vm}.disks.{disk.name}"
                detail = disk_detail(paths, domain, disk)
                if detail["own"]:
                    name = f"images/{os.path.basename(detail['path'])}"
                    self._check_there(place, name)
                    found[name] = (domain, disk)
                    self._devs[vm, disk.name] = disk.dev
                else:
                    self._check_place(place, detail["path"])
            for key in ("kernel", "initrd"):
                if getattr(domain, key):
                    self._check_place(f"domains.{vm}.{key}", getattr(domain, key))
        for vm, disks in self._made.disks.items():
            for name in disks:
                if (vm, name) not in self._devs:
                    raise ArchiveError(f"the manifest has the disk {name} of {vm}, which is not in its init file")
        return found

    def _check_there(self, place: str, name: str) -> None:
        if not self._formats.get(name):
            raise ArchiveError(f"{place}: its file {name} is not in the archive")

    def _check_place(self, place: str, path: str) -> None:
        """No guest of an archive gets a file of this host that was not in it."""
        folder, name = os.path.split(os.path.normpath(path))
        if folder != self._prefix.paths.images() or not {f"images/{name}", f"below/{name}"} & self._formats.keys():
            raise ArchiveError(f"{place}: {path} is no file of the archive")

    def take(self, tar: tarfile.TarFile) -> None:
        """All members, in the order of the manifest: what is below comes first."""
        for file in self._made.files:
            self._places[file.name] = self._place(file)
        for file in self._made.files:
            member = _next(tar)
            if member is None or member.name != file.name or not member.isreg() or member.size != file.size:
                raise ArchiveError(f"{file.name} does not follow in the archive as its manifest says")
            stream = tar.extractfile(member)
            if stream is None:
                raise ArchiveError(f"{file.name} cannot be read")
            self._one(file, stream)
            self._prefix.progress(f"imported {file.name}")

    def _place(self, file: File) -> str:
        """Of the store, where that has the image already."""
        if file.name in KEYS:
            return os.path.join(self._prefix.paths.prefix(), file.name)
        if file.name.startswith("below/") and file.format:
            shared = self._store.use(file.sha256, self._prefix.paths.uuid())
            if shared:
                return shared
        return self._prefix.paths.images(os.path.basename(file.name))

    def _one(self, file: File, stream: t.IO[bytes]) -> None:
        path = self._places[file.name]
        if file.name in KEYS:
            _check(file, stream, lambda data: files.write_whole(path, data, 0o600 if file.name == KEYS[0] else 0o644))
        elif os.path.dirname(path) != self._prefix.paths.images():
            self._shared(file, path)
        elif file.name in self._own:
            domain, disk = self._own[file.name]
            self._make(file, stream, "disk", f"{domain.name}/{disk.name}", self._disk_detail(domain, disk, file))
        else:
            self._make(file, stream, SNAPSHOT, os.path.basename(path), self._layer_detail(file, path))

    def _make(self, file: File, stream: t.IO[bytes], kind: str, name: str, detail: dict[str, t.Any]) -> None:
        if self._journal.has(kind, name):
            return
        with self._journal.making(kind, name, **detail):
            _write(detail["path"], file, stream)
            self._link(file, detail["path"])

    def _link(self, file: File, path: str) -> None:
        """Says to an image what it stands on; one that wants to stand on more than the manifest says is refused."""
        if file.format != "qcow2":
            return
        _check_image(path)
        under = self._below.get(file.name, "")
        if under:
            near = os.path.dirname(self._places[under]) == os.path.dirname(path)
            name = os.path.basename(under) if near else self._places[under]
            qemu_img("rebase", "-q", "-u", "-f", "qcow2", "-b", name, "-F", self._formats[under], "--", path)
        else:
            qemu_img("rebase", "-q", "-u", "-f", "qcow2", "-b", "", "--", path)

    def _shared(self, file: File, path: str) -> None:
        """A template that the store has: it is only said that it is used."""
        for name, one in self._made.templates.items():
            if one["name"] == file.name and not self._journal.has("template", name):
                detail = {"is": {"template": name}, "sha256": file.sha256, "path": path, "format": file.format}
                with self._journal.making("template", name, **detail, metadata=one["metadata"]):
                    pass

    def _disk_detail(self, domain: Domain, disk: Disk, file: File) -> dict[str, t.Any]:
        """As of one that was made here, but for its chain, which is that of the lab that it was."""
        chain = self._made.disks.get(domain.name, {}).get(disk.name) or [file.name]
        return {**disk_detail(self._prefix.paths, domain, disk), "chain": self._real(chain)}

    def _layer_detail(self, file: File, path: str) -> dict[str, t.Any]:
        """A number that no new layer gets: the one in its name."""
        number = file.name.split(".")[-2] if file.name.count(".") > 1 else ""
        of = [(vm, disk) for vm, disk, chain in manifest.chains_of(self._made) if file.name in chain]
        vm, disk = of[0] if len(set(of)) == 1 else ("", "")
        where = {"vm": vm, "disk": disk, "dev": self._devs.get((vm, disk), ""), "path": path}
        return {**where, "number": int(number) if number.isdigit() and len(number) < 10 else 0}

    def _real(self, chain: t.Sequence[str]) -> list[list[str]]:
        return [[self._places[name], self._formats[name]] for name in chain]

    def keep(self) -> None:
        """The snapshots, and what the VMs write to: from here on it is a lab as any other."""
        env = self._prefix.virt_env
        for vm, disks in self._made.disks.items():
            env.chains[vm] = {disk: self._real(chain) for disk, chain in disks.items()}
        env.snapshots.clear()
        env.snapshots.update({"at": self._made.snapshots["at"], "taken": {}})
        for name, one in self._made.snapshots["taken"].items():
            vms = {vm: self._part(part) for vm, part in one["vms"].items()}
            common = {"parent": one["parent"], "time": one["time"], "memory": False, "paused": 0.0, "frozen": []}
            env.snapshots["taken"][name] = {**common, "vms": vms}
        env.save()

    def _part(self, part: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        chains = {disk: self._real(chain) for disk, chain in part["chains"].items()}
        stamps = {disk: stamp(chain[0][0]) for disk, chain in chains.items()}
        without = {"memory": "", "agent": False, "domain": {}}
        return {"state": part["state"], **without, "chains": chains, "stamps": stamps}


def _check(file: File, stream: t.IO[bytes], done: t.Callable[[bytes], None]) -> None:
    """A small file, which is handed on when it is the one that the manifest means."""
    if file.size > CHUNK:
        raise ArchiveError(f"{file.name} is larger than such a file can be")
    data = stream.read(CHUNK)
    digests = Digests()
    digests.update(data)
    if digests.sha256 != file.sha256:
        raise ArchiveError(f"{file.name} is not what its manifest says: it has the sha256 {digests.sha256}")
    done(data)


def _write(path: str, file: File, stream: t.IO[bytes]) -> None:
    """With holes where there are only zeros."""
    digests = Digests()
    files.remove(path)
    with files.named(path), open(path, "xb") as target:
        for data in iter(lambda: stream.read(HOLE), b""):
            digests.update(data)
            if data == ZEROS[: len(data)]:
                target.seek(len(data), os.SEEK_CUR)
            else:
                target.write(data)
        target.truncate(file.size)
        target.flush()
        os.fchmod(target.fileno(), MODE)
        os.fsync(target.fileno())
    if digests.sha256 != file.sha256:
        raise ArchiveError(f"{file.name} is not what its manifest says: it has the sha256 {digests.sha256}")


def _check_image(path: str) -> None:
    """Raises ArchiveError for a file that is no qcow2, or has its data in a file that its maker chose."""
    with open(path, "rb") as file:
        head = file.read(AT_FEATURES + FEATURES.size)
    try:
        (version,) = struct.unpack_from(">I", head, len(MAGIC))
        (features,) = FEATURES.unpack_from(head, AT_FEATURES) if version >= 3 else (0,)
    except struct.error:
        head, features = b"", 0
    if not head.startswith(MAGIC) or features & EXTERNAL_DATA:
        raise ArchiveError(f"{path} is no qcow2 image, or has its data in another file")
