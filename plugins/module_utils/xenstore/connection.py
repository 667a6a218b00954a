# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only place that opens a socket or a device of XenStore."""

from __future__ import annotations

import collections
import errno
import os
import select
import socket
import stat
import time
import typing as t

from .errors import ConnectionError, Timeout
from .packet import Decoder, Packet, Received

READ_SIZE = 64 << 10
TIMEOUT = 30.0  # seconds for an answer, where nothing else is said
RUNDIR = "/var/run/xenstored"
XENBUS = ("/dev/xen/xenbus", "/proc/xen/xenbus", "/kern/xen/xenbus")  # the second is of kernels before 3.2


class PacketConnection:
    """A stream of packets over a file descriptor that never blocks. Made with `connect`, ended with `close`."""

    window = 1  # packets that may be on their way at once

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd = -1
        self._owner: t.Any = None  # what `_fd` belongs to, where that is an object
        self._poll: t.Any = None
        self._decoder = Decoder()
        self._inbox: collections.deque[Received] = collections.deque()

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
        self._inbox.clear()
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
        while not self._inbox:
            self._read(time.monotonic() + TIMEOUT)
        return Packet._make(self._inbox.popleft())

    def transmit(self, data: bytes, deadline: float) -> None:
        """Writes `data`, and reads meanwhile: a daemon whose answers nobody takes would take no more requests."""
        fd = self.fileno()
        try:
            while data:
                try:
                    data = data[os.write(fd, data) :]
                except BlockingIOError:
                    self._wait(select.POLLIN | select.POLLOUT, deadline)
                    self._take()
        except OSError as error:
            raise _failed(f"writing to {self.path}", error) from None

    def receive(self, deadline: float) -> list[Received]:
        """At least one packet. `deadline` of time.monotonic(). Raises ConnectionError, Timeout, UnexpectedPacket."""
        while not self._inbox:
            self._read(deadline)
        found = list(self._inbox)
        self._inbox.clear()
        return found

    def _read(self, deadline: float) -> None:
        self.fileno()
        left = deadline - time.monotonic()
        if left <= 0 or not self._poll.poll(_milliseconds(left)):
            raise Timeout(f"{self.path}: nothing came from XenStore in time")
        self._take()

    def _wait(self, events: int, deadline: float) -> None:
        both = select.poll()
        both.register(self._fd, events)
        left = deadline - time.monotonic()
        if left <= 0 or not both.poll(_milliseconds(left)):
            raise Timeout(f"{self.path}: XenStore takes no requests")

    def _take(self) -> None:
        """What is there to be read, into the inbox."""
        try:
            data = os.read(self._fd, READ_SIZE)
        except BlockingIOError:
            return
        except OSError as error:
            raise _failed(f"reading from {self.path}", error) from None
        if not data:
            raise _failed(f"reading from {self.path}", ConnectionResetError(errno.ECONNRESET, ""))
        self._inbox.extend(self._decoder.feed(data))


class UnixSocketConnection(PacketConnection):
    """To a daemon of this host. `path`: of its socket, by default as libxs finds it in the environment."""

    window = 256

    def __init__(self, path: str | None = None) -> None:
        super().__init__(path or socket_path())

    def _open(self, deadline: float) -> int:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._connect(sock, deadline)
            sock.setblocking(False)
        except BaseException:
            sock.close()
            raise
        self._owner = sock
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


class XenBusConnection(PacketConnection):
    """Through the kernel, from any domain. `path`: of the device, by default the first that is there.

    The kernel takes one packet a write, and what it is sent before it has answered is not relied upon.
    """

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
    return None if seconds > 1e6 else int(seconds * 1000) + 1


def _failed(doing: str, error: OSError) -> ConnectionError:
    hung_up = error.errno in (errno.ECONNRESET, errno.EPIPE)
    words = "the daemon closed the connection" if hung_up else error.strerror or str(error)
    return ConnectionError(error.errno or errno.EIO, f"{doing}: {words}")
