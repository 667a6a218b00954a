# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be kept of a lab's run: the consoles, and what the init file calls each VM's artifacts.

    DEST/VM/console             all that it wrote to its console
    DEST/VM/var/log/messages    the artifact /var/log/messages, at its path in the guest

Lago put artifacts into one folder a VM by their names with `_` for `/`; here two of one name cannot meet.
"""

from __future__ import annotations

import os
import posixpath
import shutil
import typing as t

from ..hypervisor.errors import KvmError
from .errors import LagoError
from .parallel import invoke_in_parallel

if t.TYPE_CHECKING:
    from .prefix import Prefix
    from .vm import VM

CONSOLE = "console"


class Collected(t.NamedTuple):
    """`console` is its copy ("": it never ran); `files` are paths here, `missing` reasons, by paths in the guest."""

    console: str
    files: t.Dict[str, str]
    missing: t.Dict[str, str]


def collect(
    prefix: Prefix, dest: str, vms: t.Sequence[str] | None = None, paths: t.Sequence[str] = ()
) -> dict[str, dict[str, t.Any]]:
    """Copies into the folder `dest`, of all VMs or of `vms`; what each gave, as Collected has it.

    `paths`: files and folders of each VM besides its artifacts.

    An artifact that a guest does not have, or cannot be asked for, keeps nobody from the others. Raises LagoError for
    a VM that the lab does not have or an artifact that is no path, OSError where `dest` cannot be written.
    """
    for path in paths:
        _relative("paths", path)
    env = prefix.virt_env
    chosen = [env.get_vm(name) for name in (env.get_vms() if vms is None else vms)]
    for vm in chosen:
        for path in vm.spec.artifacts:
            _relative(f"domains.{vm.name()}.artifacts", path)
        os.makedirs(os.path.join(dest, vm.name()), exist_ok=True)
    done = invoke_in_parallel(lambda vm: _one(vm, os.path.join(dest, vm.name()), paths), chosen)
    for vm in chosen:
        prefix.progress("artifacts collected", vm=vm.name())
    return {vm.name(): dict(one._asdict()) for vm, one in zip(chosen, done)}


def _one(vm: VM, folder: str, paths: t.Sequence[str]) -> Collected:
    made = Collected(_console(vm, folder), {}, {})
    for path in dict.fromkeys([*vm.spec.artifacts, *paths]):
        here = os.path.join(folder, _relative(vm.name(), path))
        os.makedirs(os.path.dirname(here), exist_ok=True)
        _clear(here)
        try:
            vm.extract_paths([(path, here)])
            made.files[path] = here
        except (LagoError, KvmError) as error:
            made.missing[path] = str(error)
    return made


def _clear(path: str) -> None:
    """What was collected before: a folder copied once more would come into the one of then."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def _console(vm: VM, folder: str) -> str:
    """The oldest first: libvirt's virtlogd begins a new file after so many bytes, and keeps some as .2, .1, .0."""
    target, path = os.path.join(folder, CONSOLE), vm.console()
    if not os.path.exists(path):
        return ""
    older: list[str] = []
    while os.path.exists(f"{path}.{len(older)}"):
        older.append(f"{path}.{len(older)}")
    with open(target, "wb") as whole:
        for one in [*reversed(older), path]:
            with open(one, "rb") as part:
                shutil.copyfileobj(part, whole)
    return target


def _relative(place: str, path: str) -> str:
    """The path below a folder of ours. Raises LagoError."""
    normal = posixpath.normpath(path)
    if not normal.startswith("/") or normal.strip("/").split("/")[0] in ("", CONSOLE):
        raise LagoError(f"{place}: {path!r} is no path of a file in the guest that can be collected")
    return normal.lstrip("/")
