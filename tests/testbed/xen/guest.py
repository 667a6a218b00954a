# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays an unprivileged domain: a connection over a ring page, as a guest's kernel has one.

Format of the ring: xen/include/public/io/xs_wire.h, struct xenstore_domain_interface. 1024 bytes of requests, 1024 of
answers, then four indexes that only grow: requests taken and made, answers taken and made.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from pathlib import Path

from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.connection import PacketConnection
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.errors import Timeout
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.packet import Received

PAGE, RING = 4096, 1024
INDEXES = struct.Struct("=4I")  # at 2 * RING
REQ_PROD, RSP_CONS = 2 * RING + 4, 2 * RING + 8
PORT = 100  # and the domain's number
VIRQ_DOM_EXC = 1

PAUSE = 0.0005  # seconds between two looks at the ring
REMIND = 0.2  # seconds without an answer after which the daemon is notified again: the shim can lose an event


class RingConnection(PacketConnection):
    """Domain `domid` of the daemon in `folder`. It is there at once, and introduced by whoever wants it to be."""

    def __init__(self, folder: Path, domid: int) -> None:
        super().__init__(str(folder / f"ring.{domid}"))
        self.folder, self.domid = folder, domid
        Path(self.path).write_bytes(bytes(PAGE))
        self.page: mmap.mmap  # once it is open
        self.kicked = 0.0

    def _open(self, deadline: float) -> int:
        fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        self.page = mmap.mmap(fd, PAGE)
        return fd

    def transmit(self, data: bytes, deadline: float) -> None:
        self.fileno()
        while data:
            taken, made, _unused, _unused = self._indexes()
            room = RING - (made - taken)
            for offset, byte in enumerate(data[:room]):
                self.page[(made + offset) % RING] = byte
            struct.pack_into("=I", self.page, REQ_PROD, made + min(room, len(data)) & 0xFFFFFFFF)
            data = data[room:]
            self.kick()
            if data:
                self._pause(deadline)

    def receive(self, deadline: float, answers: int = 1) -> list[Received]:
        self.fileno()
        while True:
            _unused, _unused, taken, made = self._indexes()
            if made != taken:
                data = bytes(self.page[RING + index % RING] for index in range(taken, made))
                struct.pack_into("=I", self.page, RSP_CONS, made)
                self.kick()
                found = self._decoder.feed(data)
                if found:
                    return found
            self._pause(deadline)

    def _indexes(self) -> tuple[int, int, int, int]:
        return INDEXES.unpack_from(self.page, 2 * RING)

    def _pause(self, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise Timeout(f"{self.path}: nothing came from XenStore in time")
        if time.monotonic() > self.kicked + REMIND:
            self.kick()
        time.sleep(PAUSE)

    def kick(self) -> None:
        self.kicked = time.monotonic()
        notify(self.folder, PORT + self.domid)


def notify(folder: Path, port: int) -> None:
    """An event for the daemon."""
    fd = os.open(folder / "evtchn", os.O_WRONLY | os.O_NONBLOCK)
    try:
        os.write(fd, struct.pack("=I", port))
    finally:
        os.close(fd)


def destroy(folder: Path, domid: int) -> None:
    """The domain shuts down and goes, as with `xl destroy`."""
    (folder / f"dying.{domid}").touch()
    notify(folder, VIRQ_DOM_EXC)


def vanish(folder: Path, domid: int) -> None:
    """A destroyed domain is forgotten by the hypervisor."""
    (folder / f"dying.{domid}").unlink()
    (folder / f"ring.{domid}").unlink()
    notify(folder, VIRQ_DOM_EXC)
