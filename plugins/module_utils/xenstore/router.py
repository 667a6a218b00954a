# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests of many to one connection, answers and events back to those whom they are for. No thread is needed.

Answers are waited for by whoever wants one; what arrives meanwhile for others is kept for them. A router, its clients
and monitors belong to one thread. After a timeout, a lost connection or a packet that nobody asked for, the
conversation is over: the connection is closed, and everything outstanding fails.
"""

from __future__ import annotations

import errno
import time
import typing as t

from .connection import TIMEOUT, PacketConnection
from .errors import ConnectionError, PyXSError, Timeout, UnexpectedPacket, refused
from .packet import ID_MASK, NAMES, Op, Packet, Received, encode, error_number

Request = t.Tuple[int, bytes]  # operation, payload
Answer = t.Union[bytes, PyXSError]


class Router:
    """`timeout`: seconds that the daemon may take for the next answer."""

    def __init__(self, connection: PacketConnection, timeout: float = TIMEOUT) -> None:
        self.connection = connection
        self.timeout = timeout
        self._last_id = 0
        self._waiting: dict[int, tuple[int, list[t.Any], int]] = {}  # request id -> operation, answers, place in them
        self._monitors: dict[bytes, list[t.Any]] = {}

    def __repr__(self) -> str:
        return f"Router({self.connection!r})"

    @property
    def is_connected(self) -> bool:
        return self.connection.is_connected

    def start(self) -> None:
        """Raises ConnectionError."""
        self.connection.connect(self.timeout)

    def terminate(self) -> None:
        self._waiting.clear()
        self.connection.close()

    def subscribe(self, token: bytes, monitor: t.Any) -> None:
        """Events with this token go into `monitor.events`."""
        self._monitors.setdefault(token, []).append(monitor)

    def unsubscribe(self, token: bytes, monitor: t.Any) -> None:
        monitors = self._monitors.get(token, [])
        if monitor in monitors:
            monitors.remove(monitor)
        if not monitors:
            self._monitors.pop(token, None)

    def send(self, packet: Packet) -> RVar:
        """Sends a request; its answer is there, or comes, when `get()` is called. Raises ConnectionError."""
        if packet.rq_id in self._waiting:
            raise PyXSError(errno.EEXIST, f"request id {packet.rq_id} is on its way already")
        answers: list[t.Any] = [None]
        deadline = time.monotonic() + self.timeout
        try:
            while self._waiting and not self.connection.pipelined:
                self.dispatch(deadline)
            self._waiting[packet.rq_id] = (packet.op, answers, 0)
            self.connection.transmit(packet.pack(), deadline)
        except BaseException:
            self.terminate()
            raise
        return RVar(self, (packet.op, packet.payload), answers)

    def ask(self, op: int, payload: bytes, tx_id: int = 0) -> bytes:
        """The answer to one request. Raises what the daemon refused it with, ConnectionError."""
        request, answers = (op, payload), [None]
        self._last_id = rq_id = self._last_id + 1 & ID_MASK or 1
        self._waiting[rq_id] = (op, answers, 0)
        try:
            deadline = time.monotonic() + self.timeout
            self.connection.transmit(encode(op, rq_id, tx_id, payload), deadline)
            while answers[0] is None:
                self.dispatch(deadline)
        except BaseException as error:
            self.terminate()
            _add_what(error, [request], answers)
            raise
        packet: t.Any = answers[0]
        if packet[0] == Op.ERROR:
            raise _refusal(request, packet)
        return t.cast(bytes, packet[3])

    def ask_all(self, requests: t.Sequence[Request], tx_id: int = 0) -> list[Answer]:
        """The answers to many requests in their order, each a payload or the error that refused it.

        As many are on their way at once as the connection stands. Raises ConnectionError.
        """
        answers: list[t.Any] = [None] * len(requests)
        try:
            self._exchange(requests, answers, tx_id)
        except BaseException as error:
            self.terminate()
            _add_what(error, requests, answers)
            raise
        return [
            _refusal(request, packet) if packet[0] == Op.ERROR else packet[3]
            for request, packet in zip(requests, answers)
        ]

    def _exchange(self, requests: t.Sequence[Request], answers: list[t.Any], tx_id: int) -> None:
        window, total = self.connection.window, len(requests)
        sent, deadline = 0, time.monotonic() + self.timeout
        while sent < total or self._waiting:
            room = window - len(self._waiting)
            if sent < total and room > 0 and (room >= window // 2 or room >= total - sent):
                batch = requests[sent : sent + room]
                self.connection.transmit(self._encode(batch, answers, sent, tx_id), deadline)
                sent += len(batch)
            more = window // 2 if sent < total else 0
            if self.dispatch(deadline, max(1, len(self._waiting) - more)):
                deadline = time.monotonic() + self.timeout

    def _encode(self, batch: t.Sequence[Request], answers: list[t.Any], place: int, tx_id: int) -> bytes:
        packets = []
        for op, payload in batch:
            self._last_id = rq_id = self._last_id + 1 & ID_MASK or 1
            self._waiting[rq_id] = (op, answers, place)
            packets.append(encode(op, rq_id, tx_id, payload))
            place += 1
        return b"".join(packets)

    def dispatch(self, deadline: float, answers: int = 1) -> int:
        """Waits for packets and hands them out; how many were answers. Raises Timeout, ConnectionError."""
        waiting = self._waiting
        before = len(waiting)
        for packet in self.connection.receive(deadline, answers):
            op = packet[0]
            if op == Op.WATCH_EVENT:
                self._deliver(packet[3])
                continue
            asked = waiting.pop(packet[1], None)
            if asked is None or (op != asked[0] and op != Op.ERROR):
                raise UnexpectedPacket(_unexpected(packet, asked))
            asked[1][asked[2]] = packet
        return before - len(waiting)

    def _deliver(self, payload: bytes) -> None:
        parts = payload.split(b"\0")
        if len(parts) < 3:
            raise UnexpectedPacket(f"an event without a path or a token: {payload[:64]!r}")
        for monitor in self._monitors.get(parts[1], ()):
            monitor.events.append((parts[0], parts[1]))

    def forget(self, rq_id: int) -> None:
        """Waits no more for the answer to a request."""
        self._waiting.pop(rq_id, None)

    def wait_for_events(self, deadline: float) -> None:
        """Returns when something came. Raises Timeout, which leaves the connection as it is, ConnectionError."""
        try:
            self.dispatch(deadline)
        except Timeout:
            raise
        except PyXSError:
            self.terminate()
            raise

    def settle(self, request: Request, answers: list[t.Any]) -> None:
        """Waits until `answers` has its one answer. Raises ConnectionError."""
        deadline = time.monotonic() + self.timeout
        try:
            while answers[0] is None:
                if not self._waiting:
                    raise ConnectionError(errno.ECONNRESET, "the connection was closed before XenStore answered")
                self.dispatch(deadline)
        except BaseException as error:
            self.terminate()
            _add_what(error, [request], answers)
            raise


class RVar:
    """An answer that may not be there yet."""

    __slots__ = ("_answers", "_request", "_router")

    def __init__(self, router: Router, request: Request, answers: list[t.Any]) -> None:
        self._router, self._request, self._answers = router, request, answers

    @property
    def there(self) -> bool:
        return self._answers[0] is not None

    def get(self) -> Packet:
        """Waits for the answer, which may be an ERROR. Raises ConnectionError."""
        self._router.settle(self._request, self._answers)
        return Packet._make(self._answers[0])


def describe(request: Request) -> str:
    """A request in words, without values, which may be secret: "XenStore WRITE /local/domain/5/key"."""
    op, payload = request
    subject = payload.split(b"\0", 1)[0].decode("ascii", "backslashreplace")
    return f"XenStore {NAMES.get(op, op)} {subject}".rstrip()


def _refusal(request: Request, packet: Received) -> PyXSError:
    return refused(error_number(packet[3]), describe(request))


def _add_what(error: BaseException, requests: t.Sequence[Request], answers: t.Sequence[t.Any]) -> None:
    """Puts the first request that was not answered before what went wrong."""
    if isinstance(error, PyXSError) and None in answers:
        error.args = (error.errno, f"{describe(requests[answers.index(None)])}: {error}")


def _unexpected(packet: Received, asked: t.Any) -> str:
    name = NAMES.get(packet[0], packet[0])
    if asked is None:
        return f"the daemon sent an answer ({name}) to request {packet[1]}, which was not made"
    return f"the daemon answered {NAMES.get(asked[0], asked[0])} with {name}"
