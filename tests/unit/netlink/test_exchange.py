# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conversations as state alone: what each datagram means for a batch or a dump."""

from __future__ import annotations

import struct

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.errors import (
    NetlinkDecodeError,
    NetlinkError,
    NetlinkOverrun,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.exchange import (
    Batch,
    Dump,
    chunks,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.message import (
    HEADER,
    NLM_F_ACK,
    NLM_F_CAPPED,
    NLM_F_DUMP,
    NLM_F_DUMP_INTR,
    NLM_F_MULTI,
    NLM_F_REQUEST,
    NLMSG_DONE,
    NLMSG_ERROR,
    NLMSG_NOOP,
    NLMSG_OVERRUN,
    Request,
    split,
)

EEXIST, ENODEV = 17, 19
ANSWER = 16  # any type of a family's own


def request(name: str, size: int = 4) -> Request:
    return Request(name, 20, 0, b"\0" * size)


def reply(kind: int, sequence: int, payload: bytes = b"", flags: int = 0) -> bytes:
    padding = b"\0" * (-len(payload) & 3)
    return HEADER.pack(16 + len(payload), kind, flags, sequence, 0) + payload + padding


def acknowledged(sequence: int, code: int = 0) -> bytes:
    quoted = HEADER.pack(20, 20, 0, sequence, 0)
    return reply(NLMSG_ERROR, sequence, struct.pack("=i", -code) + quoted, NLM_F_CAPPED)


def end(sequence: int, code: int = 0, flags: int = 0) -> bytes:
    return reply(NLMSG_DONE, sequence, struct.pack("=i", -code), NLM_F_MULTI | flags)


def text(data: bytes, start: int, stop: int) -> str:
    return data[start:stop].decode()


# Batch


def test_only_the_last_of_a_batch_asks_for_an_acknowledgement():
    sent = list(split(Batch([request(name) for name in "abc"], 10).pack()))
    assert [message.sequence for message in sent] == [10, 11, 12]
    asks = NLM_F_REQUEST | NLM_F_ACK
    assert [message.flags for message in sent] == [NLM_F_REQUEST, NLM_F_REQUEST, asks]


def test_failures_are_kept_by_index():
    batch = Batch([request(name) for name in "abcd"], 10)
    batch.feed(acknowledged(11, EEXIST))
    assert not batch.done
    batch.feed(acknowledged(12, ENODEV) + acknowledged(13))
    assert batch.done
    assert sorted(batch.failures) == [1, 2]
    assert str(batch.failures[1]) == "b: File exists"
    assert batch.failures[2].errno == ENODEV


def test_a_batch_whose_last_request_fails_is_done():
    batch = Batch([request("a"), request("b")], 10)
    batch.feed(acknowledged(11, EEXIST))
    assert batch.done
    assert sorted(batch.failures) == [1]


def test_an_empty_batch_is_done():
    assert Batch([], 1).done
    assert Batch([], 1).pack() == b""


@pytest.mark.parametrize("sequence", [0, 9, 12, 2**32 - 1])
def test_a_batch_passes_over_other_conversations(sequence):
    batch = Batch([request("a"), request("b")], 10, text)
    batch.feed(acknowledged(sequence, EEXIST) + reply(ANSWER, sequence, b"other"))
    assert (batch.done, batch.failures, batch.answers) == (False, {}, {})


def test_answers_are_decoded_and_kept_by_index():
    batch = Batch([request("a"), request("b")], 10, text)
    batch.feed(reply(ANSWER, 11, b"one") + reply(ANSWER, 11, b"two") + acknowledged(11))
    assert batch.answers == {1: ["one", "two"]}
    assert batch.done


def test_answers_nobody_asked_for_are_passed_over():
    batch = Batch([request("a")], 10)
    batch.feed(reply(ANSWER, 10, b"echo") + reply(NLMSG_NOOP, 10))
    assert (batch.done, batch.answers) == (False, {})


def test_lost_messages_are_an_overrun():
    with pytest.raises(NetlinkOverrun):
        Batch([request("a")], 10).feed(reply(NLMSG_OVERRUN, 10))
    with pytest.raises(NetlinkOverrun):
        Dump(request("a"), 10).feed(reply(NLMSG_OVERRUN, 10), text, [])


# Dump


def test_a_dump_of_several_datagrams():
    dump, out = Dump(request("a"), 5), []
    dump.feed(reply(ANSWER, 5, b"one", NLM_F_MULTI) + reply(ANSWER, 5, b"two"), text, out)
    assert not dump.done
    dump.feed(reply(ANSWER, 5, b"three"), text, out)
    dump.feed(end(5), text, out)
    assert dump.done
    assert not dump.interrupted
    assert out == ["one", "two", "three"]


def test_a_dump_asks_for_all():
    (message,) = split(Dump(request("a"), 5).pack())
    assert (message.sequence, message.flags) == (5, NLM_F_REQUEST | NLM_F_DUMP)


def test_what_decodes_to_none_is_left_out():
    out = []
    Dump(request("a"), 5).feed(
        reply(ANSWER, 5, b"x") + reply(ANSWER, 5, b"y"),
        lambda data, start, stop: None if data[start:stop] == b"x" else "",
        out,
    )
    assert out == [""]


@pytest.mark.parametrize("sequence", [0, 4, 6])
def test_a_dump_passes_over_other_conversations(sequence):
    dump, out = Dump(request("a"), 5), []
    dump.feed(reply(ANSWER, sequence, b"x") + end(sequence, ENODEV), text, out)
    dump.feed(reply(NLMSG_OVERRUN, sequence) + reply(ANSWER, sequence, b"", 0x10), text, out)
    assert (dump.done, dump.interrupted, out) == (False, False, [])


@pytest.mark.parametrize(
    "datagram",
    [
        reply(ANSWER, 5, b"x", NLM_F_DUMP_INTR) + end(5),
        reply(ANSWER, 5, b"x") + end(5, flags=NLM_F_DUMP_INTR),
    ],
)
def test_an_interrupted_dump_is_known_as_one(datagram):
    dump = Dump(request("a"), 5)
    dump.feed(datagram, text, [])
    assert dump.done
    assert dump.interrupted


def test_the_end_of_a_dump_may_be_an_error():
    dump = Dump(request("RTM_GETLINK"), 5)
    with pytest.raises(NetlinkError, match="^RTM_GETLINK: No such device$"):
        dump.feed(end(5, ENODEV), text, [])
    assert dump.done


def test_a_refused_dump():
    dump = Dump(request("RTM_GETLINK"), 5)
    with pytest.raises(NetlinkError, match="File exists"):
        dump.feed(acknowledged(5, EEXIST), text, [])


def test_broken_framing_ends_a_conversation():
    broken = reply(ANSWER, 5, b"x") + HEADER.pack(3, ANSWER, 0, 5, 0)
    out = []
    with pytest.raises(NetlinkDecodeError):
        Dump(request("a"), 5).feed(broken, text, out)
    with pytest.raises(NetlinkDecodeError):
        Batch([request("a")], 5, text).feed(broken)


# Chunks


def test_chunks_by_count_and_by_size():
    some = [request(str(index), 80) for index in range(5)]
    assert [len(part) for part in chunks(some, 2, 10_000)] == [2, 2, 1]
    assert [len(part) for part in chunks(some, 100, 100)] == [1] * 5
    assert [len(part) for part in chunks(some, 100, 20_000)] == [5]


def test_the_first_chunks_are_short():
    some = [request(str(index), 80) for index in range(100)]
    assert [len(part) for part in chunks(some, 100, 3200)] == [1, 2, 4, 8, 16, 32, 32, 5]
    assert [len(part) for part in chunks(some, 10, 3200)] == [1, 2, 4, 8, *[10] * 8, 5]
    assert list(chunks([], 2, 100)) == []


def test_chunks_keep_all_in_order():
    some = [request(str(index), index % 50) for index in range(200)]
    parts = list(chunks(some, 7, 180))
    assert [one for part in parts for one in part] == some
    assert all(len(Batch(part, 0).pack()) <= 180 for part in parts)


def test_a_request_larger_than_one_send_goes_alone():
    some = [request("small", 8), request("big", 100), request("small", 8)]
    assert [[one.operation for one in part] for part in chunks(some, 10, 100)] == [["small"], ["big"], ["small"]]


def test_requests_are_taken_as_they_are_needed():
    taken = []
    parts = chunks((taken.append(index) or request(str(index), 80) for index in range(1000)), 10, 20_000)
    next(parts)
    assert len(taken) == 7  # a thirty-second of the size, and the one that did not fit
