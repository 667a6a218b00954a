# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of XenStore: reads, writes, permissions, transactions, domains.

>>> with Client() as client:
...     client[b"/local/domain/0/name"] = b"Domain-0"
...     client[b"/local/domain/0/name"]
b'Domain-0'

Paths are bytes or ASCII text; relative ones are below the caller's own domain. Values are any bytes.
"""

from __future__ import annotations

import errno
import time
import typing as t

from . import paths
from .connection import TIMEOUT, PacketConnection, UnixSocketConnection, XenBusConnection, candidates
from .errors import Conflict, ConnectionError, InvalidPayload, PyXSError, UnexpectedPacket, refused
from .packet import Op, strings
from .paths import AnyPath
from .router import Answer, Request, Router, describe

if t.TYPE_CHECKING:
    from .monitor import Monitor
    from .permissions import AnyPermission

Result = t.TypeVar("Result")

ATTEMPTS = 200
LONGEST_PAUSE = 0.05  # seconds between two attempts of a transaction


class Client:
    """`unix_socket_path` or `xen_bus_path` of the daemon, or a `router` to share; else what libxs would take.

    `timeout`: seconds that the daemon may take for any one answer. Use it as a context manager.
    """

    def __init__(
        self,
        unix_socket_path: str | None = None,
        xen_bus_path: str | None = None,
        router: Router | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        self._choices: list[PacketConnection] = []
        if router is None:
            self._choices = _choices(unix_socket_path, xen_bus_path)
            router = Router(self._choices[0], timeout)
        self.router = router
        self.timeout = timeout
        self.tx_id = 0

    def __repr__(self) -> str:
        return f"Client({self.router.connection!r})"

    def __copy__(self) -> Client:
        return type(self)(router=self.router, timeout=self.timeout)

    def __enter__(self) -> Client:
        self.connect()
        return self

    def __exit__(self, kind: t.Any, *more: object) -> None:
        left, self.tx_id = self.tx_id, 0
        self.close()  # which also drops the transaction
        if left and kind is None:
            raise PyXSError(errno.EBUSY, "a transaction was neither committed nor rolled back, and is dropped")

    def connect(self) -> None:
        """Raises ConnectionError."""
        if self.router.is_connected:
            return
        for connection in self._choices[:-1]:
            self.router.connection = connection
            try:
                self.router.start()
            except ConnectionError:
                continue  # as libxs: no daemon at the socket, perhaps one behind the device
            return
        if self._choices:
            self.router.connection = self._choices[-1]
        self.router.start()

    def close(self) -> None:
        self.router.terminate()

    # Requests

    def execute_command(self, op: int, *parts: bytes) -> bytes:
        """The answer to a request whose payload is `parts` put together. Raises PyXSError."""
        payload = b"".join(parts)
        self._check_size((op, payload))
        return self.router.ask(op, payload, self.tx_id)

    def ask_all(self, requests: t.Sequence[Request]) -> t.List[Answer]:
        """Answers to many requests, pipelined. Raises ConnectionError, InvalidPayload."""
        for request in requests:
            self._check_size(request)
        return self.router.ask_all(requests, self.tx_id)

    def _check_size(self, request: Request) -> None:
        size, most = len(request[1]), self.router.connection.payload_max
        if size > most:
            raise InvalidPayload(describe(request), f"{size} bytes, and a request takes {most} at most")

    def _ack(self, op: int, *parts: bytes) -> None:
        answer = self.execute_command(op, *parts)
        if answer.rstrip(b"\0") != b"OK":
            raise UnexpectedPacket(f"{describe((op, parts[0]))}: the daemon did not say OK but {answer[:32]!r}")

    # Nodes

    def read(self, path: AnyPath, default: bytes | None = None) -> bytes:
        """The value at `path`, or `default` where there is no such node and a default is given. Raises PyXSError."""
        try:
            return self.execute_command(Op.READ, paths.check_node(path), b"\0")
        except PyXSError as error:
            if error.errno == errno.ENOENT and default is not None:
                return default
            raise

    def write(self, path: AnyPath, value: bytes) -> None:
        """Makes missing parents. Wakes who watches, even with an equal value. Raises PyXSError, InvalidPayload."""
        self._ack(Op.WRITE, paths.check_node(path), b"\0", value)

    def mkdir(self, path: AnyPath) -> None:
        """Makes the node and missing parents with empty values; one that is there stays as it is. Raises PyXSError."""
        self._ack(Op.MKDIR, paths.check_node(path), b"\0")

    def delete(self, path: AnyPath) -> None:
        """Removes the node and all below; its parent has to be there. Raises PyXSError, InvalidPath for the root."""
        self._ack(Op.RM, paths.check_removable(path), b"\0")

    def list(self, path: AnyPath) -> t.List[bytes]:
        """The names of the children. Raises PyXSError."""
        checked = paths.check_node(path)
        try:
            return paths.names_of(self.execute_command(Op.DIRECTORY, checked, b"\0"))
        except PyXSError as error:
            if error.errno != errno.E2BIG:
                raise
        return self.list_parts(checked)

    def list_parts(self, path: bytes) -> t.List[bytes]:
        """The names of children that do not fit one packet, from one state of the node. Raises PyXSError."""
        deadline = time.monotonic() + self.timeout
        while time.monotonic() < deadline:
            found = self._list_once(path)
            if found is not None:
                return paths.names_of(found)
        raise Conflict(f"{path.decode()}: its children changed whenever they were listed")

    def _list_once(self, path: bytes) -> bytes | None:
        """All names, or None when the node changed between two parts."""
        listing, first = b"", None
        while True:
            answer = self.execute_command(Op.DIRECTORY_PART, strings(path, b"%d" % len(listing)))
            generation, nul, part = answer.partition(b"\0")
            if not nul or not part:
                raise UnexpectedPacket(f"XenStore DIRECTORY_PART {path.decode()}: an answer without its end")
            if first not in (None, generation):
                return None
            first = generation
            if part == b"\0" or part.endswith(b"\0\0"):
                return listing + part[:-1]
            listing += part

    def exists(self, path: AnyPath) -> bool:
        """Raises PyXSError, for anything but a node that is not there."""
        try:
            self.read(path)
        except PyXSError as error:
            if error.errno != errno.ENOENT:
                raise
            return False
        return True

    __getitem__ = read
    __setitem__ = write
    __delitem__ = delete
    __contains__ = exists

    def get_perms(self, path: AnyPath) -> t.List[bytes]:
        """Permissions such as [b"n0", b"r5"], the owner's first. Raises PyXSError."""
        from .permissions import received

        return received(self.execute_command(Op.GET_PERMS, paths.check(path), b"\0"))

    def set_perms(self, path: AnyPath, perms: t.Iterable[AnyPermission]) -> None:
        """Raises PyXSError, InvalidPermission."""
        from .permissions import render

        self._ack(Op.SET_PERMS, paths.check(path), b"\0", strings(*render(perms)))

    def walk(self, top: AnyPath, topdown: bool = True) -> t.Iterator[tuple[bytes, bytes, t.List[bytes]]]:
        """(path, value, names of children) of each node from `top` on, in the order of os.walk().

        The whole tree is read before the first is yielded, level by level; what is removed meanwhile is left out, an
        unreadable value is empty. Names removed from a yielded list are not entered. Raises PyXSError.
        """
        from .tree import walk

        return walk(self, paths.check_node(top), topdown)

    # Domains

    def get_domain_path(self, domid: int) -> bytes:
        """The path that the domain's relative paths are below. Raises PyXSError."""
        return self.execute_command(Op.GET_DOMAIN_PATH, _numbers(domid)).rstrip(b"\0")

    def is_domain_introduced(self, domid: int) -> bool:
        """Whether the daemon talks with the domain. Raises PyXSError."""
        answer = self.execute_command(Op.IS_DOMAIN_INTRODUCED, _numbers(domid)).rstrip(b"\0")
        if answer not in (b"T", b"F"):
            raise UnexpectedPacket(f"XenStore IS_DOMAIN_INTRODUCED {domid}: neither T nor F but {answer[:32]!r}")
        return answer == b"T"

    def introduce_domain(self, domid: int, mfn: int, eventchn: int) -> None:
        """Has the daemon talk with the domain: `mfn`, its XenStore page, `eventchn`, its port. Raises PyXSError."""
        if domid == 0:
            raise ValueError("domain 0 is not introduced: the daemon knows it")
        self._ack(Op.INTRODUCE, _numbers(domid, mfn, eventchn))

    def release_domain(self, domid: int) -> None:
        """Cuts the domain off from XenStore. Raises PyXSError."""
        self._ack(Op.RELEASE, _numbers(domid))

    def resume_domain(self, domid: int) -> None:
        """Forgets that the domain has shut down, so that its next shutdown is told. Raises PyXSError."""
        self._ack(Op.RESUME, _numbers(domid))

    def set_target(self, domid: int, target: int) -> None:
        """Gives `domid` what `target` owns and may. Raises PyXSError."""
        self._ack(Op.SET_TARGET, _numbers(domid, target))

    # Transactions

    def transaction(self) -> int:
        """Starts one; what this client then does belongs to it. Raises PyXSError, with EALREADY when in one."""
        if self.tx_id:
            raise refused(errno.EALREADY, "starting a transaction")
        answer = self.execute_command(Op.TRANSACTION_START, b"\0").rstrip(b"\0")
        if not answer.isdigit() or not 0 < int(answer) <= 0xFFFFFFFF:
            raise UnexpectedPacket(f"XenStore TRANSACTION_START: no number but {answer[:32]!r}")
        self.tx_id = int(answer)
        return self.tx_id

    def rollback(self) -> None:
        """Raises PyXSError."""
        try:
            self._ack(Op.TRANSACTION_END, b"F\0")
        finally:
            self.tx_id = 0

    def commit(self) -> bool:
        """False when other clients were in the way: then nothing was done. Raises PyXSError."""
        try:
            self._ack(Op.TRANSACTION_END, b"T\0")
        except PyXSError as error:
            if error.errno == errno.EAGAIN:
                return False
            raise
        finally:
            self.tx_id = 0
        return True

    def in_transaction(self, work: t.Callable[[], Result], attempts: int = ATTEMPTS) -> Result:
        """`work()` in a transaction, repeated while other clients are in the way; what it raises drops the transaction.

        Pauses grow and are random, so that two who meet do not meet again. The attempts end with their number or with
        `timeout` seconds. Raises Conflict, PyXSError.
        """
        deadline = time.monotonic() + self.timeout
        for attempt in range(attempts):
            result, committed = self._attempt(work)
            if committed:
                return t.cast(Result, result)
            if time.monotonic() > deadline:
                break
            _pause(attempt)
        raise Conflict(f"the transaction met with other writers at each of {attempt + 1} attempts")

    def _attempt(self, work: t.Callable[[], Result]) -> tuple[Result | None, bool]:
        self.transaction()
        try:
            result = work()
        except BaseException as error:
            if self.router.is_connected:
                self.rollback()
            self.tx_id = 0
            if isinstance(error, PyXSError) and error.errno == errno.EAGAIN:
                return None, False
            raise
        return result, self.commit()

    # Events

    def monitor(self) -> Monitor:
        """A monitor on this client's connection."""
        from .monitor import Monitor  # which most tasks do without

        return Monitor(self)


def _pause(attempt: int) -> None:
    """Longer with every attempt, and random: who met once does not meet again."""
    from random import uniform  # dear to load, and conflicts are rare

    time.sleep(uniform(0, min(LONGEST_PAUSE, 0.0005 * 2 ** min(attempt, 10))))


def _choices(unix_socket_path: str | None, xen_bus_path: str | None) -> list[PacketConnection]:
    if unix_socket_path:
        return [UnixSocketConnection(unix_socket_path)]
    if xen_bus_path:
        return [XenBusConnection(xen_bus_path)]
    return candidates()


def _numbers(*numbers: int) -> bytes:
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int) or number < 0:
            raise ValueError(f"a domain, frame or port is a number from 0 on, not {number!r}")
    return strings(*(b"%d" % number for number in numbers))
