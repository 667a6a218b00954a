# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only place that opens a socket or a device of XenStore."""

from __future__ import annotations

import errno
import os
import select
import socket
import stat
import struct
import time
import typing as t

from .errors import ConnectionError, Timeout
from .packet import HEADER, PAYLOAD_MAX, Decoder, Packet, Received

READ_SIZE = 64 << 10
LOOKS = 32  # for an answer before we sleep: most come in less time than it takes to be woken up
FOR_EVER = 1e6  # seconds, and more
TIMEVAL = struct.Struct("@ll")
TIMEOUT = 30.0  # seconds for an answer, where nothing else is said
RUNDIR = "/var/run/xenstored"
XENBUS = ("/dev/xen/xenbus", "/proc/xen/xenbus", "/kern/xen/xenbus")  # the second is of kernels before 3.2


class PacketConnection:
    """A stream of packets over a file descriptor. Made with `connect`, ended with `close`."""

    window = 1  # packets that may be on their way at once
    payload_max = PAYLOAD_MAX  # bytes of a request
    pipelined = True  # whether a request may follow one that is not answered

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd = -1
        self._owner: t.Any = None  # what `_fd` belongs to, where that is an object
        self._poll: t.Any = None
        self._decoder = Decoder()
        self._inbox: list[Received] = []  # came while we wrote

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.path!r})"

    @property
    def is_connected(self) -> bool:
        return self._fd >= 0

    def fileno(self) -> int:
        """Raises ConnectionError."""
        if self._fd < 0:
            raise ConnectionError(errno.ENOTCONN, f"XenStore at {self.path}: not connected")
        return self._fd

    def connect(self, timeout: float = TIMEOUT) -> None:
        """Raises ConnectionError."""
        if self.is_connected:
            return
        try:
            self._fd = self._open(time.monotonic() + timeout)
        except OSError as error:
            raise _failed(f"connecting to XenStore at {self.path}", error) from None
        self._decoder = Decoder()
        self._inbox = []
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)

    def _open(self, deadline: float) -> int:
        raise NotImplementedError

    def close(self, silent: bool = True) -> None:
        """Raises ConnectionError when not `silent`."""
        fd, self._fd = self._fd, -1
        try:
            if self._owner is not None:
                owner, self._owner = self._owner, None
                owner.close()
            elif fd >= 0:
                os.close(fd)
        except OSError as error:
            if not silent:
                raise _failed(f"closing {self.path}", error) from None

    def send(self, packet: Packet) -> None:
        """Raises ConnectionError."""
        self.transmit(packet.pack(), time.monotonic() + TIMEOUT)

    def recv(self) -> Packet:
        """The next packet. Raises ConnectionError."""
        first, *rest = self.receive(time.monotonic() + TIMEOUT)
        self._inbox.extend(rest)
        return Packet._make(first)

    def transmit(self, data: bytes, deadline: float) -> None:
        """Writes `data`, and reads meanwhile: a daemon whose answers nobody takes would take no more requests."""
        self.fileno()
        try:
            while data:
                try:
                    data = data[self._write(data) :]
                except BlockingIOError:
                    self._wait(select.POLLIN | select.POLLOUT, deadline)
                    self._inbox.extend(self._decoded(self._read()))
        except OSError as error:
            raise _failed(f"writing to {self.path}", error) from None

    def receive(self, deadline: float, answers: int = 1) -> list[Received]:
        """At least one packet. Raises ConnectionError, Timeout, UnexpectedPacket.

        `deadline` of time.monotonic(). `answers`: how many are sure to come before anything else is done, so that it
        is no use to wake up for each.
        """
        self.fileno()
        found, self._inbox = self._inbox, []
        try:
            while not found:
                found = self._decoded(self._await(deadline, answers))
        except OSError as error:
            raise _failed(f"reading from {self.path}", error) from None
        return found

    def _decoded(self, data: bytes | None) -> list[Received]:
        if data == b"":
            raise ConnectionResetError(errno.ECONNRESET, "")
        return self._decoder.feed(data) if data else []

    def _write(self, data: bytes) -> int:
        """How much of `data` was taken. Raises BlockingIOError when nothing was."""
        return os.write(self._fd, data)

    def _read(self) -> bytes | None:
        """What is there, b"" at the end of the stream, None when nothing is there."""
        try:
            return os.read(self._fd, READ_SIZE)
        except BlockingIOError:
            return None

    def _await(self, deadline: float, answers: int) -> bytes | None:
        """As _read(), when something has come. Raises Timeout."""
        self._wait(select.POLLIN, deadline)
        return self._read()

    def _wait(self, events: int, deadline: float) -> None:
        left = deadline - time.monotonic()
        self._poll.modify(self._fd, events)
        if left <= 0 or not self._poll.poll(_milliseconds(left)):
            raise self._late()

    def _late(self) -> Timeout:
        return Timeout(f"{self.path}: nothing came from XenStore in time")


