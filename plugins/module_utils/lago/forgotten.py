# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What QEMU has of a disk, and libvirtd forgot that was killed in the middle of a snapshot.

libvirtd has QEMU open the new file (QMP: blockdev-add of two nodes), then write to it (transaction of
blockdev-snapshot), and writes down behind all of that what it did. Killed before, it takes the VM for one that writes
to the file below: the new one is not to be unlinked then, for what the guest wrote since is there and nowhere else, and
no other snapshot can be taken, since libvirtd counts on with the names of the same nodes.
"""

from __future__ import annotations

import json
import time
import typing as t

from ..hypervisor.connection import Connection
from ..hypervisor.errors import TimedOut
from .errors import SnapshotError
from .layers import FOLD, PAUSE

Node = t.Dict[str, t.Any]

PROTOCOLS = ("file", "host_device")  # drivers of the nodes below those with a format


def take_back(connection: Connection, domain: t.Any, dev: str, path: str, below: str) -> None:
    """Makes QEMU forget the file `path`, too; a guest that writes to it goes on in `below`, which gets all it wrote.

    Raises KvmError, SnapshotError.
    """
    formats, protocols = _nodes_of(connection, domain, path)
    for name in formats:
        if name in _roots(connection, domain):
            bases, _unused = _nodes_of(connection, domain, below)
            if not bases:
                raise SnapshotError(
                    f"{dev}: libvirtd forgot {path}, and QEMU does not have what is to be below, {below}"
                )
            _fold(connection, domain, f"lago-{dev}", name, bases[0])
    for name in (*formats, *protocols):
        connection.ask_qemu(domain, "blockdev-del", **{"node-name": name})


def _nodes_of(connection: Connection, domain: t.Any, path: str) -> tuple[list[str], list[str]]:
    """Names of the nodes with a format, and of those below them, that are for a file."""
    nodes = connection.ask_qemu(domain, "query-named-block-nodes", flat=True)
    mine = [node for node in nodes if file_of(node) == path]
    return (
        [node["node-name"] for node in mine if node["drv"] not in PROTOCOLS],
        [node["node-name"] for node in mine if node["drv"] in PROTOCOLS],
    )


def file_of(node: Node) -> str:
    """The path of a node's file, which stands in a description where it was opened otherwise than its header says."""
    said = str(node.get("file", ""))
    if not said.startswith("json:"):
        return said
    found = json.loads(said[len("json:") :])
    while isinstance(found, dict) and "file" in found:
        found = found["file"]
    return str(found.get("filename", "")) if isinstance(found, dict) else ""


def _roots(connection: Connection, domain: t.Any) -> set[str]:
    """The nodes that guests' disks are."""
    drives = connection.ask_qemu(domain, "query-block")
    return {drive["inserted"]["node-name"] for drive in drives if "inserted" in drive}


def _fold(connection: Connection, domain: t.Any, job: str, top: str, base: str) -> None:
    """What is in the file of `top` into that of `base`; one who was killed may have begun it."""
    if not _job(connection, domain, job):
        connection.ask_qemu(domain, "block-commit", **{"job-id": job, "device": top, "base-node": base})
    end = time.monotonic() + FOLD
    told = False
    while True:
        found = _job(connection, domain, job)
        if not found:
            break
        if found["ready"] and not told:
            connection.ask_qemu(domain, "block-job-complete", device=job)
            told = True
        if time.monotonic() > end:
            raise TimedOut(f"{job}: what was written to {top} is not in {base} within {FOLD:g} s")
        time.sleep(PAUSE)
    if top in _roots(connection, domain):
        raise SnapshotError(f"{job}: QEMU could not bring what was written to {top} into {base}")


def _job(connection: Connection, domain: t.Any, job: str) -> Node:
    found = [one for one in connection.ask_qemu(domain, "query-block-jobs") if one["device"] == job]
    return found[0] if found else {}
