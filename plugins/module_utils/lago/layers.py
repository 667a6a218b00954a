# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that a disk is made of: an overlay takes the writes, what is below it stays as it was.

qemu-img is always told the formats: what it would find out by itself, a guest can have written.
"""

from __future__ import annotations

import os
import time
import typing as t

from ..hypervisor.connection import Connection
from ..hypervisor.errors import KvmError, TimedOut
from .disks import MODE, qemu_img
from .errors import SnapshotError
from .parallel import invoke_in_parallel
from .templates.image import HEADER, MAGIC

Chain = t.Tuple[t.Tuple[str, str], ...]  # path and format: first the file that the VM writes to

COMMIT_SHALLOW, COMMIT_ACTIVE = 1 << 0, 1 << 2  # VIR_DOMAIN_BLOCK_COMMIT_* (libvirt/libvirt-domain.h)
ABORT_PIVOT = 1 << 1  # VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT
JOB_ACTIVE_COMMIT = 4  # VIR_DOMAIN_BLOCK_JOB_TYPE_ACTIVE_COMMIT
FOLD = 600.0  # seconds for all that was written to one layer
PAUSE = 0.01


class Layer(t.NamedTuple):
    """A file that is put on top of one disk of a VM, which stands on the chain `below`."""

    vm: str
    disk: str
    dev: str
    path: str
    below: Chain

    @property
    def chain(self) -> Chain:
        return ((self.path, "qcow2"), *self.below)


def make_all(layers: t.Sequence[Layer]) -> None:
    """At the same time. Raises LagoError, OSError, when all others are made."""
    invoke_in_parallel(_make, layers)


def _make(layer: Layer) -> None:
    """Writes an empty overlay as large as what is below it, which a guest may have open. Raises LagoError, OSError."""
    path, form = layer.below[0]
    size = virtual_size(path, form)
    near = os.path.dirname(path) == os.path.dirname(layer.path)
    name = os.path.basename(path) if near else path  # so that the lab's folder can be elsewhere one day
    qemu_img("create", "-q", "-f", "qcow2", "-u", "-b", name, "-F", form, "--", layer.path, str(size))
    os.chmod(layer.path, MODE)


def virtual_size(path: str, form: str) -> int:
    """Bytes that a guest sees of a disk, also of one that it has open. Raises SnapshotError, OSError."""
    if form == "raw":
        return os.stat(path).st_size
    with open(path, "rb") as file:
        head = file.read(HEADER.size)
    if len(head) < HEADER.size or not head.startswith(MAGIC):
        raise SnapshotError(f"{path} is no qcow2 image")
    return int(HEADER.unpack(head)[-1])


def fold_stopped(chain: Chain) -> None:
    """Writes what is in the first file of a stopped VM's chain into the second. Raises CommandError."""
    path, form = chain[0]
    qemu_img("commit", "-q", "-d", "-f", form, "--", path)


def let_write(chain: Chain) -> None:
    """Gives the second file of a chain the owner of the first, which is QEMU's user while a VM has that open.

    libvirt gives QEMU a file that it finds below others to be read, and does not think of it again when it is written.
    """
    above, under = (os.stat(path) for path, _unused in chain[:2])
    if (above.st_uid, above.st_gid) != (under.st_uid, under.st_gid):
        os.chown(chain[1][0], above.st_uid, above.st_gid)


def fold_live(connection: Connection, domain: t.Any, dev: str, deadline: float = FOLD) -> None:
    """As `fold_stopped` where a VM has it open, which goes on in the file below. Raises KvmError.

    SHALLOW, since without it libvirt commits the whole chain into the template.
    """
    above = active_files(connection, domain).get(dev, "")
    if _job(connection, domain, dev).get("type") != JOB_ACTIVE_COMMIT:  # left by one who was killed
        connection.ask_of(domain, "blockCommit", dev, None, None, 0, COMMIT_SHALLOW | COMMIT_ACTIVE)
    end = time.monotonic() + deadline
    while not _pivoted(connection, domain, dev, above):
        if time.monotonic() > end:
            raise TimedOut(f"folding the disk {dev} has not ended within {deadline:g} s")
        time.sleep(PAUSE)


def active_files(connection: Connection, domain: t.Any) -> dict[str, str]:
    """The file that a live VM writes to, by disk (`vda`). Raises KvmError."""
    from xml.etree import ElementTree

    root = ElementTree.fromstring(connection.ask_of(domain, "XMLDesc", 0))
    found = {}
    for disk in root.iterfind("devices/disk"):
        target, source = disk.find("target"), disk.find("source")
        if target is not None and source is not None:
            found[target.get("dev", "")] = source.get("file", "")
    return found


def _pivoted(connection: Connection, domain: t.Any, dev: str, above: str) -> bool:
    """libvirt refuses to pivot until QEMU told it that both files are the same; `cur` may say so before.

    It may still pivot for one who was killed: the job is gone then, before it was asked to or when it is.
    """
    job = _job(connection, domain, dev)
    if not job:
        return active_files(connection, domain).get(dev, "") != above
    if job["cur"] < job["end"]:
        return False
    try:
        connection.ask_of(domain, "blockJobAbort", dev, ABORT_PIVOT)
    except KvmError:
        if not _job(connection, domain, dev) and active_files(connection, domain).get(dev, "") == above:
            raise
        return False
    return True


def _job(connection: Connection, domain: t.Any, dev: str) -> dict[str, t.Any]:
    return connection.ask_of(domain, "blockJobInfo", dev, 0) or {}
