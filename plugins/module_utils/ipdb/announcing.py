# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells the neighbours where an address is now, which they remember with the MAC address that it was at.

Else a host whose address went from a NIC to a bridge is not reached by who talked to it a moment ago, until that one
forgets, and the host does not know that it should say anything.

IPv4: an ARP announcement (RFC 5227, section 2.3). IPv6: an unsolicited neighbour advertisement (RFC 4861, 7.2.6).
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import time
import typing as t

from ..netlink.attribute import ip_bytes
from ..netlink.channel import NetlinkSocket
from ..netlink.errors import NetlinkError
from ..netlink.netns import opened_in
from ..netlink.rtnl import link
from .picture import Picture

SIOCGSKNS = 0x894C  # linux/sockios.h: the namespace of a socket
ETH_P_IP, ETH_P_ARP, ETH_P_IPV6 = 0x0800, 0x0806, 0x86DD
ARPHRD_ETHER, ARPOP_REQUEST = 1, 1
BROADCAST, NOBODY = b"\xff" * 6, bytes(6)
ALL_NODES = bytes.fromhex("ff020000000000000000000000000001")
ALL_NODES_MAC = bytes.fromhex("333300000001")
ICMPV6, ADVERTISEMENT, OVERRIDE, TARGET_LINK = 58, 136, 0x20000000, 2
HOPS = 255  # what has passed a router is not believed
RUNNING, LOWER_UP = 0x40, 0x10000  # linux/if.h
NOTICED = 2.0  # seconds; the kernel notices carriers once a second at the latest (net/core/link_watch.c)
PAUSE = 0.02


class Place(t.NamedTuple):
    """An address, by text, at the link of that index and name, by MAC address."""

    local: str
    ifindex: int
    name: str
    mac: bytes


def announce(channel: NetlinkSocket, before: Picture, now: Picture) -> None:
    """Tells of all addresses that `before` had elsewhere than `now`. What cannot be sent is not."""
    places = moved(before, now)
    if not places:
        return
    _await_carriers(channel, sorted({place.ifindex for place in places}))
    with _opened(channel) as sender:
        for place in places:
            try:
                sender.sendto(frame(place.local, place.mac), (place.name, 0))
            except OSError:  # the link has gone meanwhile, or is full: they learn it later
                continue


def moved(before: Picture, now: Picture) -> list[Place]:
    """Where those addresses are now that are at links which are up, and were at another link or MAC address."""
    was = {_at(place) for place in _places(before)}
    known = {local for local, _unused, _unused_mac in was}
    return [
        place
        for place in _places(now)
        if place.mac and place.local in known and _at(place) not in was and now.links[place.ifindex]["up"]
    ]


def _await_carriers(channel: NetlinkSocket, indexes: t.Sequence[int]) -> None:
    """Until the kernel sends on links that have a carrier: a new bridge drops what is sent before it noticed."""
    deadline = time.monotonic() + NOTICED
    while time.monotonic() < deadline and any(_is_unnoticed(channel, index) for index in indexes):
        time.sleep(PAUSE)


def _is_unnoticed(channel: NetlinkSocket, index: int) -> bool:
    try:
        flags = channel.ask(link.get(index), link.decode)[0]["flags"]
    except NetlinkError:  # it has gone meanwhile
        return False
    return bool(flags & LOWER_UP and not flags & RUNNING)


def _at(place: Place) -> tuple[str, int, bytes]:
    return place.local, place.ifindex, place.mac


def _places(picture: Picture) -> t.Iterator[Place]:
    for address in picture.addresses.values():
        link = picture.links.get(address["index"])
        if link is not None and address["scope"] != "host":
            yield Place(address["local"], address["index"], link["ifname"], _ethernet(link.get("address")))


def _ethernet(mac: str | None) -> bytes:
    """Empty where a link has no MAC address of that length, or only zeros."""
    try:
        found = bytes.fromhex((mac or "").replace(":", ""))
    except ValueError:
        return b""
    return found if len(found) == 6 and any(found) else b""


def frame(local: str, mac: bytes) -> bytes:
    """The Ethernet frame that says that `local` is at `mac`."""
    address = ip_bytes(local)
    if len(address) == 4:
        return BROADCAST + mac + struct.pack("!H", ETH_P_ARP) + _arp(address, mac)
    return ALL_NODES_MAC + mac + struct.pack("!H", ETH_P_IPV6) + _advertisement(address, mac)


def _arp(address: bytes, mac: bytes) -> bytes:
    head = struct.pack("!HHBBH", ARPHRD_ETHER, ETH_P_IP, 6, 4, ARPOP_REQUEST)
    return head + mac + address + NOBODY + address


def _advertisement(address: bytes, mac: bytes) -> bytes:
    rest = struct.pack("!I", OVERRIDE) + address + struct.pack("!BB", TARGET_LINK, 1) + mac
    length = 4 + len(rest)
    ends = address + ALL_NODES
    pseudo = ends + struct.pack("!II", length, ICMPV6)
    total = _checksum(pseudo + struct.pack("!BBH", ADVERTISEMENT, 0, 0) + rest)
    head = struct.pack("!IHBB", 6 << 28, length, ICMPV6, HOPS) + ends
    return head + struct.pack("!BBH", ADVERTISEMENT, 0, total) + rest


def _checksum(data: bytes) -> int:
    """Of an even number of bytes (RFC 1071)."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _opened(channel: NetlinkSocket) -> socket.socket:
    """A socket that only sends, in the namespace of the channel, whose name may be gone by now."""

    def here() -> socket.socket:
        return socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)

    if channel.netns is None:
        return here()
    namespace = fcntl.ioctl(channel.fileno(), SIOCGSKNS)
    try:
        return opened_in(f"/proc/self/fd/{namespace}", here)
    finally:
        os.close(namespace)
