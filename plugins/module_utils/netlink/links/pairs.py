# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pairs of veth made anew, with both ends where they were."""

from __future__ import annotations

import typing as t

from ..errors import NoSuchNamespace
from ..kinds.kind import Kind
from ..netns import OWN
from .found import Link, kind_of, peer_of
from .host import Host
from .restoring import Build, recreation, restored, settled
from .runner import Step

if t.TYPE_CHECKING:
    from ..netns import NetNS


class FarEnd(t.NamedTuple):
    """The end of a pair that lies in another namespace."""

    netns: NetNS
    host: Host
    found: Link


def far_end(host: Host, found: Link) -> FarEnd | None:
    """None where the other end is near, or nothing here has a name for its namespace."""
    number, index = found.get("link_netnsid"), found.get("link")
    if number is None or number < 0 or not index:
        return None
    try:
        beside = host.beside(number)
    except NoSuchNamespace:  # ended meanwhile
        return None
    twin = beside[1].by_index(index) if beside else None
    # Numbers and indexes are read one after the other: what is found has to say the same of this end.
    if beside is None or twin is None or kind_of(twin) != kind_of(found) or twin.get("link") != found["ifindex"]:
        return None
    return FarEnd(*beside, twin)


def making(host: Host, found: Link, known: Kind) -> Build | None:
    """The bare pair; None for an end whose other one cannot be reached."""
    near, far = peer_of(host, found), far_end(host, found)
    if near:
        return lambda place: [recreation(found, known, _as_peer(near))]
    if far is None:
        return None
    peer, netns = _as_peer(far.found), far.netns
    return lambda place: [
        recreation(found, known, {**peer, "net_ns_fd": place.netns_file(OWN if netns is None else netns)})
    ]


def beyond(host: Host, found: Link) -> Step | None:
    """What gives the far end of a pair that is there again what it had; None where there is none."""
    far = far_end(host, found)
    return Step(far.netns, settled(far.host, far.netns, far.found)) if far else None


def _as_peer(twin: Link) -> Link:
    return {"ifname": twin["ifname"], "ifindex": twin["ifindex"], **restored(twin)}
