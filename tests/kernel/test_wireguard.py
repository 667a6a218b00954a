# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real WireGuard devices: set, read back, undone, and packets through them."""

from __future__ import annotations

import base64
import errno
import os
import socket
import subprocess
import time

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink import genl
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.channel import NetlinkSocket
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.errors import NetlinkError
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.netns import opened_in
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl import link
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.wireguard import (
    device as wg,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.wireguard import keys, wire


def new_key():
    return base64.b64encode(os.urandom(32)).decode()


def public_of(private):
    return keys.public_of(keys.private("private_key", private))


@pytest.fixture
def make_wireguard(lacking):
    """Makes wg0 in a namespace."""

    def make(netns):
        with NetlinkSocket(netns=netns) as rtnl:
            try:
                rtnl.ask(link.new("wg0", "wireguard"))
            except NetlinkError as error:
                if error.errno != errno.EOPNOTSUPP:
                    raise
                lacking("wireguard")

    return make


@pytest.fixture
def sock(netns, make_wireguard):
    make_wireguard(netns)
    with genl.GenericSocket(netns=netns) as sock:
        yield sock


def lead(sock, present, goal):
    """Makes one into the other; the device read back."""
    wg.apply(sock, wg.requests(wire.family(sock), "wg0", present, goal))
    return wg.observe(sock, "wg0")


OPTIONS = {
    "private_key": new_key(),
    "listen_port": 51820,
    "fwmark": 0x1234,
    "peers": [
        {
            "public_key": new_key(),
            "preshared_key": new_key(),
            "endpoint": "192.0.2.1:51821",
            "allowed_ips": ["10.1.0.0/16", "fd01::/64", "192.0.2.9"],
            "persistent_keepalive": 25,
        },
        {"public_key": new_key(), "endpoint": "[2001:db8::1]:51822", "allowed_ips": ["0.0.0.0/0"]},
        {"public_key": new_key()},
    ],
}


def test_a_new_device_is_as_said(sock):
    assert wg.observe(sock, "wg0") == wg.NEW


def test_set_read_back_again_and_undone(sock):
    goal = wg.goal(wg.NEW, OPTIONS)
    found = lead(sock, wg.NEW, goal)
    assert found == goal
    assert wg.goal(found, OPTIONS) == found
    assert wg.requests(wire.family(sock), "wg0", found, goal) == []
    assert lead(sock, goal, wg.NEW) == wg.NEW


CHANGES = [
    {"private_key": new_key()},
    {"private_key": ""},
    {"listen_port": 4000, "fwmark": 0},
    {"peers": []},
    {"peers": OPTIONS["peers"][1:]},
    {"peers": [{"public_key": new_key(), "allowed_ips": ["10.1.0.0/16"]}], "replace_peers": False},
    {"peers": [{**OPTIONS["peers"][0], "allowed_ips": ["10.1.0.0/16"]}, *OPTIONS["peers"][1:]]},
    {"peers": [{**OPTIONS["peers"][0], "preshared_key": ""}], "replace_peers": False},
    {"peers": [{**OPTIONS["peers"][0], "preshared_key": new_key()}], "replace_peers": False},
    {"peers": [{**OPTIONS["peers"][0], "persistent_keepalive": 0}], "replace_peers": False},
    {"peers": [{**OPTIONS["peers"][2], "endpoint": "192.0.2.7:7"}], "replace_peers": False},
    {
        "peers": [
            {**OPTIONS["peers"][0], "allowed_ips": OPTIONS["peers"][1]["allowed_ips"]},
            {**OPTIONS["peers"][1], "allowed_ips": OPTIONS["peers"][0]["allowed_ips"]},
        ]
    },
]


@pytest.mark.parametrize("change", CHANGES, ids=range(len(CHANGES)))
def test_each_change_and_its_undoing(sock, change):
    before = lead(sock, wg.NEW, wg.goal(wg.NEW, OPTIONS))
    goal = wg.goal(before, change)
    assert goal != before
    assert lead(sock, before, goal) == goal
    assert lead(sock, goal, before) == before


def test_the_public_key_is_the_kernels(sock):
    for _turn in range(20):
        found = lead(sock, wg.NEW, wg.goal(wg.NEW, {"private_key": new_key()}))
        assert found.public_key == keys.public_of(found.private_key) != ""


def test_a_peer_with_the_devices_new_key_goes(sock):
    private = new_key()
    own = public_of(private)
    before = lead(sock, wg.NEW, wg.goal(wg.NEW, {"peers": [{"public_key": own}]}))
    assert own in before.peers
    goal = wg.goal(before, {"private_key": private})
    assert goal.peers == {}
    assert lead(sock, before, goal) == goal
    assert lead(sock, goal, before) == before


def test_more_than_a_message_holds(sock):
    many = [f"10.{number >> 8}.{number & 255}.0/24" for number in range(3000)]
    peers = [{"public_key": new_key(), "allowed_ips": many, "preshared_key": new_key()}]
    peers += [
        {
            "public_key": new_key(),
            "allowed_ips": [f"fd00:{number:x}::/32"],
            "endpoint": f"192.0.2.1:{1000 + number}",
        }
        for number in range(1, 301)
    ]
    goal = wg.goal(wg.NEW, {**OPTIONS, "peers": peers})
    assert len(wg.requests(wire.family(sock), "wg0", wg.NEW, goal)) > 5
    found = lead(sock, wg.NEW, goal)
    assert found == goal
    fewer = wg.goal(found, {"peers": [{**peers[0], "allowed_ips": many[:1500]}]})
    assert lead(sock, found, fewer) == fewer
    assert lead(sock, fewer, goal) == goal


def test_half_done_is_undone_too(sock):
    goal = wg.goal(wg.NEW, OPTIONS)
    first = wg.goal(wg.NEW, {"peers": OPTIONS["peers"][:1]})
    lead(sock, wg.NEW, first)
    assert lead(sock, goal, wg.NEW) == wg.NEW


def test_what_is_returned_holds_no_secret(sock):
    lead(sock, wg.NEW, wg.goal(wg.NEW, OPTIONS))
    shown = wg.shown(wg.get_device(sock, "wg0"))
    assert shown["private_key"] is True
    assert shown["public_key"] == public_of(OPTIONS["private_key"])
    assert sorted(peer["preshared_key"] for peer in shown["peers"]) == [False, False, True]
    assert OPTIONS["private_key"] not in repr(shown)
    assert OPTIONS["peers"][0]["preshared_key"] not in repr(shown)


def test_what_is_no_wireguard_link(sock, netns):
    with NetlinkSocket(netns=netns) as rtnl:
        rtnl.ask(link.new("br0", "bridge"))
    for name, words in (("br0", "Operation not supported"), ("none", "No such device")):
        with pytest.raises(NetlinkError, match=f"^WG_CMD_GET_DEVICE {name}: {words}"):
            wg.observe(sock, name)


def ip(netns, *words):
    subprocess.run(["ip", "-n", netns, *words], check=True)


def test_packets_between_two_that_share_their_keys(make_netns, make_wireguard):
    here, there = make_netns(), make_netns()
    with NetlinkSocket(netns=here):
        ip(here, "link", "add", "veth0", "type", "veth", "peer", "name", "veth0", "netns", there)
    private, preshared = {here: new_key(), there: new_key()}, new_key()
    for netns, other, own, theirs in ((here, there, 1, 2), (there, here, 2, 1)):
        make_wireguard(netns)
        ip(netns, "addr", "add", f"192.0.2.{own}/24", "dev", "veth0")
        ip(netns, "link", "set", "veth0", "up")
        ip(netns, "addr", "add", f"10.9.0.{own}/24", "dev", "wg0")
        ip(netns, "link", "set", "wg0", "up")
        peer = {
            "public_key": public_of(private[other]),
            "preshared_key": preshared,
            "endpoint": f"192.0.2.{theirs}:51820",
            "allowed_ips": [f"10.9.0.{theirs}/32"],
        }
        options = {"private_key": private[netns], "listen_port": 51820, "peers": [peer]}
        with genl.GenericSocket(netns=netns) as sock:
            present = wg.observe(sock, "wg0")
            lead(sock, present, wg.goal(present, options))
    receiver = opened_in(there, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    sender = opened_in(here, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    with receiver, sender:
        receiver.bind(("10.9.0.2", 7))
        receiver.settimeout(30)
        sender.sendto(b"through the tunnel", ("10.9.0.2", 7))
        assert receiver.recvfrom(100) == (b"through the tunnel", sender_of(sender))
    with genl.GenericSocket(netns=there) as sock:
        (peer,) = wg.shown(wg.get_device(sock, "wg0"))["peers"]
    assert abs(peer["last_handshake_s"] - time.time()) < 60
    assert peer["rx_bytes"] > len(b"through the tunnel")
    assert peer["endpoint"] == "192.0.2.1:51820"


def sender_of(sock):
    return "10.9.0.1", sock.getsockname()[1]
