# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Transactions of several clients at once, and events."""

from __future__ import annotations

import multiprocessing
import time
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore import waiting
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.client import Client
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.errors import Conflict, PyXSError, Timeout

from tests.xenstore.conftest import AnyDaemon, client_of

WRITERS, ROUNDS = 8, 25
SPAWN = multiprocessing.get_context("fork")


def _count_up(daemon: AnyDaemon, counters: list[bytes]) -> None:
    with client_of(daemon, timeout=120) as client:

        def work() -> None:
            for counter in counters:
                client[counter] = b"%d" % (int(client[counter]) + 1)

        for _unused in range(ROUNDS):
            client.in_transaction(work, attempts=100_000)


def test_8_writers_lose_no_update(daemon: AnyDaemon, client: Client, top: bytes) -> None:
    counters = [top + b"/a", top + b"/b"]
    for counter in counters:
        client[counter] = b"0"
    writers = [SPAWN.Process(target=_count_up, args=(daemon, counters)) for _unused in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(180)
    assert [writer.exitcode for writer in writers] == [0] * WRITERS
    assert [client[counter] for counter in counters] == [b"%d" % (WRITERS * ROUNDS)] * 2


def test_attempts_are_bounded(daemon: AnyDaemon, client: Client, top: bytes) -> None:
    client[top + b"/n"] = b"0"
    tried = []
    with client_of(daemon) as other:

        def work() -> None:
            tried.append(client[top + b"/n"])
            client[top + b"/n"] = b"mine"
            other[top + b"/n"] = b"%d" % len(tried)

        with pytest.raises(Conflict, match="each of 5 attempts"):
            client.in_transaction(work, attempts=5)
    assert len(tried) == 5
    assert client[top + b"/n"] == b"5"
    assert client.tx_id == 0


def test_what_fails_in_a_transaction_leaves_nothing(client: Client, top: bytes) -> None:
    def work() -> None:
        client[top + b"/half"] = b""
        raise KeyError("why")

    with pytest.raises(KeyError):
        client.in_transaction(work)
    assert client.list(top) == []
    assert client.tx_id == 0


def test_the_result_is_returned(client: Client, top: bytes) -> None:
    assert client.in_transaction(lambda: client.exists(top)) is True


def test_nobody_sees_the_middle(daemon: AnyDaemon, client: Client, top: bytes) -> None:
    with client_of(daemon) as other:
        client.transaction()
        client[top + b"/a"] = b"1"
        assert client.exists(top + b"/a")
        assert not other.exists(top + b"/a")
        client.rollback()
        assert not client.exists(top + b"/a")


def test_events_of_a_transaction_come_with_its_end(daemon: AnyDaemon, client: Client, top: bytes) -> None:
    with client_of(daemon) as other, other.monitor() as monitor:
        monitor.watch(top, b"token")
        next(monitor.wait())
        client.transaction()
        client[top + b"/a"] = b"1"
        with pytest.raises(Timeout):
            next(monitor.wait(timeout=0.2))
        client.commit()
        assert next(monitor.wait()) == (top + b"/a", b"token")


def test_events_come_while_something_else_is_asked(client: Client, top: bytes) -> None:
    with client.monitor() as monitor:
        monitor.watch(top, b"token")
        for number in range(50):
            client[top + b"/%d" % number] = b""
        paths = {path for path, _unused in (next(monitor.wait()) for _unused in range(51))}
    assert paths == {top, *(top + b"/%d" % number for number in range(50))}


def test_two_monitors_of_one_client(client: Client, top: bytes) -> None:
    with client.monitor() as one, client.monitor() as two:
        one.watch(top + b"/a", b"one")
        two.watch(top + b"/b", b"two")
        assert next(one.wait()) == (top + b"/a", b"one")
        assert next(two.wait()) == (top + b"/b", b"two")
        client[top + b"/b"] = b""
        assert next(two.wait()) == (top + b"/b", b"two")
        with pytest.raises(Timeout):
            next(one.wait(timeout=0.1))


def test_removing_a_parent_tells_the_watched_path(client: Client, top: bytes) -> None:
    client[top + b"/a/b"] = b""
    with client.monitor() as monitor:
        monitor.watch(top + b"/a/b", b"token")
        next(monitor.wait())
        client.delete(top + b"/a")
        assert next(monitor.wait()) == (top + b"/a/b", b"token")


def test_a_second_equal_watch_is_refused(client: Client, top: bytes) -> None:
    with client.monitor() as monitor:
        monitor.watch(top, b"token")
        with pytest.raises(PyXSError, match="WATCH .*: EEXIST"):
            monitor.watch(top, b"token")
        assert next(monitor.wait()) == (top, b"token")
        with pytest.raises(Timeout):
            next(monitor.wait(timeout=0.1))


def _write_later(daemon: AnyDaemon, pause: float, writes: list[tuple[bytes, bytes]]) -> None:
    with client_of(daemon) as client:
        for node, value in writes:
            time.sleep(pause)
            if value == b"-":
                client.delete(node)
            else:
                client[node] = value


class TestWaiting:
    def _wait(
        self, daemon: AnyDaemon, client: Client, writes: list[t.Any], conditions: t.Any, **more: t.Any
    ) -> dict[bytes, bytes | None]:
        writer = SPAWN.Process(target=_write_later, args=(daemon, 0.05, writes))
        writer.start()
        try:
            return waiting.wait_for(client, conditions, **more)
        finally:
            writer.join()

    def test_several_paths(self, daemon: AnyDaemon, client: Client, top: bytes) -> None:
        client[top + b"/gone"] = b""
        a, b, gone = top + b"/a", top + b"/b/c", top + b"/gone"
        writes = [(a, b"no"), (b, b"state 4"), (gone, b"-"), (a, b"yes")]
        conditions = {a: waiting.equals(b"yes"), b: waiting.matches(r"\b4$"), gone: waiting.absent}
        assert self._wait(daemon, client, writes, conditions) == {a: b"yes", b: b"state 4", gone: None}

    def test_any(self, daemon: AnyDaemon, client: Client, top: bytes) -> None:
        conditions = {top + b"/a": waiting.present, top + b"/b": waiting.present}
        found = self._wait(daemon, client, [(top + b"/b", b"1")], conditions, any_of=True)
        assert found == {top + b"/a": None, top + b"/b": b"1"}

    def test_what_holds_already(self, client: Client, top: bytes) -> None:
        assert waiting.wait_for(client, {top: waiting.present}, 0) == {top: b""}

    def test_in_vain(self, client: Client, top: bytes) -> None:
        began = time.monotonic()
        with pytest.raises(waiting.NotYet, match=rf"in vain: {top.decode()}/a is absent") as caught:
            waiting.wait_for(client, {top + b"/a": waiting.present, top: waiting.present}, 0.3)
        assert 0.3 <= time.monotonic() - began < 3
        assert caught.value.missing == [top + b"/a"]
        assert client.exists(top)  # the client lives on
        waiting.wait_for(client, {top: waiting.present}, 0)  # and its watches have ended

    def test_the_first_of_two_values_does_not_do(self, daemon: AnyDaemon, client: Client, top: bytes) -> None:
        """A condition that held once must hold at the end, too."""
        a, b = top + b"/a", top + b"/b"
        writes = [(a, b"1"), (a, b"0"), (b, b"1"), (a, b"1")]
        conditions = {a: waiting.equals(b"1"), b: waiting.equals(b"1")}
        assert self._wait(daemon, client, writes, conditions) == {a: b"1", b: b"1"}
