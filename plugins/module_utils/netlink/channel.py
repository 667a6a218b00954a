# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place that opens a netlink socket."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import gc
import itertools
import os
import socket
import struct
import time
import typing as t

from .errors import DumpInterrupted, NetlinkError, NetlinkOverrun, NetlinkTimeout
from .exchange import Alike, Batch, Decode, Dump, chunks
from .message import Request

if t.TYPE_CHECKING:
    from .netns import NetNS

NETLINK_ROUTE, NETLINK_GENERIC = 0, 16

SOL_NETLINK = 270
NETLINK_ADD_MEMBERSHIP, NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK = 1, 10, 11, 12
SO_RCVBUFFORCE = 33
SIOCGIFINDEX = 0x8933
IFREQ = struct.Struct("=16si20x")  # struct ifreq: a name ended by NUL, here the index

RECEIVE_BUFFER = 4 << 20  # bytes asked for; without CAP_NET_ADMIN the system's limit decides
ACK_COST = 2048  # bytes of receive buffer an acknowledgement with its texts can take
SEND_SIZE = 128 << 10  # it has to fit the send buffer, 208 KiB by default; with half of it two threads hardly overlap
LARGEST = 128 << 10  # bytes of a datagram; dumps come in 32 KiB, a link with hundreds of VFs takes some 64
MANY = 16  # requests in a first send are worth a thread that makes those of the next: mostly more follow
ATTEMPTS = 40  # an interrupted dump is asked for again: under steady churn about every second one is


