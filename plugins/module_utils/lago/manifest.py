# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab's archive says of itself: a tar whose first member `manifest.json` has all others, in their order.

    {"format": "fleet.hypervisor lab", "version": 1, "uuid": "<of the lab it was>", "time": 1795253693,
     "spec": {<the init file>},
     "files": [{"name": "below/<sha256>", "size": 67108864, "sha256": "...", "format": "qcow2"}, ...],
     "disks": {"vm0": {"root": ["images/vm0_root.1.qcow2", "images/vm0_root.qcow2", "below/<sha256>"]}},
     "templates": {"debian12": {"name": "below/<sha256>", "metadata": {}}},
     "snapshots": {"at": "before", "taken": {"before": {"parent": "", "time": 1795253600, "vms":
                   {"vm0": {"state": "running", "chains": {"root": ["images/vm0_root.qcow2", "below/<sha256>"]}}}}}}}

`images/` are files of the lab's own, `below/` those that other labs use too, `id_rsa` and `id_rsa.pub` its keys. A
chain names the file that a VM writes to first. Sizes and digests are of files with their holes, which the archive has
none of (sparse.py). Memory is not in an archive: a lab elsewhere has other addresses.
"""

from __future__ import annotations

import json
import re
import typing as t

from .errors import ArchiveError
from .initfile.names import WORD

NAME = "manifest.json"
FORMAT, VERSION = "fleet.hypervisor lab", 1
LARGEST = 64 << 20  # bytes
MEMBER = re.compile(r"^(images/[A-Za-z0-9_][A-Za-z0-9_.-]{0,250}|below/[0-9a-f]{64}|id_rsa|id_rsa\.pub)$", re.ASCII)
SHA256 = re.compile(r"^[0-9a-f]{64}$", re.ASCII)
FORMATS = ("qcow2", "raw", "")

Chains = t.Dict[str, t.Dict[str, t.List[str]]]  # by VM and disk


class File(t.NamedTuple):
    """One member; `format` is "" for what is no disk's."""

    name: str
    size: int
    sha256: str
    format: str


class Manifest(t.NamedTuple):
    uuid: str
    time: int
    spec: t.Dict[str, t.Any]
    files: t.Tuple[File, ...]
    disks: Chains
    templates: t.Dict[str, t.Dict[str, t.Any]]
    snapshots: t.Dict[str, t.Any]

    def pack(self) -> bytes:
        files = [file._asdict() for file in self.files]
        text = {"format": FORMAT, "version": VERSION, **self._asdict(), "files": files}
        return json.dumps(text, indent=1).encode()


def unpack(raw: bytes) -> Manifest:
    """Raises ArchiveError for all that does not fit together: it comes from wherever the archive does."""
    try:
        found = json.loads(raw.decode())
        if found["format"] != FORMAT or found["version"] != VERSION:
            raise ArchiveError(f"it is no archive of a lab in version {VERSION}")
        made = Manifest(
            _text(found["uuid"]),
            int(found["time"]),
            _dict(found["spec"]),
            tuple(_file(one) for one in found["files"]),
            found["disks"],
            found["templates"],
            found["snapshots"],
        )
        _check(made)
    except ArchiveError as error:
        raise ArchiveError(f"the manifest: {error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ArchiveError(f"the manifest is not as it was written: {error!r}") from None
    return made


def _file(found: t.Mapping[str, t.Any]) -> File:
    made = File(_text(found["name"]), int(found["size"]), _text(found["sha256"]), _text(found["format"]))
    if not MEMBER.match(made.name):
        raise ArchiveError(f"{made.name[:300]!r} is no name of a file in it")
    if not SHA256.match(made.sha256) or made.size < 0 or made.format not in FORMATS:
        raise ArchiveError(f"{made.name} is not described")
    if made.name.startswith("below/") and made.name != f"below/{made.sha256}":
        raise ArchiveError(f"{made.name} has another sha256")
    return made


def _check(made: Manifest) -> None:
    """Names are of files that are there, each once; chains go from what is above to what is below."""
    names = [file.name for file in made.files]
    if len(set(names)) != len(names):
        raise ArchiveError("it has a file twice")
    disks = {file.name for file in made.files if file.format}
    for name, one in _dict(_dict(made.snapshots)["taken"]).items():
        if not WORD.match(name) or not isinstance(one["parent"], str) or not isinstance(one["time"], int):
            raise ArchiveError(f"the snapshot {name[:100]!r} is not described")
        if any(part["state"] not in ("running", "shut off") for part in _dict(one["vms"]).values()):
            raise ArchiveError(f"the snapshot {name} has a VM in no known state")
        _check_chains({vm: part["chains"] for vm, part in one["vms"].items()}, disks)
    if not isinstance(made.snapshots["at"], str):
        raise ArchiveError("it does not say which snapshot the lab goes on from")
    _check_chains(made.disks, disks)
    _check_one_below(made)
    for one in _dict(made.templates).values():
        if one["name"] not in disks or not isinstance(one["metadata"], dict):
            raise ArchiveError(f"the template {one['name']} is not in it")


def _check_chains(chains: Chains, disks: t.Container[str]) -> None:
    for vm, of_vm in _dict(chains).items():
        for disk, chain in _dict(of_vm).items():
            if not isinstance(chain, list) or not chain or any(name not in disks for name in chain):
                raise ArchiveError(f"the disk {disk} of {vm} has files that are not in it")


def chains_of(made: Manifest) -> t.Iterator[tuple[str, str, list[str]]]:
    """VM, disk and chain of the disks, and of all snapshots."""
    for of_vms in (made.disks, *_of_snapshots(made)):
        for vm, of_vm in of_vms.items():
            for disk, chain in of_vm.items():
                yield vm, disk, chain


def _of_snapshots(made: Manifest) -> t.Iterator[Chains]:
    for one in made.snapshots["taken"].values():
        yield {vm: part["chains"] for vm, part in one["vms"].items()}


def below(made: Manifest) -> dict[str, str]:
    """Which file a file stands on; "": on none."""
    found: dict[str, str] = {}
    for _vm, _disk, chain in chains_of(made):
        found.update(zip(chain, [*chain[1:], ""]))
    return found


def _check_one_below(made: Manifest) -> None:
    """A file that would stand on two others, or on itself, is none that was written here."""
    found: dict[str, str] = {}
    for _vm, _disk, chain in chains_of(made):
        if len(set(chain)) != len(chain):
            raise ArchiveError(f"{chain[0]} stands on itself")
        for name, under in zip(chain, [*chain[1:], ""]):
            if found.setdefault(name, under) != under:
                raise ArchiveError(f"{name} stands on two files")


def _text(value: t.Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} where text was")
    return value


def _dict(value: t.Any) -> dict[str, t.Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{type(value).__name__} where a dictionary was")
    return value
