# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files out of a guest, whether it runs or not."""

from __future__ import annotations

import os
import shutil
import typing as t

from ..hypervisor.errors import KvmError
from . import guestfs
from .errors import CommandError, GuestError
from .utils import run_command

if t.TYPE_CHECKING:
    from .vm import VM

REACH = 15.0  # seconds to find out whether a guest can be reached
READ = 600.0  # seconds for libguestfs, which boots a machine of its own
TOOL = "virt-copy-out"


def extract_paths(vm: VM, paths: t.Sequence[tuple[str, str]]) -> None:
    """By SSH where the guest can be reached, else by libguestfs from its first disk, read-only and frozen if it runs.

    Raises GuestError, CommandError, OSError.
    """
    reason = _unreachable(vm)
    if not reason:
        for inside, here in paths:
            vm.copy_from(inside, here)
        return
    if not shutil.which(TOOL):
        raise GuestError(f"{reason}; and to read its disk instead, {TOOL} (libguestfs-tools) is missing on this host")
    frozen = vm.alive() and _agent(vm, "fsFreeze")
    try:
        for inside, here in paths:
            _copy_out(vm, inside, here)
    finally:
        if frozen:
            _agent(vm, "fsThaw")


def _unreachable(vm: VM) -> str:
    """ "" for a guest that can be reached."""
    if not vm.alive():
        return f"{vm.name()} does not run"
    try:
        vm.run("exit 0", timeout=REACH)
    except GuestError as error:
        return str(error)
    return ""


def _agent(vm: VM, method: str) -> bool:
    """Whether the guest agent did it; without one, what a running guest has not written yet is not on the disk."""
    try:
        vm.virt_env().connection.ask_of(vm.domain(), method)
    except KvmError:
        return False
    return True


def _copy_out(vm: VM, inside: str, here: str) -> None:
    """virt-copy-out keeps the name that a file has in the guest: `here` gets the file under its own name."""
    disk = next((one for one in vm.disks() if not one.cdrom), None)
    if disk is None:
        raise GuestError(f"{vm.name()} does not run, and has no disk to be read")
    path, form = disk.chain[0]
    name = os.path.basename(os.path.normpath(inside))
    place = os.path.join(here, name) if here.endswith("/") or os.path.isdir(here) else here
    beside = f"{place}.part"
    shutil.rmtree(beside, ignore_errors=True)
    os.makedirs(beside)
    try:
        argv = [TOOL, f"--format={form}", "-a", path, inside, beside]
        done = run_command(argv, env=guestfs.environment(vm.virt_env().lab.machine.type), timeout=READ)
        if done.code != 0:
            said = done.err.decode("utf-8", "replace").strip().splitlines()
            raise CommandError(f"reading {inside} from {path}: {TOOL} ended with {done.code}: {' '.join(said[-2:])}")
        _settle(os.path.join(beside, name), place)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _settle(found: str, place: str) -> None:
    """A folder that is there already gets what is in the one that came."""
    if os.path.isdir(found) and os.path.isdir(place):
        for name in os.listdir(found):
            _settle(os.path.join(found, name), os.path.join(place, name))
    else:
        os.replace(found, place)
