# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refusals of the real kernel: each one sentence, and everything as before."""

from __future__ import annotations

import errno
import multiprocessing
import os

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.channel import NetlinkSocket
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.errors import (
    NetlinkEncodeError,
    NetlinkError,
    NoSuchNamespace,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl import link

NOBODY = 65534
fork = multiprocessing.get_context("fork")


def links(sock):
    return sock.dump(link.dump(), link.decode)


@pytest.fixture
def br0(rtnl):
    """The index of a bridge."""
    rtnl.ask(link.new("br0", "bridge"))
    return rtnl.ask(link.get(name="br0"), link.decode)[0]["ifindex"]


REFUSED = {
    "a kind that no module brings": (
        lambda index: link.new("x0", "nosuchkind"),
        "RTM_NEWLINK x0: Unknown device type (Operation not supported)",
    ),
    "a name that is taken": (
        lambda index: link.new("br0", "bridge"),
        "RTM_NEWLINK br0: File exists",
    ),
    "a name with a slash": (
        lambda index: link.new("a/b", "bridge"),
        "RTM_NEWLINK a/b: Invalid argument",
    ),
    "a name with a blank": (
        lambda index: link.new("a b", "bridge"),
        "RTM_NEWLINK a b: Invalid argument",
    ),
    "an MTU beyond the device's": (
        lambda index: link.change(index, "br0", mtu=70000),
        "RTM_SETLINK br0: mtu greater than device maximum (Invalid argument)",
    ),
    "an MTU below the device's": (
        lambda index: link.change(index, "br0", mtu=1),
        "RTM_SETLINK br0: mtu less than device minimum (Invalid argument)",
    ),
    "a multicast MAC address": (
        lambda index: link.change(index, "br0", address="01:00:5e:00:00:01"),
        "RTM_SETLINK br0: Cannot assign requested address",
    ),
    "a master that is no master": (
        lambda index: link.change(index, "br0", master=1),
        "RTM_SETLINK br0: Operation not supported",
    ),
    "a master that is not there": (
        lambda index: link.change(index, "br0", master=99999),
        "RTM_SETLINK br0: Invalid argument",
    ),
    "a link that is not there": (
        lambda index: link.change(99999, "none", mtu=1400),
        "RTM_SETLINK none: No such device",
    ),
    "a deletion of what cannot go": (
        lambda index: link.delete(1, "lo"),
        "RTM_DELLINK lo: Operation not supported",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_change_nothing(rtnl, br0, case):
    make, sentence = REFUSED[case]
    before = links(rtnl)
    with pytest.raises(NetlinkError) as caught:
        rtnl.ask(make(br0))
    assert str(caught.value) == sentence
    assert links(rtnl) == before


def test_a_bridge_as_port_of_itself(rtnl, br0):
    with pytest.raises(NetlinkError, match="^RTM_SETLINK br0: Can not enslave a bridge to a bridge"):
        rtnl.ask(link.change(br0, "br0", master=br0))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"ifname": "a" * 16}, "ifname: takes up to 15 bytes"),
        ({"mtu": -1}, "mtu: takes 0 to 4294967295"),
        ({"address": "52:54:00"}, "address: takes six bytes"),
        ({"nosuch": 1}, "nosuch: unknown"),
    ],
)
def test_what_cannot_be_said_is_not_sent(br0, values, words):
    with pytest.raises(NetlinkEncodeError, match=f"^{words}"):
        link.change(br0, "br0", **values)


def as_nobody(work):
    """What `work()` returns, or the sentence of what it raises, in a process without privileges."""
    receiving, sending = fork.Pipe(duplex=False)

    def child():
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        try:
            sending.send(work())
        except (NetlinkError, NoSuchNamespace) as error:
            sending.send((type(error).__name__, error.errno, str(error)))

    process = fork.Process(target=child)
    process.start()
    sending.close()
    try:
        return receiving.recv()
    finally:
        process.join(10)
        receiving.close()


def test_nobody_may_read(rtnl, br0):
    request = link.dump()
    assert [found["ifname"] for found in as_nobody(lambda: rtnl.dump(request, link.decode))] == [
        "lo",
        "br0",
    ]


def test_nobody_may_not_write():
    request = link.new("fleet-test-br", "bridge")

    def work():
        with NetlinkSocket() as sock:
            return sock.ask(request)

    kind, code, sentence = as_nobody(work)
    assert (kind, code) == ("NetlinkError", errno.EPERM)
    assert sentence == (
        "RTM_NEWLINK fleet-test-br: Operation not permitted"
        " (root, or CAP_NET_ADMIN in this network namespace, is needed)"
    )


def test_nobody_may_not_enter_a_namespace(netns):
    kind, code, sentence = as_nobody(lambda: NetlinkSocket(netns=netns))
    assert (kind, code) == ("NoSuchNamespace", errno.EPERM)
    assert f"entering network namespace {netns}: " in sentence
    assert "Operation not permitted" in sentence
