# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What carries the connection over which we are asked: who comes in by SSH must not be cut off by mistake."""

from __future__ import annotations

import os
import typing as t

from ..netlink.attribute import ip_bytes
from ..netlink.channel import NetlinkSocket
from ..netlink.errors import NetlinkError
from ..netlink.rtnl import address, route
from ..netlink.rtnl.prefix import split
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


class Carrying(t.NamedTuple):
    """`links`: names of links that packets of the connection may go by, with all below and above them.

    `rules`: keys of the rules that may lead packets there.
    """

    links: t.Sequence[str] = ()
    rules: t.Sequence[str] = ()


def carrying(channel: NetlinkSocket, picture: Picture, theirs: str, ours: str) -> Carrying:
    """What carries the connection between two addresses, "" for no connection.

    The kernel is asked without our address too, and each rule that may apply is taken to do so: what decides beside the
    addresses (marks, ports) is not known here, and too much is spared rather than too little.
    """
    theirs, _unused, zone = theirs.partition("%")
    ours = ours.partition("%")[0]
    try:
        ends = ip_bytes(theirs), ip_bytes(ours)
    except ValueError:
        return Carrying()
    family = "inet" if len(ends[0]) == 4 else "inet6"
    of_family = {key: one for key, one in picture.rules.items() if one["family"] == family}
    rules = {key: one for key, one in of_family.items() if _may_apply(picture, one, *ends)}
    if zone:
        ways = [picture.index_of(zone)]
    else:
        ways = [_way(channel, theirs, None), _way(channel, theirs, ours), *_holders(channel, ours)]
        ways += _leading(picture, family, {one.get("table") for one in rules.values()}, ends[0])
    found: dict[int, None] = {}
    for index in ways:
        _follow(picture, index, found)
    return Carrying([picture.links[one]["ifname"] for one in found], list(rules))


def _way(channel: NetlinkSocket, theirs: str, ours: str | None) -> int | None:
    try:
        answers = channel.ask(route.lookup(theirs, ours), route.decode)
    except (NetlinkError, ValueError):  # there is no way to it
        return None
    return answers[0].get("oif") if answers and answers[0] else None


def _holders(channel: NetlinkSocket, ours: str) -> list[int]:
    """The links that have our address, whoever gave it to them."""
    return [one["index"] for one in channel.dump(address.dump(), address.decode) if one.get("local") == ours]


def _may_apply(picture: Picture, rule: t.Mapping[str, t.Any], theirs: bytes, ours: bytes) -> bool:
    """Whether a rule may lead what we send on its way, as far as its addresses tell."""
    if "action" in rule:
        return False
    arrives = rule.get("iif", "lo")  # what we send ourselves comes from lo, or from the VRF that it is sent in
    if arrives != "lo" and picture.links.get(picture.index_of(arrives) or 0, {}).get("kind") != "vrf":
        return False
    if rule.get("not"):
        return True
    return _within(ours, rule.get("src"), rule.get("srclen")) and _within(theirs, rule.get("dst"), rule.get("dstlen"))


def _leading(picture: Picture, family: str, tables: t.Container[t.Any], theirs: bytes) -> list[int | None]:
    """The links by which routes of these tables lead there."""
    return [
        hop.get("oif")
        for one in picture.routes.values()
        if one.get("table", "main") in tables and one["family"] == family and _within(theirs, one["dst"])
        for hop in (one, *one.get("nexthops", ()))
    ]


def _within(raw: bytes, prefix: str | None, length: int | None = None) -> bool:
    """Whether an address lies in a prefix of its family, as rules and routes spell it."""
    if prefix in (None, "all", "default"):
        return True
    _unused, network, bits = split(prefix, length)
    rest = len(raw) * 8 - bits
    return int.from_bytes(raw, "big") >> rest == int.from_bytes(network, "big") >> rest


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
