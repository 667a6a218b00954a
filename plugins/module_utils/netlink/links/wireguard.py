# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and peers of WireGuard links, which go over generic netlink."""

from __future__ import annotations

import typing as t

from ..errors import NetlinkEncodeError, NetlinkFailure
from ..wireguard import device, wire
from . import waves
from .wanted import WrongLink

if t.TYPE_CHECKING:
    from ..genl import GenericSocket
    from ..message import Request
    from .found import Link
    from .linkplan import LinkPlan
    from .restoring import Build
    from .runner import Place


def plan_wireguard(mine: LinkPlan) -> None:
    """Secret keys stay within `device.Device`; its lines say no more than that there are some."""
    want = mine.want
    if mine.kind.name != "wireguard":
        raise WrongLink(want.at("wireguard"), f"{want.name} is not a link of kind wireguard")
    found = None if mine.fresh else mine.found
    present = device.observe(mine.task.hosts.generic(mine.home), found["ifname"]) if found else device.NEW
    try:
        wanted = device.goal(present, want.wireguard or {})
    except NetlinkEncodeError as error:
        raise WrongLink(want.at(f"wireguard.{error.attribute}"), error.reason) from None
    mine.changes.show("", device.lines(present) if not mine.fresh else None, device.lines(wanted, present))
    if present == wanted:
        return

    def lead(start: device.Device, end: device.Device) -> t.Callable[[], None]:
        def action() -> None:
            sock = mine.task.hosts.generic(want.place)
            device.apply(sock, device.requests(wire.family(sock), want.name, start, end))

        return action

    how = "set keys and peers" if mine.fresh else f"change keys and peers ({_summary(present, wanted)})"
    mine.changes.add(waves.KEYS, how, lead(present, wanted), lead(wanted, present), depth=0, partly=True)


def making(sock: GenericSocket, found: Link, create: Request) -> Build | None:
    """Makes a link anew with the keys and peers that it has now; None where those cannot be read.

    They are kept in the memory of this process alone, and are in place before the link goes up.
    """
    name = found["ifname"]
    try:
        kept = device.observe(sock, name)
    except NetlinkFailure:
        return None

    def build(place: Place) -> list[Request]:
        place.ask(create)
        device.apply(sock, device.requests(wire.family(sock), name, device.NEW, kept))
        return []

    return build


def _summary(present: device.Device, wanted: device.Device) -> str:
    fields = [
        name.replace("_", " ")
        for name in ("private_key", "listen_port", "fwmark")
        if getattr(present, name) != getattr(wanted, name)
    ]
    keys = sorted(set(present.peers) | set(wanted.peers))
    peers = [key for key in keys if present.peers.get(key) != wanted.peers.get(key)]
    return ", ".join(fields + ([f"{len(peers)} peers"] if peers else []))
