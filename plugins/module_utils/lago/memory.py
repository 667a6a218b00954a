# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one VM's part of a snapshot is to libvirt, with or without its memory, and how it goes on from a memory image.

A memory image is a file in libvirt's format: the domain's document of that time, then QEMU's migration stream. What is
taken here belongs to no snapshot in libvirt: which files belong together is in the lab's own files.
"""

from __future__ import annotations

import threading
import typing as t
from contextlib import contextmanager, nullcontext
from xml.etree import ElementTree

from ..hypervisor.connection import Connection
from ..hypervisor.errors import KvmError
from .documents.domain import backing
from .documents.element import Element, document, element
from .errors import SnapshotError
from .layers import Chain, Layer

# VIR_DOMAIN_SNAPSHOT_CREATE_* (libvirt/libvirt-domain-snapshot.h)
NO_METADATA, DISK_ONLY, REUSE_EXT, ATOMIC = 1 << 2, 1 << 4, 1 << 5, 1 << 7
IMAGE_SECURE = 1 << 0  # VIR_DOMAIN_SAVE_IMAGE_XML_SECURE
SAVE_PAUSED = 1 << 2  # VIR_DOMAIN_SAVE_PAUSED
LOOK = 0.5  # seconds between two looks at how much is written
TOTAL, REMAINING = 3, 5  # in what jobInfo returns: dataTotal and dataRemaining of virDomainJobInfo (libvirt-domain.h)

Told = t.Callable[[int, int], None]  # how many bytes are written, of how many


def take(
    connection: Connection,
    domain: t.Any,
    layers: t.Sequence[Layer],
    memory: str,
    others: t.Iterable[str],
    progress: Told | None = None,
) -> None:
    """Lets a VM write to `layers`, which are made already, and its memory to the file `memory` ("": not).

    `others`: the disks (`vdb`) that stay as they are. All disks of a VM or none. `progress` is told of
    the memory as it is written. Raises KvmError.
    """
    asked = snapshot_document(layers, memory, others)
    flags = NO_METADATA | REUSE_EXT | ATOMIC | (0 if memory else DISK_ONLY)
    with _watched(connection, domain, progress) if memory and progress else nullcontext():
        connection.ask_of(domain, "snapshotCreateXML", asked, flags)


@contextmanager
def _watched(connection: Connection, domain: t.Any, progress: Told) -> t.Iterator[None]:
    """Meanwhile `progress` is told how far libvirt's job of the domain is; that it cannot be asked is no error."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(LOOK):
            try:
                job = connection.ask_of(domain, "jobInfo")
            except KvmError:  # QEMU that has just begun has no figures yet, which libvirt refuses to tell
                continue
            progress(job[TOTAL] - job[REMAINING], job[TOTAL])

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(LOOK)


def snapshot_document(layers: t.Sequence[Layer], memory: str, others: t.Iterable[str]) -> str:
    """libvirt.org/formatsnapshot.html"""
    return document(
        element(
            "domainsnapshot",
            element("memory", snapshot="external", file=memory) if memory else element("memory", snapshot="no"),
            element("disks", *map(_new_file, layers), *(element("disk", name=dev, snapshot="no") for dev in others)),
        )
    )


def _new_file(layer: Layer) -> Element:
    file = (element("driver", type="qcow2"), element("source", file=layer.path))
    return element("disk", *file, name=layer.dev, snapshot="external")


def restore(connection: Connection, image: str, chains: t.Mapping[str, Chain]) -> None:
    """Makes a domain out of a memory image, paused, with those files as its disks (`vda`). Raises KvmError.

    It is defined before, since one that is not could not be changed while it runs.
    """
    asked = document(with_disks(image_document(connection, image), chains))
    connection.ask("defineXML", asked)
    connection.ask("restoreFlags", image, asked, SAVE_PAUSED)


def image_document(connection: Connection, image: str) -> Element:
    """The domain's document of when the image was taken. Raises SnapshotError where it is no image, KvmError."""
    try:
        return ElementTree.fromstring(connection.ask("saveImageGetXMLDesc", image, IMAGE_SECURE))
    except ElementTree.ParseError as error:
        raise SnapshotError(f"{image}: the document in this memory image is none: {error}") from None


def with_disks(domain: Element, chains: t.Mapping[str, Chain]) -> Element:
    """The document with other files, by the disks' names in the guest; what a guest sees stays the same."""
    for disk in domain.iterfind("devices/disk"):
        target = disk.find("target")
        chain = chains.get(target.get("dev", "") if target is not None else "")
        if chain is None:
            continue
        for old in [*disk.findall("source"), *disk.findall("backingStore")]:
            disk.remove(old)
        (path, form), *below = chain
        for driver in disk.findall("driver"):
            driver.set("type", form)
        disk.append(element("source", file=path))
        if form == "qcow2":
            disk.append(backing(below))
    return domain
