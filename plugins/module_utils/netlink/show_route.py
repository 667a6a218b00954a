# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes and rules as people read them: the keys and values of `ip -j -d route` and `ip -j -d rule`.

There can be very many routes and few of them have anything but a destination, a gateway and a link, so only those
links are looked at for each; everything is changed in place.
"""

from __future__ import annotations

import typing as t

from .show import Names, Object

HEXADECIMAL = ("tos", "mark", "fwmark", "fwmask")
TEXT = ("table", "flow_from", "flow_to", "suppress_ifgroup")

# What few routes have, and `ip` shows otherwise than the core decodes it.
RARE = frozenset(("iif", "nexthops", "metrics", "tos", "flow", "mark"))


def _show_rare(route: Object, names: Names) -> None:
    if "iif" in route:
        route["iif"] = names.name(route["iif"])
    _spell(route)
    if "metrics" in route:
        route["metrics"] = [route["metrics"]]
    if "flow" in route:
        route["flow"] = _show_flow(route["flow"])
    for hop in route.get("nexthops", ()):
        if hop.get("oif"):
            hop["dev"] = names.name(hop["oif"])
        hop.pop("oif", None)
        if "flow" in hop:
            hop["flow"] = _show_flow(hop["flow"])


def _spell(values: Object) -> None:
    """Numbers that iproute2 writes as text."""
    for name in HEXADECIMAL:
        if name in values:
            values[name] = f"{values[name]:#x}"
    for name in TEXT:
        if name in values:
            values[name] = str(values[name])


def _show_flow(flow: t.Mapping[str, int]) -> dict[str, str]:
    return {end: str(realm) for end, realm in flow.items()}


def routes(found: list[Object], names: Names) -> list[Object]:
    """Decoded routes, each changed in place into an item of `ip -j -d route`, with its `family` besides."""
    known = names.names.get
    for route in found:
        index = route.pop("oif", 0)
        if index:
            route["dev"] = known(index) or f"if{index}"
        if isinstance(route["table"], int):
            route["table"] = str(route["table"])
        if not RARE.isdisjoint(route):
            _show_rare(route, names)
    return found


def links_in(found: t.Iterable[Object]) -> set[int]:
    """The links that decoded routes speak of."""
    indexes = {route.get("oif", 0) for route in found}
    for route in found:
        if not RARE.isdisjoint(route):
            indexes.add(route.get("iif", 0))
            indexes.update(hop.get("oif", 0) for hop in route.get("nexthops", ()))
    return indexes - {0}


def rules(found: list[Object]) -> list[Object]:
    """Decoded rules, each changed in place into an item of `ip -j -d rule`, with its `family` besides.

    What `ip` shows as null for "so it is" stays True: null would be false in a condition.
    """
    for rule in found:
        _spell(rule)
    return found
