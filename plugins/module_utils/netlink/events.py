# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changes in a network namespace, as the kernel tells it: multicast groups RTNLGRP_* (linux/rtnetlink.h).

with Events(("link", "address"), netns="blue") as events:
    for name, found in events.within(5.0):
        ...  # "RTM_NEWLINK", {"ifindex": 3, ...}

wait_for(lambda: sock.dump(address.dump(index=3), address.decode), ("address",), timeout=10, what="an address of eth0")
"""

from __future__ import annotations

import errno
import select
import time
import typing as t

from .channel import NetlinkSocket
from .errors import NetlinkOverrun, NetlinkTimeout
from .exchange import Decode
from .message import split
from .netns import NetNS
from .rtnl import numbers

Found = t.TypeVar("Found")

MANY = 1000  # datagrams to pass over at a time: in a storm the state is looked at all the same


class Event(t.NamedTuple):
    name: str  # of the message: "RTM_NEWLINK"
    object: t.Dict[str, t.Any]


class Topic(t.NamedTuple):
    """The groups to join for a kind of object, and the messages that tell of it (NEW, and DEL right after it)."""

    groups: t.Tuple[int, ...]
    new: int
    word: str
    decoder: t.Callable[[], Decode]  # loaded when first needed


def _link() -> Decode:
    from .rtnl.link import decode

    return decode


def _address() -> Decode:
    from .rtnl.address import decode

    return decode


def _route() -> Decode:
    from .rtnl.route import decode

    return decode


def _rule() -> Decode:
    from .rtnl.rule import decode

    return decode


def _neighbour() -> Decode:
    from .rtnl.neighbour import decode

    return decode


def _fdb() -> Decode:
    from .rtnl.fdb import decode

    return decode


def _nexthop() -> Decode:
    from .rtnl.nexthop import decode

    return decode


def _tc() -> Decode:
    from .rtnl.tc import decode

    return decode


TOPICS = {
    "link": Topic((1,), numbers.RTM_NEWLINK, "LINK", _link),
    "address": Topic((5, 9), numbers.RTM_NEWADDR, "ADDR", _address),
    "route": Topic((7, 11), numbers.RTM_NEWROUTE, "ROUTE", _route),
    "rule": Topic((8, 19), numbers.RTM_NEWRULE, "RULE", _rule),
    "neighbour": Topic((3,), numbers.RTM_NEWNEIGH, "NEIGH", _neighbour),
    "fdb": Topic((3,), numbers.RTM_NEWNEIGH, "NEIGH", _fdb),
    "nexthop": Topic((32,), numbers.RTM_NEWNEXTHOP, "NEXTHOP", _nexthop),
    "qdisc": Topic((4,), numbers.RTM_NEWQDISC, "QDISC", _tc),
    "class": Topic((4,), numbers.RTM_NEWTCLASS, "TCLASS", _tc),
}


def _decoders(topics: t.Iterable[str]) -> dict[int, list[tuple[str, Decode]]]:
    """By message type; neighbours and forwarding entries share one, and each decoder passes the other's over."""
    decoders: dict[int, list[tuple[str, Decode]]] = {}
    for name in topics:
        topic = TOPICS[name]
        for offset, verb in enumerate(("NEW", "DEL")):
            entry = (f"RTM_{verb}{topic.word}", topic.decoder())
            decoders.setdefault(topic.new + offset, []).append(entry)
    return decoders


class Events:
    """A subscription to `topics` (names of TOPICS) in a namespace, from the moment it is made."""

    def __init__(self, topics: t.Sequence[str], netns: NetNS = None) -> None:
        unknown = [name for name in topics if name not in TOPICS]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is no topic; there are {', '.join(TOPICS)}")
        self._decoders = _decoders(topics)
        self._sock = NetlinkSocket(netns=netns)
        self._poll = select.poll()
        self._poll.register(self._sock, select.POLLIN)
        try:
            self._sock.join(sorted({group for name in topics for group in TOPICS[name].groups}))
        except BaseException:
            self._sock.close()
            raise

    def __enter__(self) -> Events:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._sock.close()

    def fileno(self) -> int:
        return self._sock.fileno()

    def decode(self, data: bytes) -> t.Iterator[Event]:
        """The events of one datagram."""
        for message in split(data):
            for name, decode in self._decoders.get(message.type, ()):
                found = decode(data, message.start, message.end)
                if found is not None:
                    yield Event(name, found)

    def within(self, timeout: float) -> t.Iterator[Event]:
        """The events of the next `timeout` seconds, as they come.

        Raises NetlinkOverrun when the kernel had to drop some: the state has to be read anew then.
        """
        deadline = time.monotonic() + timeout
        while True:
            try:
                data = self._sock.receive(deadline, "events")
            except NetlinkTimeout:
                return
            yield from self.decode(data)

    def pause(self, deadline: float, what: str) -> None:
        """Returns when something has happened, and forgets what it was, with all that happened besides.

        Events that the kernel dropped have happened too. Raises NetlinkTimeout.
        """
        try:
            self._sock.receive(deadline, what)
            for _unused in range(MANY):
                if not self._poll.poll(0):
                    return
                self._sock.receive(deadline, what)
        except NetlinkOverrun:
            return


def wait_for(
    look: t.Callable[[], Found | None], topics: t.Sequence[str], timeout: float, what: str, netns: NetNS = None
) -> Found:
    """What `look()` returns once that is true; it is asked at first, and again whenever one of `topics` changed.

    The subscription is made before the first look, so that no change falls between the two. `look` has to have a socket
    of its own; `what` completes "waiting for ...". Raises NetlinkTimeout after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    with Events(topics, netns) as events:
        while True:
            found = look()
            if found:
                return found
            try:
                events.pause(deadline, what)
            except NetlinkTimeout:
                raise NetlinkTimeout(errno.ETIMEDOUT, f"waiting for {what}: not so after {timeout:g} s") from None
