# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface of xen.lowlevel.xs, Xen's own Python binding, as pyxs offers it too.

Every method that takes a transaction takes its number as text or bytes, "0" or None for none.
"""

from __future__ import annotations

import errno
import typing as t

from .client import Client
from .errors import PyXSError
from .paths import AnyPath

Error = PyXSError
Transaction = t.Union[str, bytes, int, None]


class xs:  # noqa: N801 - the binding's name
    def __init__(self) -> None:
        self.client = Client()
        self.client.connect()
        self.monitor = self.client.monitor()
        self._tokens: dict[bytes, t.Any] = {}

    def close(self) -> None:
        self.client.close()

    def _within(self, tx_id: Transaction) -> Client:
        self.client.tx_id = int(tx_id or 0)
        return self.client

    def get_permissions(self, tx_id: Transaction, path: AnyPath) -> list[bytes]:
        return self._within(tx_id).get_perms(path)

    def set_permissions(self, tx_id: Transaction, path: AnyPath, perms: t.Iterable[t.Any]) -> None:
        self._within(tx_id).set_perms(path, perms)

    def ls(self, tx_id: Transaction, path: AnyPath) -> list[bytes] | None:
        """None where there is no such node."""
        try:
            return self._within(tx_id).list(path)
        except PyXSError as error:
            if error.errno != errno.ENOENT:
                raise
            return None

    def mkdir(self, tx_id: Transaction, path: AnyPath) -> None:
        self._within(tx_id).mkdir(path)

    def rm(self, tx_id: Transaction, path: AnyPath) -> None:
        self._within(tx_id).delete(path)

    def read(self, tx_id: Transaction, path: AnyPath) -> bytes:
        return self._within(tx_id).read(path)

    def write(self, tx_id: Transaction, path: AnyPath, value: bytes) -> None:
        self._within(tx_id).write(path, value)

    def get_domain_path(self, domid: int) -> bytes:
        return self.client.get_domain_path(domid)

    def introduce_domain(self, domid: int, mfn: int, eventchn: int) -> None:
        self.client.introduce_domain(domid, mfn, eventchn)

    def release_domain(self, domid: int) -> None:
        self.client.release_domain(domid)

    def resume_domain(self, domid: int) -> None:
        self.client.resume_domain(domid)

    def set_target(self, domid: int, target: int) -> None:
        self.client.set_target(domid, target)

    def transaction_start(self) -> bytes:
        self.client.tx_id = 0  # several may be open at once: each method names its own
        return b"%d" % self.client.transaction()

    def transaction_end(self, tx_id: Transaction, abort: int = 0) -> bool:
        """False when other clients were in the way: nothing was done then."""
        client = self._within(tx_id)
        if abort:
            client.rollback()
            return True
        return client.commit()

    def watch(self, path: AnyPath, token: t.Any) -> None:
        """`token` is any object; read_watch() gives it back."""
        own = b"%x" % id(token)
        self._tokens[own] = token
        self.monitor.watch(path, own)

    def unwatch(self, path: AnyPath, token: t.Any) -> None:
        own = b"%x" % id(token)
        self.monitor.unwatch(path, own)
        if all(watched != own for _unused, watched in self.monitor.watches):
            del self._tokens[own]

    def read_watch(self) -> tuple[bytes, t.Any]:
        """The next event as (path, token). Raises Timeout."""
        event = next(self.monitor.wait())
        return event.path, self._tokens[event.token]
