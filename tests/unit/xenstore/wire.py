# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection whose other end is the test."""

from __future__ import annotations

import os
import socket
import typing as t

from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.client import Client
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.connection import PacketConnection
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.packet import HEADER, encode
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.router import Router

Sent = t.Tuple[int, int, int, bytes]


class PairConnection(PacketConnection):
    """`daemon` is the daemon's end of a pair of sockets."""

    def __init__(self, window: int = 256) -> None:
        super().__init__("pair")
        self.window = window
        self.daemon, self._own = socket.socketpair()

    def _open(self, deadline: float) -> int:
        self._own.setblocking(False)
        return os.dup(self._own.fileno())

    def end(self) -> None:
        self.close()
        self._own.close()
        self.daemon.close()

    def asked(self) -> list[Sent]:
        """The requests that have come."""
        self.daemon.setblocking(False)
        try:
            data = self.daemon.recv(1 << 20)
        except BlockingIOError:
            return []
        found = []
        while data:
            op, rq_id, tx_id, size = HEADER.unpack_from(data)
            found.append((op, rq_id, tx_id, data[16 : 16 + size]))
            data = data[16 + size :]
        return found

    def answer(self, *packets: Sent) -> None:
        self.daemon.sendall(b"".join(encode(*packet) for packet in packets))


def client_over(connection: PairConnection, timeout: float = 5.0) -> Client:
    made = Client(router=Router(connection, timeout), timeout=timeout)
    made.connect()
    return made
