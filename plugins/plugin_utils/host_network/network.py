# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's network as the role `host_network` takes it: read once, for the kernel and for the distribution's files."""

from __future__ import annotations

import ipaddress
import re
import typing as t

Item = t.Dict[str, t.Any]
SECTIONS = ("nics", "bonds", "vlans", "bridges", "routes", "rules")
LINKS = {"nics": None, "bonds": "bond", "vlans": "vlan", "bridges": "bridge"}  # section, and the kind of its links
# ifupdown gives its lines to a shell, and networkd takes names for patterns: these are the same to both.
NAME = re.compile(r"[\w.@+-]+")
NAMED = {"routes": ("dev",), "rules": ("iif", "oif")}  # options that name a link, which may not be one of ours


class WrongNetwork(ValueError):
    """What cannot be meant, with its place in the dictionary."""


class Network(t.NamedTuple):
    """`links` by name, with their `kind` (None for a NIC), `master` and `place`, those below before those above."""

    links: t.Dict[str, Item]
    routes: t.List[Item]
    rules: t.List[Item]


def read(config: t.Mapping[str, t.Any]) -> Network:
    """Raises WrongNetwork. Options that are None count as not given."""
    given = {section: [_given(item) for item in config.get(section) or ()] for section in SECTIONS}
    unknown = sorted(set(config) - set(SECTIONS))
    if unknown:
        raise WrongNetwork(f"{unknown[0]}: unknown; known are {', '.join(SECTIONS)}")
    links = _links(given)
    _check_names(links, given)
    _enslave(links)
    _check_vlans(links)
    routes = [{**route, "dev": _way(route, links, f"routes[{number}]")} for number, route in enumerate(given["routes"])]
    return Network(links, routes, given["rules"])


def _given(item: t.Mapping[str, t.Any]) -> Item:
    return {name: value for name, value in item.items() if value is not None}


def _links(given: t.Mapping[str, t.Sequence[Item]]) -> dict[str, Item]:
    links: dict[str, Item] = {}
    for section, kind in LINKS.items():
        for number, item in enumerate(given[section]):
            place = f"{section}[{number}]"
            if item["name"] in links:
                raise WrongNetwork(f"{place}.name: {item['name']} is there before, at {links[item['name']]['place']}")
            links[item["name"]] = {**item, "kind": kind, "place": place}
    # What is only named as a port, or as what a VLAN stands on, is a NIC.
    named = [name for link in links.values() for name in (*link.get("ports", ()), link.get("link"))]
    nics = {name: {"name": name, "kind": None, "place": ""} for name in named if name and name not in links}
    return {**nics, **links}


def _check_names(links: t.Mapping[str, Item], given: t.Mapping[str, t.Sequence[Item]]) -> None:
    named = [(link["place"] or "ports", name) for name, link in links.items()]
    for section, options in NAMED.items():
        for number, item in enumerate(given[section]):
            named += [(f"{section}[{number}].{option}", item[option]) for option in options if option in item]
    for place, name in named:
        if not NAME.fullmatch(name):
            raise WrongNetwork(f"{place}: {name!r} cannot be in files as it is: takes letters, digits, '.@+-_'")


def _enslave(links: dict[str, Item]) -> None:
    for link in list(links.values()):
        for number, port in enumerate(link.get("ports", ())):
            other = links[port]
            where = f"{link['place']}.ports[{number}]"
            if other.get("master"):
                raise WrongNetwork(f"{where}: {port} is a port of {other['master']} already")
            if other.get("addresses") and link["kind"] == "bond":
                raise WrongNetwork(f"{where}: {port} has addresses, which a port of a bond cannot use")
            other.update(master=link["name"], master_kind=link["kind"])


def _check_vlans(links: t.Mapping[str, Item]) -> None:
    for link in links.values():
        for number, vlan in enumerate(link.get("vlans", ())):
            where = f"{link['place']}.vlans[{number}].port"
            port = vlan["port"]
            if port != link["name"] and links.get(port, {}).get("master") != link["name"]:
                raise WrongNetwork(f"{where}: {port} is not {link['name']}, nor one of its ports")
            if not link.get("vlan_filtering"):
                raise WrongNetwork(f"{where}: {link['name']} tells no VLANs apart without vlan_filtering")


def _way(route: Item, links: t.Mapping[str, Item], where: str) -> str | None:
    """The link that a route goes by: what files are written for; None for one that leads nowhere."""
    if "dev" in route or route.get("type", "unicast") != "unicast":
        return route.get("dev")
    try:
        gateway = ipaddress.ip_address(route.get("gateway", ""))
    except ValueError:
        raise WrongNetwork(
            f"{where}.gateway: {route.get('gateway')!r} is not an address, and there is no dev"
        ) from None
    for link in links.values():
        if any(gateway in ipaddress.ip_interface(address).network for address in link.get("addresses", ())):
            return link["name"]
    raise WrongNetwork(f"{where}.dev: {gateway} is in the network of no link here: by which one does the route go?")


def vlans_of(network: Network, name: str) -> list[Item] | None:
    """The VLANs of a port or a bridge, which may be none; None where nobody tells them apart."""
    link = network.links[name]
    bridge = network.links.get(link.get("master", name), link)
    if bridge["kind"] != "bridge" or not bridge.get("vlan_filtering"):
        return None
    return [vlan for vlan in bridge.get("vlans", ()) if vlan["port"] == name]
