# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The socket against a kernel of literal bytes: what comes late, broken, from others, or never."""

from __future__ import annotations

import errno
import itertools
import os
import socket
import struct
import threading
import time

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink import channel, netns
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.channel import NetlinkSocket
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.errors import (
    DumpInterrupted,
    NetlinkDecodeError,
    NetlinkError,
    NetlinkOverrun,
    NetlinkTimeout,
    NoSuchNamespace,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.message import (
    HEADER,
    NLM_F_CAPPED,
    NLM_F_DUMP_INTR,
    NLMSG_DONE,
    NLMSG_ERROR,
    Request,
    split,
)

ANSWER = 16
KERNEL = (0, 0)
IT = Request("IT", 18, 0, b"\0\0\0\0")
OVERRUN = OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))


class Kernel:
    """A socket whose other end is a list: what `answer(sequence)` gives for each send."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.queue = []
        self.sent = []
        self.blocking = True
        self.buffer = 212992
        self.privileged = True
        self.closed = False
        self.options = {}

    def send(self, data):
        self.sent.append(data)
        if self.answers:
            first = next(split(data)).sequence
            self.queue += self.answers.pop(0)(first)

    def recvmsg(self, size):
        if not self.queue:
            raise socket.timeout if self.blocking else BlockingIOError(errno.EAGAIN, "")
        found = self.queue.pop(0)
        if isinstance(found, OSError):
            raise found
        data, sender, flags = found if isinstance(found, tuple) else (found, KERNEL, 0)
        return data, [], flags, sender

    def recv(self, size):
        return self.recvmsg(size)[0]

    def setsockopt(self, level, option, value):
        if option == channel.SO_RCVBUFFORCE and not self.privileged:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        self.options[level, option] = value

    def getsockopt(self, level, option):
        return self.buffer

    def settimeout(self, seconds):
        assert seconds > 0
        self.blocking = True

    def setblocking(self, blocking):
        self.blocking = blocking

    def bind(self, address):
        assert address == KERNEL

    def close(self):
        self.closed = True


@pytest.fixture
def clock(monkeypatch):
    """Time that moves by a tenth of a second whenever somebody looks, and no real sleep."""
    ticks = itertools.count()
    slept = []
    monkeypatch.setattr(channel.time, "monotonic", lambda: next(ticks) / 10)
    monkeypatch.setattr(channel.time, "sleep", slept.append)
    return slept


@pytest.fixture
def talk(monkeypatch, clock):
    """`talk(kernel)`: a NetlinkSocket whose other end is `kernel`."""

    def open_to(kernel):
        monkeypatch.setattr(channel, "_opened", lambda protocol, netns: kernel)
        return NetlinkSocket(timeout=5)

    return open_to


def reply(sequence, payload=b"", kind=ANSWER, flags=0):
    padding = b"\0" * (-len(payload) & 3)
    return HEADER.pack(16 + len(payload), kind, flags, sequence, 0) + payload + padding


def end(sequence, code=0, flags=0):
    return reply(sequence, struct.pack("=i", -code), NLMSG_DONE, flags)


def acknowledged(sequence, code=0):
    quoted = HEADER.pack(20, 20, 0, sequence, 0)
    return reply(sequence, struct.pack("=i", -code) + quoted, NLMSG_ERROR, NLM_F_CAPPED)


def text(data, start, stop):
    return data[start:stop].decode()


def test_a_dump(talk):
    kernel = Kernel(lambda n: [reply(n, b"one") + reply(n, b"two"), reply(n, b"three") + end(n)])
    assert talk(kernel).dump(IT, text) == ["one", "two", "three"]


def test_an_interrupted_dump_is_asked_for_again_and_never_mixed(talk):
    kernel = Kernel(
        lambda n: [reply(n, b"old"), reply(n, b"half", flags=NLM_F_DUMP_INTR) + end(n)],
        lambda n: [reply(n, b"new") + end(n, flags=NLM_F_DUMP_INTR)],
        lambda n: [reply(n, b"whole") + end(n)],
    )
    assert talk(kernel).dump(IT, text) == ["whole"]
    assert len(kernel.sent) == 3


def test_a_dump_that_is_always_interrupted_gives_up(talk, clock):
    answers = [lambda n: [reply(n, b"x", flags=NLM_F_DUMP_INTR) + end(n)]] * (channel.ATTEMPTS + 5)
    kernel = Kernel(*answers)
    with pytest.raises(DumpInterrupted, match="IT: the table changed during each of 40"):
        talk(kernel).dump(IT, text)
    assert len(kernel.sent) == channel.ATTEMPTS
    assert sum(clock) < 1, "seconds slept in between"


def test_an_overrun_dump_is_asked_for_again(talk):
    kernel = Kernel(
        lambda n: [reply(n, b"old"), OVERRUN, reply(n, b"rest"), OVERRUN, end(n)],
        lambda n: [reply(n, b"whole") + end(n)],
    )
    assert talk(kernel).dump(IT, text) == ["whole"]
    assert kernel.queue == []


def test_answers_to_an_earlier_question_are_passed_over(talk):
    kernel = Kernel(lambda n: [reply(n - 1, b"late"), reply(n, b"x"), end(n - 1), reply(0, b"event"), end(n)])
    sock = talk(kernel)
    assert sock.dump(IT, text) == ["x"]


def test_only_the_kernel_is_heard(talk):
    kernel = Kernel(
        lambda n: [
            (reply(n, b"forged") + end(n), (4711, 0), 0),
            reply(n, b"real") + end(n),
        ]
    )
    assert talk(kernel).dump(IT, text) == ["real"]


def test_a_silent_kernel_is_not_waited_for_for_ever(talk):
    with pytest.raises(NetlinkTimeout, match="IT: no answer from the kernel in time"):
        talk(Kernel()).dump(IT, text)
    with pytest.raises(NetlinkTimeout, match="IT: no answer from the kernel in time"):
        talk(Kernel()).ask(IT)


def test_a_chatty_stranger_does_not_extend_the_deadline(talk):
    kernel = Kernel(lambda n: [(end(n), (4711, 0), 0)] * 10_000)
    with pytest.raises(NetlinkTimeout):
        talk(kernel).dump(IT, text)


def test_a_socket_serves_again_after_a_dump_that_broke_off(talk):
    def broken(data, start, stop):
        raise NetlinkDecodeError("no such thing")

    kernel = Kernel(
        lambda n: [reply(n, b"x"), reply(n, b"y"), end(n)],
        lambda n: [reply(n, b"whole") + end(n)],
    )
    sock = talk(kernel)
    with pytest.raises(NetlinkDecodeError):
        sock.dump(IT, broken)
    assert kernel.queue == [], "the rest of it is read, or the kernel refuses the next dump"
    assert sock.dump(IT, text) == ["whole"]


def test_a_socket_serves_again_after_an_overrun_batch(talk):
    kernel = Kernel(
        lambda n: [acknowledged(n, errno.EEXIST), OVERRUN, acknowledged(n + 1, errno.EEXIST)],
        lambda n: [acknowledged(n)],
    )
    sock = talk(kernel)
    with pytest.raises(NetlinkOverrun):
        sock.batch([IT, IT, IT])
    assert kernel.queue == []
    assert sock.batch([IT]) == [None]


def test_a_truncated_datagram_is_an_overrun(talk):
    kernel = Kernel(lambda n: [(acknowledged(n), KERNEL, socket.MSG_TRUNC)])
    with pytest.raises(NetlinkOverrun, match="larger than 131072 bytes"):
        talk(kernel).ask(IT)


def test_other_socket_errors_are_not_hidden(talk):
    kernel = Kernel(lambda n: [OSError(errno.ENETDOWN, os.strerror(errno.ENETDOWN))])
    with pytest.raises(OSError) as caught:
        talk(kernel).ask(IT)
    assert caught.value.errno == errno.ENETDOWN


def test_a_refused_dump_is_not_repeated(talk):
    kernel = Kernel(lambda n: [acknowledged(n, errno.EOPNOTSUPP)])
    with pytest.raises(NetlinkError, match="IT: Operation not supported"):
        talk(kernel).dump(IT, text)
    assert len(kernel.sent) == 1


def test_asking_gives_answers_or_the_refusal(talk):
    kernel = Kernel(
        lambda n: [reply(n, b"one") + reply(n, b"two"), acknowledged(n)],
        lambda n: [acknowledged(n, errno.ENODEV)],
        lambda n: [acknowledged(n)],
    )
    sock = talk(kernel)
    assert sock.ask(IT, text) == ["one", "two"]
    with pytest.raises(NetlinkError, match="IT: No such device"):
        sock.ask(IT, text)
    assert sock.ask(IT) == []


def test_a_batch_in_several_sends_keeps_the_order_of_outcomes(talk):
    def answer(n):
        return [acknowledged(n, errno.EEXIST), acknowledged(n + 15)]

    kernel = Kernel(*[answer] * 3)
    kernel.buffer = channel.ACK_COST  # room for few acknowledgements: 16 requests a send
    outcomes = talk(kernel).batch([IT] * 48)
    assert [index for index, outcome in enumerate(outcomes) if outcome] == [0, 16, 32]
    assert len(kernel.sent) == 3


def failing_first(n):
    return [acknowledged(n, errno.EEXIST), acknowledged(n + 15)]


def test_sends_that_are_made_ahead_keep_the_order_of_outcomes(talk):
    kernel = Kernel(*[failing_first] * 20)
    kernel.buffer = channel.ACK_COST
    outcomes = talk(kernel).batch(IT for _unused in range(320))
    assert [index for index, outcome in enumerate(outcomes) if outcome] == list(range(0, 320, 16))
    assert [next(split(data)).sequence for data in kernel.sent] == list(range(1, 321, 16))


def test_after_an_overrun_nothing_more_is_made_or_sent(talk):
    made = []
    kernel = Kernel(*[failing_first] * 4, lambda n: [OVERRUN])
    kernel.buffer = channel.ACK_COST
    before = threading.active_count()
    with pytest.raises(NetlinkOverrun):
        talk(kernel).batch(made.append(None) or IT for _unused in range(1600))
    assert len(kernel.sent) == 5
    assert len(made) < 16 * 8
    assert threading.active_count() == before


def test_a_request_that_cannot_be_made_fails_the_batch_in_its_turn(talk):
    def requests():
        yield from [IT] * 80
        raise ValueError("no such value")

    kernel = Kernel(*[failing_first] * 5)
    kernel.buffer = channel.ACK_COST
    with pytest.raises(ValueError, match="no such value"):
        talk(kernel).batch(requests())
    assert len(kernel.sent) == 4  # a send is known to be full when the next request is there


def test_a_request_too_large_fails_alone(talk):
    class Narrow(Kernel):
        def send(self, data):
            if len(data) > 100_000:
                raise OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))
            super().send(data)

    kernel = Narrow(lambda n: [acknowledged(n)], lambda n: [acknowledged(n)])
    big = Request("big", 18, 0, b"\0" * 200_000)
    before, failed, after = talk(kernel).batch([IT, big, IT])
    assert (before, after) == (None, None)
    assert (failed.errno, str(failed)) == (errno.EMSGSIZE, "big: Message too long")


def test_without_privilege_the_systems_limit_is_taken(talk):
    kernel = Kernel()
    kernel.privileged = False
    talk(kernel)
    assert (socket.SOL_SOCKET, socket.SO_RCVBUF) in kernel.options
    assert kernel.options[channel.SOL_NETLINK, channel.NETLINK_EXT_ACK] == 1
    assert kernel.options[channel.SOL_NETLINK, channel.NETLINK_GET_STRICT_CHK] == 1


def test_a_socket_that_cannot_be_set_up_is_closed(talk, monkeypatch):
    kernel = Kernel()
    monkeypatch.setattr(kernel, "bind", lambda address: (_unused for _unused in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        talk(kernel)
    assert kernel.closed


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\0b", "x" * 256, "/a\0b", "no-such"])
def test_names_that_no_namespace_has(name):
    before = os.listdir("/proc/self/fd")
    with pytest.raises(NoSuchNamespace, match="namespace"):
        netns.open_file(name)
    assert os.listdir("/proc/self/fd") == before


def test_a_real_socket_times_out_in_real_time():
    with NetlinkSocket(timeout=0.05) as sock:
        start = time.monotonic()
        with pytest.raises(NetlinkTimeout, match="an event"):
            sock.receive(start + 0.05, "an event")
        assert 0.05 <= time.monotonic() - start < 5
