# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks that this host has on its links, or sends somewhere: what a lab must not take (over our netlink core)."""

from __future__ import annotations

import ipaddress
import typing as t

from ..netlink.channel import NetlinkSocket
from ..netlink.netns import NetNS
from ..netlink.show_read import gather
from .subnets import Taken

# Shorter ones stand for the rest of the world: the default route, its two halves that VPNs use, 2000::/3.
SHORTEST = {4: 8, 6: 7}


def observe(netns: NetNS = None) -> list[Taken]:
    """Raises the errors of netlink's core."""
    with NetlinkSocket(netns=netns) as sock:
        found = gather(sock, ("addresses", "routes"), {})
    return [*of_addresses(found["addresses"]), *of_routes(found["routes"])]


def of_addresses(links: t.Iterable[t.Mapping[str, t.Any]]) -> list[Taken]:
    """Of `ip -j addr`."""
    return [
        Taken(ipaddress.ip_interface(f"{one['local']}/{one['prefixlen']}").network, f"is on the link {link['ifname']}")
        for link in links
        for one in link["addr_info"]
        if "local" in one
    ]


def of_routes(routes: t.Iterable[t.Mapping[str, t.Any]]) -> list[Taken]:
    """Of `ip -j route`: what is sent on. What is refused or dropped by a route is not in use."""
    found = []
    for route in routes:
        if route.get("dst", "default") == "default" or route.get("type", "unicast") != "unicast":
            continue
        network = ipaddress.ip_network(route["dst"])
        if network.prefixlen >= SHORTEST[network.version]:
            found.append(Taken(network, f"has a route{_way(route)}"))
    return found


def _way(route: t.Mapping[str, t.Any]) -> str:
    via = f" via {route['gateway']}" if "gateway" in route else ""
    dev = f" by the link {route['dev']}" if "dev" in route else ""
    return via + dev
