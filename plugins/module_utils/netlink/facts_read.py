# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what the network facts are made of: rtnetlink, and for NICs the names and speeds that it does not tell."""

from __future__ import annotations

import array
import fcntl
import os
import socket
import struct
import typing as t

from .channel import NetlinkSocket
from .errors import NetlinkError
from .facts import Device, Object, Route, facts
from .message import Request
from .netns import NetNS, opened_in
from .rtnl import address, link, route
from .rtnl.numbers import AF_INET, AF_INET6, RTM_GETROUTE
from .rtnl.prefix import parse

# Hosts in the outside, those that `setup` takes: nothing is sent to them.
OUTSIDE = {"inet": "8.8.8.8", "inet6": "2404:6800:400a:800::1012"}
FAMILIES = {"inet": AF_INET, "inet6": AF_INET6}

SIOCETHTOOL = 0x8946
ETHTOOL_GSET = 1
IFREQ = struct.Struct("16sP24x")  # struct ifreq: the name and a pointer to the command
ETHTOOL_CMD = 44  # bytes of struct ethtool_cmd (linux/ethtool.h)
SPEED, SPEED_HIGH = struct.Struct("=12xH"), struct.Struct("=28xH")
IFF_UP = 0x1
ARPHRD_LOOPBACK = 772


def read(netns: NetNS = None, timeout: float = 30.0) -> Object:
    """The facts of a network namespace, by their names without `ansible_`.

    `timeout`: seconds that the kernel may take for any one answer. Raises NoSuchNamespace, NetlinkError,
    NetlinkTimeout, DumpInterrupted.
    """
    with NetlinkSocket(netns=netns, timeout=timeout) as sock:
        links = sock.dump(link.dump(), link.decode)
        addresses = sock.dump(address.dump(), address.decode)
        local = sock.dump(route.dump(table="local", type="local"), route.decode)
        names = {one["ifindex"]: one["ifname"] for one in links}
        routes = {family: _route_to(sock, family, names) for family in OUTSIDE}
    return facts(links, addresses, local, routes, devices(links, netns))


def _route_to(sock: NetlinkSocket, family: str, names: t.Mapping[int, str]) -> Route | None:
    """How a packet to the outside leaves; None where it does not."""
    host = parse(OUTSIDE[family])
    header = route.RTMSG.pack(FAMILIES[family], host.length, 0, 0, 0, 0, 0, 0, 0)
    body = header + route.TABLE.encode({"dst": host.address})
    request = Request(f"RTM_GETROUTE {host.address}", RTM_GETROUTE, 0, body, route.TABLE, route.RTMSG.size)
    try:
        found = sock.ask(request, route.decode)[0]
    except NetlinkError:  # ENETUNREACH, EHOSTUNREACH, EACCES, EINVAL: the errno is the type of the route found
        return None
    if found["type"] != "unicast" or found.get("oif") not in names:
        return None
    gateway = found.get("gateway") or found.get("via", {}).get("host")
    return Route(names[found["oif"]], found.get("prefsrc"), gateway)


def devices(links: t.Iterable[Object], netns: NetNS) -> dict[int, Device]:
    """Driver, bus address and speed, by index of the link."""
    sock = opened_in(netns, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC))
    with sock:
        return {one["ifindex"]: _device(one, sock) for one in links}


def _device(one: Object, sock: socket.socket) -> Device:
    speed = _speed(one["ifname"], sock) if one["flags"] & IFF_UP else None
    directory = _directory(one)
    if not directory:
        return Device(speed=speed)
    module = f"{directory}/driver/module"  # not there where the driver is built in
    return Device(_target(module) if os.path.exists(module) else "", _target(directory), speed)


def _target(path: str) -> str:
    return os.path.basename(os.path.realpath(path))


def _directory(one: Object) -> str:
    """Where sysfs keeps the device that a link is of; "" for a virtual one.

    Links by name are those of the namespace that /sys was mounted in, so where the kernel does not tell the device
    (before Linux 5.14) their index is compared.
    """
    if "parentdev" in one:
        return f"/sys/bus/{one['parentbus']}/devices/{one['parentdev']}"
    if "linkinfo" in one or one["type"] == ARPHRD_LOOPBACK:
        return ""
    directory = f"/sys/class/net/{one['ifname']}"
    try:
        with open(f"{directory}/ifindex", encoding="ascii") as file:
            same = int(file.read()) == one["ifindex"]
    except (OSError, ValueError):
        return ""
    return f"{directory}/device" if same and os.path.exists(f"{directory}/device") else ""


def _speed(name: str, sock: socket.socket) -> int | None:
    """Mbit/s, -1 where the link does not know; None where it has no such thing."""
    command = array.array("I", bytes(ETHTOOL_CMD))
    command[0] = ETHTOOL_GSET
    request = IFREQ.pack(name.encode(), command.buffer_info()[0])
    try:
        fcntl.ioctl(sock, SIOCETHTOOL, request)
    except OSError:
        return None
    low, high = SPEED.unpack_from(command)[0], SPEED_HIGH.unpack_from(command)[0]
    speed = high << 16 | low
    return -1 if speed == 0xFFFFFFFF else speed
