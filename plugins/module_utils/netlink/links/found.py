# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a link that was found says of itself, and who depends on it."""

from __future__ import annotations

import typing as t

from .host import Host

Link = t.Dict[str, t.Any]

# Kinds whose links the kernel removes together with the link they stand on.
STANDING = ("vlan", "macvlan", "macvtap", "ipvlan", "ipvtap", "vxlan")


def kind_of(found: Link) -> str | None:
    return (found.get("linkinfo") or {}).get("info_kind")


def peer_of(host: Host, found: Link) -> Link | None:
    """The other end of a veth pair, where it lies in the same namespace."""
    if kind_of(found) not in ("veth", "netkit", "vxcan") or found.get("link_netnsid") is not None:
        return None
    return host.by_index(found["link"]) if found.get("link") else None


def standing_on(host: Host, found: Link) -> list[Link]:
    """The links that the kernel removes when `found` goes."""
    above = [
        one for one in host.above(found["ifindex"]) if kind_of(one) in STANDING and one.get("link_netnsid") is None
    ]
    twin = peer_of(host, found)
    return above + ([twin] if twin else [])


def lasting(found: t.Mapping[str, t.Any]) -> bool:
    """Whether an address is somebody's, not one that the kernel makes by itself (link-local, autoconfigured, lo's)."""
    if found.get("protocol") in ("kernel_lo", "kernel_ra", "kernel_ll") or found.get("temporary"):
        return False
    if found["family"] != "inet6":
        return True
    return not (found["local"].startswith("fe80:") and found["scope"] == "link") and not (
        found.get("dynamic") and found.get("protocol") is None
    )
