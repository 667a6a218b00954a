# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The socket against the real kernel: dumps that hold still, batches that name what failed."""

from __future__ import annotations

import collections
import errno
import multiprocessing
import os
import socket
import time

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink import channel
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink import netns as namespaces
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.channel import NetlinkSocket
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.errors import (
    NetlinkOverrun,
    NetlinkTimeout,
    NoSuchNamespace,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl import address, link

RTNLGRP_LINK = 1
fork = multiprocessing.get_context("fork")


def names(sock):
    return [found["ifname"] for found in sock.dump(link.dump(), link.decode)]


def index_of(sock, name):
    return sock.ask(link.get(name=name), link.decode)[0]["ifindex"]


def open_files():
    return sorted(os.listdir("/proc/self/fd"))


@pytest.fixture
def br0(rtnl):
    """The index of a bridge."""
    rtnl.ask(link.new("br0", "bridge"))
    return index_of(rtnl, "br0")


def test_an_index_is_had_without_a_conversation(rtnl, br0):
    rtnl.ask(link.add_altnames(br0, ["uplink", "an-alternative-name-too-long-for-it"]))
    assert rtnl.index("br0") == rtnl.index("uplink") == br0
    assert rtnl.index("br1") is None
    assert rtnl.index("an-alternative-name-too-long-for-it") is None


# Dumps


def churn(netns, stop, pause):
    """Links come and go, with pauses of so many seconds, until told to stop."""
    with NetlinkSocket(netns=netns) as sock:
        while not stop.is_set():
            sock.batch([link.new(f"churn{n}", "bridge") for n in range(3)])
            for found in sock.dump(link.dump(), link.decode):
                if found["ifname"].startswith("churn"):
                    sock.ask(link.delete(found["ifindex"], found["ifname"]))
                    time.sleep(pause)


def test_dumps_are_whole_while_links_come_and_go(netns, rtnl, monkeypatch):
    stable = {f"stable{n}" for n in range(150)}
    assert not any(rtnl.batch([link.new(name, "bridge") for name in sorted(stable)]))
    attempts = collections.Counter()

    def counting(dump, decode, out, once=rtnl._dump_once):
        interrupted = once(dump, decode, out)
        attempts[interrupted] += 1
        return interrupted

    monkeypatch.setattr(rtnl, "_dump_once", counting)
    # On a slow machine a dump takes long: it has to have a chance to get through.
    began = time.monotonic()
    names(rtnl)
    pause = time.monotonic() - began
    stop = fork.Event()
    churning = fork.Process(target=churn, args=(netns, stop, pause))
    churning.start()
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and (attempts[True] < 5 or attempts[False] < 30):
            found = collections.Counter(names(rtnl))
            assert set(found.values()) == {1}, "every link once"
            assert stable < set(found), "and all that were there all the time"
    finally:
        stop.set()
        churning.join(10)
    assert churning.exitcode == 0
    assert attempts[True] >= 5, "dumps were interrupted, or this test has shown nothing"


def test_a_dump_that_broke_off_does_not_block_the_next(rtnl):
    rtnl.batch([link.new(f"br{n}", "bridge") for n in range(60)])  # more than one datagram

    def stumble(data, start, end):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rtnl.dump(link.dump(), stumble)
    assert len(names(rtnl)) == 61


def test_a_dump_larger_than_the_receive_buffer(rtnl):
    rtnl.batch([link.new(f"br{n}", "bridge") for n in range(60)])
    rtnl._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    assert len(names(rtnl)) == 61


# Batches


def test_thousands_at_once_name_those_that_failed(rtnl, br0):
    wrong = {0, 1, 999, 2500, 2501, 4999}
    requests = [
        address.new(br0, "10.0.0.1/32") if n in wrong else address.new(br0, f"10.1.{n >> 8}.{n & 255}/32")
        for n in range(5000)
    ]
    assert not any(rtnl.batch([address.new(br0, "10.0.0.1/32")]))
    outcomes = rtnl.batch(requests)
    assert {n for n, outcome in enumerate(outcomes) if outcome} == wrong
    assert {outcomes[n].errno for n in wrong} == {errno.EEXIST}
    assert len(rtnl.dump(address.dump(), address.decode)) == 5000 - len(wrong) + 1


def test_thousands_that_all_fail(rtnl, br0):
    requests = [address.new(br0, "10.0.0.1/32")] * 3000
    assert rtnl.batch(requests[:1]) == [None]
    assert [outcome.errno for outcome in rtnl.batch(requests)] == [errno.EEXIST] * 3000


def test_a_batch_that_fits_a_small_receive_buffer(netns, rtnl, br0, monkeypatch):
    monkeypatch.setattr(channel, "SO_RCVBUFFORCE", socket.SO_RCVBUF)
    monkeypatch.setattr(channel, "RECEIVE_BUFFER", 64 << 10)
    too_long = [link.change(br0, "br0", mtu=70000)] * 2000  # refused with the kernel's own words
    with NetlinkSocket(netns=netns) as sock:
        outcomes = sock.batch(too_long)
    assert {str(outcome) for outcome in outcomes} == {
        "RTM_SETLINK br0: mtu greater than device maximum (Invalid argument)"
    }


def test_a_link_that_goes_half_way(rtnl, br0):
    outcomes = rtnl.batch(
        [
            link.change(br0, "br0", mtu=1400),
            link.delete(br0, "br0"),
            link.change(br0, "br0", mtu=1300),
            link.new("br1", "bridge"),
        ]
    )
    assert [outcome and str(outcome) for outcome in outcomes] == [
        None,
        None,
        "RTM_SETLINK br0: No such device",
        None,
    ]
    assert names(rtnl) == ["lo", "br1"]


# Overruns, deadlines, descriptors


def test_an_overrun_batch_is_said_and_leaves_the_socket_usable(rtnl, br0):
    rtnl._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    wrong = [link.delete(99999, "none")] * 200
    with pytest.raises(NetlinkOverrun, match="RTM_DELLINK none: No buffer space"):
        rtnl.batch(wrong)
    rtnl._sock.setsockopt(socket.SOL_SOCKET, channel.SO_RCVBUFFORCE, channel.RECEIVE_BUFFER)
    assert rtnl.batch([link.change(br0, "br0", mtu=1400)]) == [None]
    assert names(rtnl) == ["lo", "br0"]


def test_lost_events_are_an_overrun(netns, rtnl):
    with NetlinkSocket(netns=netns) as listener:
        listener.join([RTNLGRP_LINK])
        listener._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        rtnl.batch([link.new(f"br{n}", "bridge") for n in range(50)])
        with pytest.raises(NetlinkOverrun, match="links"):
            while True:
                listener.receive(time.monotonic() + 5, "links")


def test_silence_ends_at_the_deadline(netns):
    with NetlinkSocket(netns=netns) as listener:
        listener.join([RTNLGRP_LINK])
        start = time.monotonic()
        with pytest.raises(NetlinkTimeout, match="links: no answer"):
            listener.receive(start + 0.2, "links")
        assert 0.2 <= time.monotonic() - start < 10


def test_no_descriptor_is_left_open(make_netns):
    NetlinkSocket().close()  # what is opened once and stays, is opened
    before = open_files()
    for _unused in range(20):
        name = make_netns()
        with NetlinkSocket(netns=name) as sock:
            names(sock)
        for wrong in ("no-such", "/etc/passwd", "a/b", 2**22 + 1):
            with pytest.raises(NoSuchNamespace):
                NetlinkSocket(netns=wrong)
        with pytest.raises(FileExistsError):
            namespaces.create(name)
        with pytest.raises(OSError):
            NetlinkSocket(protocol=9999, netns=name)
    assert open_files() == before


def test_sockets_are_not_inherited():
    with NetlinkSocket() as sock:
        assert not os.get_inheritable(sock.fileno())
