# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What daemons newer than the packaged ones know, with the daemon played: docs/misc/xenstore.txt of Xen."""

from __future__ import annotations

import errno
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore import server
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.client import Client
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.errors import PyXSError, UnexpectedPacket
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.packet import Op

from tests.unit.xenstore.wire import PairConnection, client_over

FOLLOWING = (Op.GET_DOMAIN_PATH, server.PROBE_ID + 1, 0, b"/local/domain/0\0")  # what is asked after an unsure request

Ask = t.Callable[[Client], t.Any]

# what is asked: operation, payload, answer, what it means
KNOWN: list[tuple[Ask, int, bytes, bytes, t.Any]] = [
    (server.get_features, Op.GET_FEATURE, b"", b"7\0", ["reconnection", "error", "watch_depth"]),
    (lambda client: server.get_features(client, 5), Op.GET_FEATURE, b"5\0", b"0\0", []),
    (
        lambda client: server.set_features(client, 5, ["error", "watch_depth", "error"]),
        Op.SET_FEATURE,
        b"5\x006\0",
        b"OK\0",
        None,
    ),
    (server.quota_names, Op.GET_QUOTA, b"", b"nodes watches node-size\0", ["nodes", "watches", "node-size"]),
    (lambda client: server.get_quota(client, "nodes"), Op.GET_QUOTA, b"nodes\0", b"1000\0", 1000),
    (lambda client: server.get_quota(client, "nodes", 5), Op.GET_QUOTA, b"5\0nodes\0", b"20\0", 20),
    (lambda client: server.set_quota(client, "nodes", 30, 5), Op.SET_QUOTA, b"5\0nodes\x0030\0", b"OK\0", None),
    (lambda client: server.control(client, "log", "on"), Op.CONTROL, b"log\0on\0", b"OK\0", "OK"),
]


@pytest.mark.parametrize(("ask", "op", "payload", "answer", "meaning"), KNOWN)
def test_what_is_sent_and_told(
    pair: PairConnection, ask: Ask, op: int, payload: bytes, answer: bytes, meaning: t.Any
) -> None:
    client = client_over(pair)
    pair.answer((op, server.PROBE_ID, 0, answer), FOLLOWING)
    assert ask(client) == meaning
    assert pair.asked()[0] == (op, server.PROBE_ID, 0, payload)


def test_a_request_that_is_dropped(pair: PairConnection) -> None:
    """The one after it is answered, so it never will be."""
    client = client_over(pair)
    pair.answer(FOLLOWING)
    with pytest.raises(PyXSError, match="GET_FEATURE: ENOSYS") as caught:
        server.get_features(client)
    assert caught.value.errno == errno.ENOSYS


def test_what_is_no_number(pair: PairConnection) -> None:
    client = client_over(pair)
    pair.answer((Op.GET_QUOTA, server.PROBE_ID, 0, b"-1\0"), FOLLOWING)
    with pytest.raises(UnexpectedPacket, match="a number was to come"):
        server.get_quota(client, "nodes")


def test_a_watch_of_some_depth(pair: PairConnection) -> None:
    client = client_over(pair)
    pair.answer((Op.WATCH, 1, 0, b"OK\0"))
    client.monitor().watch("/a", b"token", depth=2)
    assert pair.asked() == [(Op.WATCH, 1, 0, b"/a\0token\x002\0")]


def test_quotas_of_single_domains(pair: PairConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a daemon tells them, they hold and not the common ones."""
    answers = {
        (Op.CONTROL, b"quota\0"): b"nodes : 1000\nwatches : 128\n\0",
        (Op.CONTROL, b"quota\x005\0"): b"nodes : 63\nwatches : 12\n\0",
        (Op.GET_QUOTA, b""): b"nodes\0",
        (Op.GET_QUOTA, b"5\0nodes\0"): b"20\0",
    }
    monkeypatch.setattr(server, "ask", lambda client, op, payload: answers[op, payload])
    account = server.accounts(client_over(pair), [5])[5]
    assert account == ({"nodes": 63, "watches": 12}, {"nodes": 20, "watches": 128})
