# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a daemon sends, the client raises its own errors, in time."""

from __future__ import annotations

import time
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore import server, tree, waiting
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.client import Client
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.errors import PyXSError, UnexpectedPacket
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.nodes import place, planner, wanted
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.nodes.place import NoSuchDomain
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.packet import OPERATIONS, Op, encode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.xenstore.wire import PairConnection, client_over

LIMIT = 0.05  # seconds for an answer
SLACK = 5.0  # of a busy machine


def task(client: Client) -> t.Any:
    item = {name: about.get("default") for name, about in wanted.NODE.items()}
    meant = wanted.parse(client, [{**item, "domid": 5, "path": "a", "tree": {"b": "c"}, "purge": True}], False)
    return planner.observe(client, meant)


ACTS: dict[str, t.Callable[[Client], t.Any]] = {
    "read": lambda client: client.read("/a"),
    "write": lambda client: client.write("/a", b"b"),
    "list": lambda client: client.list("/a"),
    "permissions": lambda client: client.get_perms("/a"),
    "walk": lambda client: list(client.walk("/a")),
    "fetch": lambda client: tree.fetch(client, b"/a", permissions=True),
    "transaction": lambda client: client.in_transaction(lambda: client.read("/a"), attempts=3),
    "path": lambda client: client.get_domain_path(1),
    "introduced": lambda client: client.is_domain_introduced(1),
    "watch": lambda client: client.monitor().watch("/a", b"t"),
    "wait": lambda client: next(client.monitor().wait(timeout=LIMIT)),
    "wait for": lambda client: waiting.wait_for(client, {"/a": waiting.absent}, LIMIT),
    "control": lambda client: server.control(client, "help"),
    "features": server.get_features,
    "accounts": lambda client: server.accounts(client, [1]),
    "names": place.names,
    "task": task,
}

ids = st.one_of(st.integers(0, 12), st.sampled_from([server.PROBE_ID, server.PROBE_ID + 1]), st.integers(0, 0xFFFFFFFF))
texts = st.sampled_from(
    [b"", b"\0", b"OK\0", b"T\0", b"F\0", b"1\0", b"n0\0", b"a\0b\0", b"a", b"//\0", b"1\0a\0\0", b"ENOENT\0",
     b"E2BIG\0", b"EAGAIN\0", b"/a\0t\0", b"99999999999\0", b"-1\0", b"dom1 quota: 5/10", b"nodes : 5\n", b"\xff\xfe\0"]
)  # fmt: skip
payloads = st.one_of(texts, st.binary(max_size=40))
plausible = st.builds(
    lambda op, rq_id, payload: encode(op, rq_id, 0, payload),
    st.sampled_from(sorted(OPERATIONS.values())),
    ids,
    payloads,
)
streams = st.one_of(st.binary(max_size=300), st.lists(plausible, max_size=10).map(b"".join))


def survive(act: t.Callable[[Client], t.Any], stream: bytes, hang_up: bool) -> None:
    pair = PairConnection()
    try:
        client = client_over(pair, timeout=LIMIT)
        pair.daemon.sendall(stream)
        if hang_up:
            pair.daemon.shutdown(1)
        began = time.monotonic()
        try:
            act(client)
        except (PyXSError, NoSuchDomain) as error:
            assert str(error)
        assert time.monotonic() - began < SLACK
    finally:
        pair.end()


@pytest.mark.parametrize("name", ACTS)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(stream=streams)
def test_any_stream_and_a_hang_up(name: str, stream: bytes) -> None:
    survive(ACTS[name], stream, True)


@pytest.mark.parametrize("name", ACTS)
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(stream=streams)
def test_any_stream_and_silence(name: str, stream: bytes) -> None:
    survive(ACTS[name], stream, False)


@pytest.mark.parametrize("name", ACTS)
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(answers=st.lists(st.tuples(st.booleans(), payloads), min_size=1, max_size=12))
def test_any_answers_to_what_was_asked(name: str, answers: list[tuple[bool, bytes]]) -> None:
    """Each request is answered, in order, by something."""
    pair = PairConnection()
    try:
        client = client_over(pair, timeout=LIMIT)
        plain, served = pair.receive, [0]

        def receive(deadline: float, sure: int = 1) -> t.Any:
            packets: list[t.Any] = []
            for op, rq_id, tx_id, _asked in pair.asked():
                wrong, payload = answers[served[0] % len(answers)]
                served[0] += 1
                packets.append((Op.ERROR if wrong else op, rq_id, tx_id, payload))
            if served[0] < 20000:  # a tree that grows at each level is as good as one that ends in a hang-up
                pair.answer(*packets)
            else:
                pair.daemon.shutdown(1)
            return plain(deadline, sure)

        pair.receive = receive  # type: ignore[method-assign]
        began = time.monotonic()
        try:
            ACTS[name](client)
        except (PyXSError, NoSuchDomain) as error:
            assert str(error)
        assert time.monotonic() - began < SLACK
    finally:
        pair.end()


def test_a_tree_without_a_bottom() -> None:
    """Each node has one child: no path is as long, so the daemon makes it up."""
    pair = PairConnection()
    client = client_over(pair)
    plain = pair.receive

    def receive(deadline: float, sure: int = 1) -> t.Any:
        pair.answer(*[(op, rq_id, 0, b"a\0") for op, rq_id, _tx_id, _asked in pair.asked()])
        return plain(deadline, sure)

    pair.receive = receive  # type: ignore[method-assign]
    with pytest.raises(UnexpectedPacket, match="than there can be"):
        list(client.walk("/"))
    pair.end()
