# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The canonical line of a route: what --diff shows.

192.0.2.0/24  via 10.0.0.254  dev br0  metric 100
"""

from __future__ import annotations

import functools
import typing as t

from ..rtnl.route import remembered

Route = t.Mapping[str, t.Any]

FIELDS = (  # name, its word, and the value that is not worth a word
    ("table", "table", "main"),
    ("protocol", "proto", "static"),
    ("prefsrc", "src", None),
    ("metric", "metric", None),
    ("nhid", "nhid", None),
)


def line(route: Route, netns: str | None) -> str:
    """`route` with names of links under `dev`."""
    rest = dict(route)
    first = rest.pop("dst")
    if netns:
        first += f"  netns {netns}"
    if route["dst"] == "default" and route["family"] == "inet6":
        first += "  inet6"
    return first + remembered(_behind, rest)


@functools.lru_cache(maxsize=1024)
def _behind(names: tuple[str, ...], values: tuple[t.Any, ...]) -> str:
    """What a line says behind the destination, which repeats among many routes."""
    route = dict(zip(names, values))
    parts = [""]
    if route.get("type", "unicast") != "unicast":
        parts.append(route["type"])
    parts += _way(route)
    for field, word, usual in FIELDS:
        if route.get(field, usual) != usual:
            parts.append(f"{word} {route[field]}")
    if route.get("metrics"):
        parts += [f"{name} {value}" for name, value in route["metrics"].items()]
    if route.get("nexthops"):
        parts += [f"nexthop {' '.join(_way(hop))} weight {hop.get('weight', 1)}" for hop in route["nexthops"]]
    return "  ".join(parts)


def _way(hop: Route) -> list[str]:
    via = hop.get("gateway") or (hop.get("via") or {}).get("host")
    words = [f"via {via}"] if via else []
    if hop.get("dev"):
        words.append(f"dev {hop['dev']}")
    if "onlink" in (hop.get("flags") or ()):
        words.append("onlink")
    return words
