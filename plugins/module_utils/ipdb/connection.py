# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The links that carry the connection over which we are asked: who comes in by SSH must not be cut off by mistake."""

from __future__ import annotations

import os
import typing as t

from ..netlink.channel import NetlinkSocket
from ..netlink.errors import NetlinkError
from ..netlink.rtnl import route
from .picture import Picture

VARIABLE = b"SSH_CONNECTION="  # ssh(1): address and port of the client, address and port of the server
DEEPEST = 64  # processes between us and the SSH server
NONE = ("", "")


def ends() -> tuple[str, str]:
    """The addresses of the SSH session, theirs and ours; empty ones where we are not run by one.

    What is lost on the way (sudo clears the environment) is found with the processes above us.
    """
    pid = os.getpid()
    for _unused in range(DEEPEST):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                variables = file.read().split(b"\0")
            with open(f"/proc/{pid}/stat", "rb") as file:
                pid = int(file.read().rpartition(b")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return NONE
        for variable in variables:
            words = variable[len(VARIABLE) :].decode("ascii", "replace").split(" ")
            if variable.startswith(VARIABLE) and len(words) == 4:
                return words[0], words[2]
        if pid <= 1:
            return NONE
    return NONE


def carrying(channel: NetlinkSocket, picture: Picture, address: str) -> list[str]:
    """Names of the links that packets to `address` go by: the one that it is routed by, and all below and above it."""
    if not address:
        return []
    address, _unused, zone = address.partition("%")
    index = picture.index_of(zone) if zone else _way(channel, address)
    found: dict[int, None] = {}
    _follow(picture, index, found)
    return [picture.links[one]["ifname"] for one in found]


def _way(channel: NetlinkSocket, address: str) -> int | None:
    try:
        answers = channel.ask(route.lookup(address), route.decode)
    except (NetlinkError, ValueError):  # there is no way to it, or it is no address
        return None
    return answers[0].get("oif") if answers and answers[0] else None


def _follow(picture: Picture, index: t.Any, found: dict[int, None]) -> None:
    link = picture.links.get(index)
    if link is None or index in found:
        return
    found[index] = None
    _follow(picture, link.get("master"), found)
    if "link_netnsid" not in link:
        _follow(picture, link.get("link"), found)
    for other, one in picture.links.items():
        if one.get("master") == index and link.get("kind") in ("bond", "bridge", "team"):
            _follow(picture, other, found)
