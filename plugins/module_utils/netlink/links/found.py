# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a link that was found says of itself, and who depends on it."""

from __future__ import annotations

import functools
import os
import re
import typing as t

if t.TYPE_CHECKING:
    from .host import Host

Link = t.Dict[str, t.Any]

# Kinds whose links the kernel removes together with the link they stand on.
STANDING = ("vlan", "macvlan", "macvtap", "ipvlan", "ipvtap", "vxlan", "macsec")


@functools.lru_cache(maxsize=None)
def kernel_since(major: int, minor: int, release: str = "") -> bool:
    """Whether the running kernel (or `release`) is Linux major.minor or newer."""
    found = re.match(r"(\d+)\.(\d+)", release or os.uname().release)
    return found is not None and (int(found.group(1)), int(found.group(2))) >= (major, minor)


def kind_of(found: Link) -> str | None:
    return (found.get("linkinfo") or {}).get("info_kind")


def below(found: Link) -> int | None:
    """The index of the link that one stands on; VXLANs say so in their own data."""
    return found.get("link") or ((found.get("linkinfo") or {}).get("info_data") or {}).get("link")


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


def lost_with(host: Host, found: Link, apart: t.Container[int] = (), below: int = 0) -> list[Link]:
    """What the kernel removes together with `found`, in the order in which it could be made anew.

    `apart`: indexes of those that are not counted, with what stands on them. `below`: see the other end of a pair.
    """
    lost = []
    for above in standing_on(host, found):
        if above["ifindex"] != below and above["ifindex"] not in apart:
            lost += [above, *lost_with(host, above, apart, found["ifindex"])]
    return lost


def by_mac(host: Host, mac: str) -> list[Link]:
    """The links of that address that are not on top of another one (VLANs share their parent's).

    Ports and bridges share addresses too: a NIC that has the address from its maker comes before those.
    """
    found = [one for one in host.links() if kind_of(one) not in STANDING]
    born = [one for one in found if one.get("permaddr") == mac]
    return born or [one for one in found if one.get("address") == mac]


def lasting(found: t.Mapping[str, t.Any]) -> bool:
    """Whether an address is somebody's, not one that the kernel makes by itself (link-local, autoconfigured, lo's)."""
    if found.get("protocol") in ("kernel_lo", "kernel_ra", "kernel_ll") or found.get("temporary"):
        return False
    if found["scope"] == "host" and found["local"] in ("127.0.0.1", "::1"):
        return False
    if kernel_since(5, 18):  # which says of every IPv6 address whether it made it
        return True
    return found["family"] != "inet6" or not (found["local"].startswith("fe80:") or found.get("dynamic"))
