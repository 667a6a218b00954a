# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conversations with the kernel as state alone: what to send, and what a received datagram means for it.

`Batch`: many requests sent together. Only the last asks for an acknowledgement, since the kernel works through one send
in order and reports failures unasked: silence before the last answer is success.
`Alike`: very many requests that differ in a few bytes, written as one block.
`Dump`: one request, many answers, ended by NLMSG_DONE.
"""

from __future__ import annotations

import sys
import typing as t
from array import array

from .errors import NetlinkError, NetlinkOverrun
from .message import (
    HEADER_SIZE,
    NLM_F_ACK,
    NLM_F_DUMP,
    NLM_F_DUMP_INTR,
    NLM_F_REQUEST,
    NLMSG_DONE,
    NLMSG_ERROR,
    NLMSG_NOOP,
    NLMSG_OVERRUN,
    Message,
    Request,
    error_code,
    fields,
    refusal,
    split,
)

Decode = t.Callable[[bytes, int, int], t.Any]


ENDS = (NLMSG_DONE, NLMSG_ERROR)  # of a dump
FLAGS_AT, SEQUENCE_AT = 6, 8  # in the header of a message


class Column(t.NamedTuple):
    """What differs among requests that are alike: `size` bytes at `start` of the body, for each request in turn."""

    start: int
    size: int
    values: bytes

    def write(self, block: bytearray, offset: int, length: int) -> None:
        for place in range(self.size):
            block[offset + self.start + place :: length] = self.values[place :: self.size]


class Alike:
    """`count` requests like `first` but for `columns`; `request(index)` makes one as a `Request`, for errors."""

    def __init__(
        self, first: Request, count: int, columns: t.Sequence[Column], request: t.Callable[[int], Request]
    ) -> None:
        self.first, self.count, self.columns, self.request = first, count, columns, request

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Request:
        return self.request(index)

    def pack(self, sequence: int) -> bytes:
        template = self.first.pack(0)
        length = len(template)
        block = bytearray(template * self.count)
        for column in self.columns:
            column.write(block, HEADER_SIZE, length)
        Column(SEQUENCE_AT, 4, array("I", range(sequence, sequence + self.count)).tobytes()).write(block, 0, length)
        last = (self.count - 1) * length + FLAGS_AT
        flags = (self.first.flags | NLM_F_ACK | NLM_F_REQUEST).to_bytes(2, sys.byteorder)
        block[last : last + 2] = flags
        return bytes(block)

    def slices(self, most: int, size: int) -> t.Iterator[Alike]:
        """The same in runs of at most `most` requests and about `size` bytes."""
        step = max(1, min(most, size // (HEADER_SIZE + 4 + len(self.first.body))))
        for start in range(0, self.count, step):
            count = min(step, self.count - start)
            cut = [Column(c.start, c.size, c.values[start * c.size : (start + count) * c.size]) for c in self.columns]
            yield Alike(self.first, count, cut, self._requests_from(start))

    def _requests_from(self, start: int) -> t.Callable[[int], Request]:
        return lambda index: self.request(start + index)


class Batch:
    """`requests` numbered from `sequence` on; `failures` and `answers` are kept by index."""

    def __init__(self, requests: t.Sequence[Request] | Alike, sequence: int, decode: Decode | None = None) -> None:
        self.requests = requests
        self.sequence = sequence
        self.decode = decode
        self.failures: dict[int, NetlinkError] = {}
        self.answers: dict[int, list[t.Any]] = {}
        self.done = not requests
        self._packed = b""

    def pack(self) -> bytes:
        """All of it as one datagram; made once."""
        self._packed = self._packed or self._pack()
        return self._packed

    def _pack(self) -> bytes:
        if isinstance(self.requests, Alike):
            return self.requests.pack(self.sequence)
        packed = [request.pack(self.sequence + index) for index, request in enumerate(self.requests)]
        if packed:
            packed[-1] = self.requests[-1].pack(self.sequence + len(packed) - 1, NLM_F_ACK)
        return b"".join(packed)

    def feed(self, data: bytes) -> None:
        """Takes one datagram. Messages of another conversation are passed over."""
        for message in split(data):
            index = message.sequence - self.sequence
            if 0 <= index < len(self.requests) and message.type != NLMSG_NOOP:
                self._take(data, message, index)

    def _take(self, data: bytes, message: Message, index: int) -> None:
        if message.type == NLMSG_OVERRUN:
            raise NetlinkOverrun(105, "the kernel lost messages of this batch")
        if message.type != NLMSG_ERROR:
            if self.decode:
                self.answers.setdefault(index, []).append(self.decode(data, message.start, message.end))
            return
        if error_code(data, message):
            self.failures[index] = refusal(data, message, self.requests[index])
        self.done = self.done or index == len(self.requests) - 1


class Dump:
    """Everything of a table that `request` asks for; `interrupted` says that the table changed meanwhile."""

    def __init__(self, request: Request, sequence: int) -> None:
        self.request = request
        self.sequence = sequence
        self.done = False
        self.interrupted = False

    def pack(self) -> bytes:
        return self.request.pack(self.sequence, NLM_F_DUMP)

    def feed(self, data: bytes, decode: Decode, out: list[t.Any]) -> None:
        """Appends to `out` what `decode` makes of each answer in one datagram (None: nothing)."""
        mine = self.sequence
        for kind, flags, sequence, port, start, end in fields(data):
            if sequence != mine:
                continue
            if flags & NLM_F_DUMP_INTR:
                self.interrupted = True
            if kind > NLMSG_OVERRUN:
                answer = decode(data, start, end)
                if answer is not None:
                    out.append(answer)
            elif kind in ENDS:
                self.done = True
                message = Message(kind, flags, sequence, port, start, end)
                if error_code(data, message):
                    raise refusal(data, message, self.request)
            elif kind == NLMSG_OVERRUN:
                raise NetlinkOverrun(105, f"{self.request.operation}: the kernel lost messages of this dump")


FIRST = 32  # the first run has such a part of the size


def chunks(requests: t.Iterable[Request | Alike], most: int, size: int) -> t.Iterator[t.List[Request] | Alike]:
    """`requests` in runs of at most `most` requests and about `size` bytes; a larger request runs alone.

    They are taken only as they are needed, so that a hundred thousand of them never have to be there at once. The first
    runs are short: the kernel gets to work while the others are made.
    """
    some: list[Request] = []
    total, limit = 0, size // FIRST
    for request in requests:
        if isinstance(request, Alike):
            if some:
                yield some
                some, total = [], 0
            yield from request.slices(most, size)
            continue
        length = len(request.body) + 20
        if some and (len(some) >= most or total + length > limit):
            yield some
            some, total, limit = [], 0, min(2 * limit, size)
        some.append(request)
        total += length
    if some:
        yield some
