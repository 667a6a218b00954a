# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bridges of this host under the names that Lago has for what it did with brctl; over our netlink core."""

from __future__ import annotations

import errno
import typing as t

from ..netlink.channel import NetlinkSocket
from ..netlink.errors import NetlinkError
from ..netlink.netns import NetNS
from ..netlink.rtnl import link

KIND = "bridge"


def create(name: str, stp: bool = True, netns: NetNS = None) -> None:
    """A bridge that is up; with `stp` its ports wait 15 s before they forward. Raises NetlinkError."""
    with NetlinkSocket(netns=netns) as sock:
        sock.ask(link.new(name, KIND, up=True, linkinfo={"info_data": {"stp_state": int(stp)}}))


def destroy(name: str, netns: NetNS = None) -> None:
    """Raises NetlinkError, also where the link of that name is no bridge."""
    with NetlinkSocket(netns=netns) as sock:
        found = _found(sock, name)
        if found is None or not _is_bridge(found):
            raise NetlinkError(errno.ENODEV, f"removing the bridge {name}")
        sock.ask(link.delete(found["ifindex"], name))


def exists(name: str, netns: NetNS = None) -> bool:
    """Whether there is a bridge of that name. Raises NetlinkError."""
    with NetlinkSocket(netns=netns) as sock:
        found = _found(sock, name)
        return found is not None and _is_bridge(found)


def _set_link(name: str, state: str, netns: NetNS = None) -> None:
    """`state` is up or down. Raises NetlinkError."""
    with NetlinkSocket(netns=netns) as sock:
        found = _found(sock, name)
        if found is None:
            raise NetlinkError(errno.ENODEV, f"setting the link {name} {state}")
        sock.ask(link.change(found["ifindex"], name, up=state == "up"))


def _found(sock: NetlinkSocket, name: str) -> dict[str, t.Any] | None:
    try:
        found = sock.ask(link.get(name=name), link.decode)
    except NetlinkError as error:
        if error.errno == errno.ENODEV:
            return None
        raise
    return dict(found[0])


def _is_bridge(found: t.Mapping[str, t.Any]) -> bool:
    return (found.get("linkinfo") or {}).get("info_kind") == KIND