@contextlib.contextmanager
def uncollected() -> t.Iterator[None]:
    """A large dump makes very many dictionaries, none of them garbage: looking for some takes a tenth of the time.

    Around a whole task too. What was made is then taken for old at once: only a full collection looks through it.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.freeze()
            gc.unfreeze()
            gc.enable()


def _opened(protocol: int, netns: NetNS) -> socket.socket:
    def here() -> socket.socket:
        return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)

    if netns is None:
        return here()
    from .netns import opened_in

    return opened_in(netns, here)


def _early(batches: t.Iterator[Batch]) -> t.Iterator[Batch]:
    """`batches`, the next made while one is used, where that takes longer than making it.

    It does for requests that are alike; of others the first batch says it.
    """
    begun = time.monotonic()
    first = next(batches, None)
    made = time.monotonic()
    if first is None:
        return
    worthwhile = isinstance(first.requests, Alike)
    if worthwhile:
        batches = itertools.chain((first,), batches)
    else:
        yield first
        worthwhile = time.monotonic() - made > made - begun
    if worthwhile and len(first.requests) >= MANY:
        from .ahead import ahead

        batches = ahead(batches)
    yield from batches


class NetlinkSocket:
    """A conversation with the kernel in one network namespace.

    `netns`: a namespace's name, path or pid, or None for the caller's own. `timeout`: seconds that any one answer may
    take. Strict checking is on, so that the kernel applies the filters of a dump (Linux 4.20 or newer).
    Raises NoSuchNamespace, PermissionError.
    """

    def __init__(self, protocol: int = NETLINK_ROUTE, netns: NetNS = None, timeout: float = 30.0) -> None:
        self.timeout = timeout
        self.netns = netns
        self._sock = _opened(protocol, netns)
        try:
            self._tune(protocol)
            self._sock.bind((0, 0))
        except BaseException:
            self._sock.close()
            raise
        self._sequence = 1
        self._most = max(16, self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // ACK_COST)

    def _tune(self, protocol: int) -> None:
        try:
            self._sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
        except PermissionError:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self._sock.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
        self._sock.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        if protocol == NETLINK_ROUTE:
            self._sock.setsockopt(SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1)

    def __enter__(self) -> NetlinkSocket:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._sock.close()

    def fileno(self) -> int:
        return self._sock.fileno()

    def batch(self, requests: t.Iterable[Request | Alike]) -> list[NetlinkError | None]:
        """Sends all `requests`; the outcome of each (of each in an `Alike`), in order.

        A failing one does not stop those after it.

        An iterable that makes them as they are asked for keeps only those of two sends in memory. It is asked in
        another thread while the kernel works, and so must not use this socket.
        """
        outcomes: list[NetlinkError | None] = []
        with uncollected():
            for batch in _early(self._batches(requests)):
                failures, count = self._converse(batch).failures, len(batch.requests)
                outcomes += [failures.get(index) for index in range(count)] if failures else [None] * count
        return outcomes

    def index(self, name: str) -> int | None:
        """The index of the link of that name; None where there is none, or its name is longer than 15 bytes.

        A dump for the indexes of a thousand new bridges takes six times as long as a thousand of these calls. For a
        name that no link has the kernel first tries to load a module netdev-NAME: ask for links that should be there.
        """
        raw = name.encode()
        if len(raw) >= 16:
            return None
        try:
            return IFREQ.unpack(fcntl.ioctl(self._sock, SIOCGIFINDEX, IFREQ.pack(raw, 0)))[1]
        except OSError:
            return None

    def _batches(self, requests: t.Iterable[Request | Alike]) -> t.Iterator[Batch]:
        for some in chunks(requests, self._most, SEND_SIZE):
            batch = Batch(some, self._take_numbers(len(some)))
            batch.pack()
            yield batch

    def ask(self, request: Request, decode: Decode | None = None) -> list[t.Any]:
        """Sends one request; its decoded answers. Raises NetlinkError when the kernel refuses."""
        batch = self._converse(Batch([request], self._take_numbers(1), decode))
        if 0 in batch.failures:
            raise batch.failures[0]
        return batch.answers.get(0, [])

    def dump(self, request: Request, decode: Decode) -> list[t.Any]:
        """All answers to `request`, from one consistent pass. `decode(data, start, end)`; None leaves one out.

        Raises DumpInterrupted when the table did not hold still for any of the attempts.
        """
        for attempt in range(ATTEMPTS):
            out: list[t.Any] = []
            try:
                with uncollected():
                    interrupted = self._dump_once(Dump(request, self._take_numbers(1)), decode, out)
                if not interrupted:
                    return out
            except NetlinkOverrun:
                pass
            time.sleep(0.001 * attempt)
        raise DumpInterrupted(errno.EINTR, f"{request.operation}: the table changed during each of {ATTEMPTS} readings")

    def _dump_once(self, dump: Dump, decode: Decode, out: list[t.Any]) -> bool:
        self._sock.send(dump.pack())
        deadline = time.monotonic() + self.timeout
        try:
            while not dump.done:
                dump.feed(self.receive(deadline, dump.request.operation), decode, out)
        finally:
            if not dump.done:
                self._drain()  # no other dump is begun while this one goes on
        return dump.interrupted

    def _converse(self, batch: Batch) -> Batch:
        if not batch.done and not self._sent(batch):
            return batch
        deadline = time.monotonic() + self.timeout
        try:
            while not batch.done:
                batch.feed(self.receive(deadline, batch.requests[0].operation))
        finally:
            if not batch.done:
                self._drain()  # after an overrun nothing more is delivered until all has been read
        return batch

    def _sent(self, batch: Batch) -> bool:
        """Sends it; a single request that is larger than the send buffer fails like one that the kernel refuses."""
        try:
            self._sock.send(batch.pack())
        except OSError as error:
            if error.errno != errno.EMSGSIZE or len(batch.requests) > 1:
                raise
            batch.failures[0] = NetlinkError(errno.EMSGSIZE, batch.requests[0].operation)
            return False
        return True

    def _take_numbers(self, count: int) -> int:
        first = self._sequence
        self._sequence += count
        return first

    def receive(self, deadline: float, waiting_for: str) -> bytes:
        """The next datagram from the kernel. Raises NetlinkTimeout, NetlinkOverrun."""
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise NetlinkTimeout(errno.ETIMEDOUT, f"{waiting_for}: no answer from the kernel in time")
            self._sock.settimeout(left)
            try:
                data, _unused, flags, sender = self._sock.recvmsg(LARGEST)
            except socket.timeout:
                continue
            except OSError as error:
                if error.errno == errno.ENOBUFS:
                    raise NetlinkOverrun(errno.ENOBUFS, f"{waiting_for}: {os.strerror(errno.ENOBUFS)}") from None
                raise
            if flags & socket.MSG_TRUNC:
                raise NetlinkOverrun(errno.EMSGSIZE, f"{waiting_for}: a message larger than {LARGEST} bytes")
            if sender[0] == 0:  # anyone may send to a netlink port; only port 0 is the kernel
                return data

    def _drain(self) -> None:
        """Throws away what is left of a conversation that broke off."""
        self._sock.setblocking(False)
        while True:
            try:
                self._sock.recv(LARGEST)
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    return

    def join(self, groups: t.Iterable[int]) -> None:
        """Subscribes to multicast groups (RTNLGRP_*)."""
        for group in groups:
            self._sock.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)