class UnixSocketConnection(PacketConnection):
    """To a daemon of this host. `path`: of its socket, by default as libxs finds it in the environment."""

    window = 128

    def __init__(self, path: str | None = None) -> None:
        super().__init__(path or socket_path())
        self._patience = 0.0  # seconds after which the kernel has recv() return

    def _open(self, deadline: float) -> int:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._connect(sock, deadline)
            sock.setblocking(True)
        except BaseException:
            sock.close()
            raise
        self._owner, self._patience = sock, 0.0
        return sock.fileno()

    def _connect(self, sock: socket.socket, deadline: float) -> None:
        sock.setblocking(False)
        while True:
            try:
                return sock.connect(self.path)
            except BlockingIOError:  # of a Unix socket: too many are waiting to be accepted
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def _write(self, data: bytes) -> int:
        return int(self._owner.send(data, socket.MSG_DONTWAIT))

    def _read(self) -> bytes | None:
        try:
            return t.cast(bytes, self._owner.recv(READ_SIZE, socket.MSG_DONTWAIT))
        except BlockingIOError:
            return None

    def _await(self, deadline: float, answers: int) -> bytes | None:
        if answers == 1:
            found = self._soon()
            if found is not None:
                return found
        self._have_patience(deadline - time.monotonic())
        try:
            if answers == 1:
                return t.cast(bytes, self._owner.recv(READ_SIZE))
            sure = (answers - 1) * HEADER.size + 1  # of the first, all but a byte may have come before
            return t.cast(bytes, self._owner.recv(sure, socket.MSG_WAITALL))
        except BlockingIOError:
            raise self._late() from None

    def _soon(self) -> bytes | None:
        """As _read(), of what comes within LOOKS."""
        receive = self._owner.recv
        for _unused in range(LOOKS):
            try:
                return t.cast(bytes, receive(READ_SIZE, socket.MSG_DONTWAIT))
            except BlockingIOError:
                os.sched_yield()  # to the daemon, where it waits for this processor
        return None

    def _have_patience(self, seconds: float) -> None:
        """What is set already is kept when it is nearly the same: that is, for every first answer to a request."""
        if seconds <= 0:
            raise self._late()
        if not 0.9 * self._patience <= seconds <= self._patience:
            self._patience = seconds
            microseconds = 0 if seconds > FOR_EVER else int(seconds * 1e6) + 1
            interval = TIMEVAL.pack(*divmod(microseconds, 1000000))
            self._owner.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, interval)


class XenBusConnection(PacketConnection):
    """Through the kernel, from any domain. `path`: of the device, by default the first that is there.

    The kernel takes one packet a write, into a buffer that is for the header too, and sends from there later: a packet
    that follows too soon overwrites it (drivers/xen/xenbus/xenbus_dev_frontend.c: struct xenbus_file_priv).
    """

    payload_max = PAYLOAD_MAX - HEADER.size
    pipelined = False

    def __init__(self, path: str | None = None) -> None:
        super().__init__(path or xenbus_path())

    def _open(self, deadline: float) -> int:
        return os.open(self.path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)


def socket_path() -> str:
    rundir = os.environ.get("XENSTORED_RUNDIR", RUNDIR)
    return os.environ.get("XENSTORED_PATH") or os.path.join(rundir, "socket")


def xenbus_path() -> str:
    named = os.environ.get("XENSTORED_PATH")
    if named and not _is_socket(named):
        return named
    return next((path for path in XENBUS if os.path.exists(path)), XENBUS[0])


def candidates() -> list[PacketConnection]:
    """What may lead to XenStore here, the likeliest first: a daemon's socket, then the kernel's device."""
    named = os.environ.get("XENSTORED_PATH")
    if named:
        exists = os.path.exists(named)
        return [XenBusConnection(named) if exists and not _is_socket(named) else UnixSocketConnection(named)]
    sock, bus = UnixSocketConnection(), XenBusConnection()
    if not os.path.exists(bus.path):
        return [sock]
    return [sock, bus] if os.path.exists(sock.path) else [bus]


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False


def _milliseconds(seconds: float) -> int | None:
    return None if seconds > FOR_EVER else int(seconds * 1000) + 1


def _failed(doing: str, error: OSError) -> ConnectionError:
    hung_up = error.errno in (errno.ECONNRESET, errno.EPIPE)
    words = "the daemon closed the connection" if hung_up else error.strerror or str(error)
    return ConnectionError(error.errno or errno.EIO, f"{doing}: {words}")
