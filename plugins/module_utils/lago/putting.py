# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of this host that VMs are to have: compared with what is there, and copied where that differs."""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
import stat
import typing as t

from ..plan import Change
from .copying import copy_to
from .errors import GuestError, LagoError
from .parallel import invoke_in_parallel

if t.TYPE_CHECKING:
    from .progress import Progress
    from .vm import VM

LIMIT = 600.0  # seconds for a guest to look at its files
FOLDER, LINK = "folder", "link"

# What is at each of the paths that come, a line each: as `_here` says it; nothing where nothing is.
LOOK = """while IFS= read -r path; do
if [ -L "$path" ]; then printf 'link %s\\n' "$(readlink "$path")"
elif [ -d "$path" ]; then echo folder
elif [ -f "$path" ]; then set -- $(sha256sum <"$path"); printf '%s %s\\n' "$(stat -c %a "$path")" "$1"
else echo; fi; done"""


class Copy(t.NamedTuple):
    """`dest` is the path in a guest of the file or folder itself. `wanted`: what is to be where, as LOOK says it."""

    src: str
    dest: str
    wanted: t.Dict[str, str]


def read(given: t.Sequence[t.Mapping[str, str]]) -> list[Copy]:
    """Raises LagoError, OSError for what cannot be read here."""
    return [Copy(one["src"], _place(one["dest"]), _wanted(one["src"], _place(one["dest"]))) for one in given]


def _place(dest: str) -> str:
    path = posixpath.normpath(dest)
    if not path.startswith("/") or path.strip("/") == "":
        raise LagoError(f"copy: {dest!r} is no path of a file or folder in a guest")
    return path


def _wanted(src: str, dest: str) -> dict[str, str]:
    """A file, also behind a link; or a folder with all that is in it, where links stay links."""
    if not os.path.isdir(src):
        return _named({dest: _of_file(src)})
    found = {dest: FOLDER}
    for folder, folders, names in os.walk(src, onerror=_raise):
        for name in sorted([*folders, *names]):
            path = os.path.join(folder, name)
            line = _here(path)
            if line:
                found[posixpath.join(dest, os.path.relpath(path, src))] = line
    return _named(found)


def _raise(error: OSError) -> None:
    raise error


def _named(found: dict[str, str]) -> dict[str, str]:
    for path, line in found.items():
        if "\n" in path + line:
            raise LagoError(f"copy: {path!r} has more than one line")
    return found


def _here(path: str) -> str:
    """What is at a path of this host; "" for what is not copied, such as a socket."""
    mode = os.lstat(path).st_mode
    if stat.S_ISLNK(mode):
        return f"{LINK} {os.readlink(path)}"
    if stat.S_ISDIR(mode):
        return FOLDER
    return _of_file(path) if stat.S_ISREG(mode) else ""


def _of_file(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        for part in iter(lambda: file.read(1 << 20), b""):
            digest.update(part)
    return f"{mode & 0o777:o} {digest.hexdigest()}"


def differing(vm: VM, copies: t.Sequence[Copy]) -> list[Change]:
    """Raises GuestError where the guest cannot be asked, LagoError where a folder is in the way of a file."""
    paths = [path for copy in copies for path in copy.wanted]
    done = vm.run(["sh", "-c", LOOK], data=os.fsencode("".join(f"{path}\n" for path in paths)), timeout=LIMIT)
    lines = os.fsdecode(done.out).split("\n")[:-1]
    if done.code != 0 or len(lines) != len(paths):
        raise GuestError(f"looking at the files of {vm.name()}: {_last(done.err) or 'it said something else'}")
    there = dict(zip(paths, map(_plain, lines)))
    return _changes(vm.name(), copies, there)


def _last(raw: bytes) -> str:
    lines = raw.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else ""


def _plain(line: str) -> str:
    """Without the bits that only root can give."""
    found = re.fullmatch(r"([0-7]{1,6}) ([0-9a-f]{64})", line)
    return f"{int(found.group(1), 8) & 0o777:o} {found.group(2)}" if found else line


def _changes(name: str, copies: t.Sequence[Copy], there: t.Mapping[str, str]) -> list[Change]:
    found = []
    for copy in copies:
        for path, wanted in copy.wanted.items():
            before = there.get(path, "")
            if before == FOLDER != wanted:
                raise LagoError(f"copying {copy.src} to {copy.dest} of {name}: {path} is a folder there")
            if before != wanted:
                what = f"file {name}:{path}"
                found.append(Change(what, "copy", f"{what}  {before}" if before else "", f"{what}  {wanted}", copy))
    return found


def foretold(
    names: t.Sequence[str], vms: t.Mapping[str, VM], copies: t.Sequence[Copy], anew: t.Container[str]
) -> list[Change]:
    """Everything, of a VM that cannot be asked yet, or is of `anew`, whose disks are made anew. Raises LagoError."""

    def of(name: str) -> list[Change]:
        if name in vms and name not in anew and vms[name].alive():
            try:
                return differing(vms[name], copies)
            except GuestError:  # it is not ready yet
                pass
        return _changes(name, copies, {})

    return [change for some in invoke_in_parallel(of, names) for change in some]


def put(vms: t.Sequence[VM], copies: t.Sequence[Copy], progress: Progress) -> list[Change]:
    """What was changed. Raises GuestError, LagoError, OSError."""

    def to(vm: VM) -> list[Change]:
        changes = differing(vm, copies)
        for copy in copies:
            if any(change.do is copy for change in changes):
                folder, name = posixpath.split(copy.dest)
                copy_to(vm._get_ssh_client(), copy.src, folder.rstrip("/") + "/", name=name)
        progress("files copied", vm=vm.name())
        return changes

    return [change for some in invoke_in_parallel(to, vms) for change in some]
