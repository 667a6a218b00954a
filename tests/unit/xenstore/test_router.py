# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conversations with a daemon that is played: order, ids, windows, deadlines, and what is not an answer."""

from __future__ import annotations

import errno
import time
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.errors import (
    ConnectionError,
    PyXSError,
    Timeout,
    UnexpectedPacket,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.packet import Op, Packet, encode
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.router import Router, describe

from tests.unit.xenstore.wire import PairConnection, client_over


def test_an_answer(pair: PairConnection) -> None:
    client = client_over(pair)
    pair.answer((Op.READ, 1, 0, b"value"))
    assert client.read("/a") == b"value"
    assert pair.asked() == [(Op.READ, 1, 0, b"/a\0")]


def test_answers_in_any_order(pair: PairConnection) -> None:
    client = client_over(pair)
    pair.answer((Op.READ, 2, 0, b"two"), (Op.READ, 3, 0, b"three"), (Op.READ, 1, 0, b"one"))
    asks = [(Op.READ, b"/%d\0" % number) for number in range(3)]
    assert client.ask_all(asks) == [b"one", b"two", b"three"]


def test_events_before_the_answer(pair: PairConnection) -> None:
    """As XenBus does it: the first event may come before the answer to the watch."""
    client = client_over(pair)
    pair.answer((Op.WATCH_EVENT, 0, 0, b"/a\0token\0"), (Op.WATCH, 1, 0, b"OK\0"))
    monitor = client.monitor()
    monitor.watch("/a", b"token")
    assert next(monitor.wait()) == (b"/a", b"token")


def test_a_refused_watch_leaves_nothing(pair: PairConnection) -> None:
    client = client_over(pair)
    pair.answer((Op.WATCH_EVENT, 0, 0, b"/a\0token\0"), (Op.ERROR, 1, 0, b"EEXIST\0"))
    monitor = client.monitor()
    with pytest.raises(PyXSError):
        monitor.watch("/a", b"token")
    assert monitor.watched == set()
    pair.answer((Op.WATCH_EVENT, 0, 0, b"/a\0token\0"))
    with pytest.raises(Timeout):
        next(monitor.wait(timeout=0.05))


@pytest.mark.parametrize(
    ("packet", "words"),
    [
        ((Op.READ, 99, 0, b"x"), r"answer \(READ\) to request 99, which was not made"),
        ((Op.WRITE, 1, 0, b"OK\0"), "answered READ with WRITE"),
        ((77, 1, 0, b""), "answered READ with 77"),
        ((Op.ERROR, 1, 0, b"EWHAT\0"), "unknown error, b'EWHAT'"),
        ((Op.WATCH_EVENT, 0, 0, b"only a path\0"), "event without"),
        ((Op.WATCH_EVENT, 0, 0, b""), "event without"),
    ],
)
def test_what_is_no_answer_is_told_at_once(pair: PairConnection, packet: t.Any, words: str) -> None:
    client = client_over(pair)
    pair.answer(packet)
    began = time.monotonic()
    with pytest.raises(UnexpectedPacket, match=words):
        client.read("/a")
    assert time.monotonic() - began < 1


def test_after_a_strange_packet_the_conversation_is_over(pair: PairConnection) -> None:
    client = client_over(pair)
    pair.answer((Op.READ, 99, 0, b"x"))
    with pytest.raises(UnexpectedPacket):
        client.read("/a")
    with pytest.raises(ConnectionError, match="not connected"):
        client.read("/a")


@pytest.mark.parametrize("window", [1, 2, 7, 256])
def test_never_more_on_their_way_than_the_window(window: int) -> None:
    """Of XenBus it is one: the kernel takes one packet a write."""
    pair = PairConnection(window)
    client = client_over(pair)
    received, most = 0, 0

    def serve() -> None:
        nonlocal received, most
        packets = pair.asked()
        most = max(most, len(packets))
        received += len(packets)
        pair.answer(*[(op, rq_id, tx_id, payload[1:-1]) for op, rq_id, tx_id, payload in packets])

    plain = pair.receive

    def receive(deadline: float, sure: int = 1) -> t.Any:
        serve()
        return plain(deadline, sure)

    pair.receive = receive  # type: ignore[method-assign]
    answers = client.ask_all([(Op.READ, b"/%d\0" % number) for number in range(100)])
    assert answers == [b"%d" % number for number in range(100)]
    assert received == 100
    assert most == min(window, 100)
    pair.end()


def test_request_ids_wrap(pair: PairConnection) -> None:
    client = client_over(pair)
    client.router._last_id = 0xFFFFFFFE
    pair.answer((Op.READ, 0xFFFFFFFF, 0, b"a"), (Op.READ, 1, 0, b"b"))
    assert client.ask_all([(Op.READ, b"/a\0"), (Op.READ, b"/b\0")]) == [b"a", b"b"]


@pytest.mark.parametrize("part", [0, 1, 15, 16, 17])
def test_deadlines(pair: PairConnection, part: int) -> None:
    """A daemon that says nothing, or half of something."""
    client = client_over(pair, timeout=0.1)
    pair.daemon.sendall(encode(Op.READ, 1, 0, b"value")[:part])
    began = time.monotonic()
    with pytest.raises(Timeout, match="XenStore READ /a: "):
        client.read("/a")
    assert 0.1 <= time.monotonic() - began < 1


def test_events_do_not_push_a_deadline_on(pair: PairConnection) -> None:
    client = client_over(pair, timeout=0.2)
    plain = pair.receive

    def receive(deadline: float, sure: int = 1) -> t.Any:
        pair.answer((Op.WATCH_EVENT, 0, 0, b"/a\0token\0"))
        time.sleep(0.01)
        return plain(deadline, sure)

    pair.receive = receive  # type: ignore[method-assign]
    began = time.monotonic()
    with pytest.raises(Timeout):
        client.read("/a")
    assert time.monotonic() - began < 2


def test_a_hang_up_names_what_was_not_answered(pair: PairConnection) -> None:
    client = client_over(pair)
    pair.answer((Op.READ, 1, 0, b"a"))
    pair.daemon.shutdown(1)
    with pytest.raises(ConnectionError, match="XenStore READ /b: .* the daemon closed the connection") as caught:
        client.ask_all([(Op.READ, b"/a\0"), (Op.READ, b"/b\0")])
    assert caught.value.errno == errno.ECONNRESET


def test_an_interrupt_ends_the_conversation(pair: PairConnection) -> None:
    """The answer that is still to come would be taken for one to the next question."""
    client = client_over(pair)

    def interrupted(deadline: float, sure: int = 1) -> t.Any:
        raise KeyboardInterrupt

    pair.receive = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        client.read("/a")
    assert not client.router.is_connected


class TestRouter:
    """As pyxs has it: requests are sent, and their answers asked for later."""

    def test_answers_later(self, pair: PairConnection) -> None:
        router = Router(pair)
        router.start()
        first, second = router.send(Packet(Op.READ, b"/a\0", 10)), router.send(Packet(Op.READ, b"/b\0", 11))
        pair.answer((Op.ERROR, 10, 0, b"ENOENT\0"), (Op.READ, 11, 0, b"b"))
        assert second.get() == (Op.READ, 11, 0, b"b")
        assert first.get() == (Op.ERROR, 10, 0, b"ENOENT\0")
        assert first.get() == (Op.ERROR, 10, 0, b"ENOENT\0")

    def test_an_id_twice(self, pair: PairConnection) -> None:
        router = Router(pair)
        router.start()
        router.send(Packet(Op.READ, b"/a\0", 10))
        with pytest.raises(PyXSError, match="on its way already"):
            router.send(Packet(Op.READ, b"/a\0", 10))

    def test_terminated_before_the_answer(self, pair: PairConnection) -> None:
        router = Router(pair)
        router.start()
        answer = router.send(Packet(Op.READ, b"/a\0", 10))
        router.terminate()
        with pytest.raises(ConnectionError, match="XenStore READ /a: the connection was closed"):
            answer.get()


def test_values_are_not_in_descriptions() -> None:
    assert describe((Op.WRITE, b"/a\0secret")) == "XenStore WRITE /a"
    assert describe((77, b"")) == "XenStore 77"
