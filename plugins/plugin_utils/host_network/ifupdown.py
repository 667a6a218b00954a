# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's network as a file of ifupdown (interfaces(5)), which needs no more than iproute2 to carry it out."""

from __future__ import annotations

import typing as t

from .network import Item, Network, read, vlans_of

HEAD = "# Written by fleet.hypervisor.host_network; changes are overwritten.\n"
BOND = {"mode": "mode", "miimon": "miimon", "lacp_rate": "lacp_rate", "xmit_hash_policy": "xmit_hash_policy"}
VLAN = {"protocol": "protocol", "id": "id"}


def interfaces(config: t.Mapping[str, t.Any]) -> str:
    """The text of a file for interfaces.d. Raises WrongNetwork."""
    network = read(config)
    names = list(network.links)
    stanzas = [_stanza(network, name, last=name == names[-1]) for name in names]
    return "\n".join([HEAD, *stanzas])


def _stanza(network: Network, name: str, last: bool) -> str:
    link = network.links[name]
    lines = [f"auto {name}", f"iface {name} inet manual"]
    lines += [f"    pre-up {line}" for line in _made(network, link)]
    lines += [f"    up {line}" for line in _brought_up(network, link)]
    if last:  # routes and rules may lead through any of them
        lines += [f"    up {_route(route)}" for route in network.routes]
        lines += [f"    {phase} {_rule(rule, do)}" for rule in network.rules for phase, do in RULE_PHASES]
    if link["kind"]:
        lines.append(f"    post-down {_gone(name)}")
    return "".join(f"{line}\n" for line in lines)


def _gone(name: str) -> str:
    """Removes a link that may not be there: ifupdown makes and removes VLANs of its own accord."""
    return f"ip link delete {name} 2>/dev/null || true"


def _words(link: Item, names: t.Mapping[str, str]) -> str:
    return "".join(f" {word} {link[name]}" for name, word in names.items() if name in link)


def _made(network: Network, link: Item) -> list[str]:
    name, kind = link["name"], link["kind"]
    lines = []
    if kind == "vlan":  # ifupdown makes those with a number after a dot by itself, without our options
        lines.append(_gone(name))
    if kind:
        base = f" link {link['link']}" if kind == "vlan" else ""
        lines.append(f"ip link add{base} name {name} type {kind}{_options(link)}")
    lines += [f"ip link set {name}{_words(link, {word: spelled})}" for word, spelled in PLAIN if word in link]
    for port in link.get("ports", ()):
        if kind == "bond":
            lines.append(f"ip link set {port} down")
        lines.append(f"ip link set {port} master {name}")
    if "primary" in link:
        lines.append(f"ip link set {name} type bond primary {link['primary']}")
    if kind == "bridge":
        for port in (name, *link.get("ports", ())):
            lines += [_vlan(vlan, name) for vlan in vlans_of(network, port) or ()]
    return lines


PLAIN = (("mtu", "mtu"), ("mac", "address"), ("alias", "alias"))


def _options(link: Item) -> str:
    kind = link["kind"]
    if kind == "bond":
        return _words(link, BOND)
    if kind == "vlan":
        return _words(link, VLAN)
    words = f" stp_state {int(link.get('stp', False))}"
    if "forward_delay" in link:
        words += f" forward_delay {link['forward_delay'] * 100}"
    return words + (" vlan_filtering 1 vlan_default_pvid 0" if link.get("vlan_filtering") else "")


def _vlan(vlan: Item, bridge: str) -> str:
    flags = "".join(f" {flag}" for flag in ("pvid", "untagged") if vlan.get(flag))
    return f"bridge vlan add vid {vlan['vid']} dev {vlan['port']}{flags}" + (" self" if vlan["port"] == bridge else "")


def _brought_up(network: Network, link: Item) -> list[str]:
    name = link["name"]
    lines = [f"ip address replace {address} dev {name}" for address in link.get("addresses", ())]
    lines.append(f"ip link set {name} {link.get('state', 'up')}")  # ifupdown has brought it up, whatever is wanted
    return [*lines, *(f"ip link set {port} up" for port in link.get("ports", ()))]


ROUTE = {"gateway": "via", "dev": "dev", "metric": "metric", "table": "table", "prefsrc": "src", "mtu": "mtu"}
RULE = {"src": "from", "dst": "to", "iif": "iif", "oif": "oif", "fwmark": "fwmark", "priority": "priority",
        "table": "table"}  # fmt: skip
RULE_PHASES = (("up", "add"), ("down", "delete"))


def _route(route: Item) -> str:
    kind = f"{route['type']} " if "type" in route else ""
    given = {name: value for name, value in route.items() if value is not None}
    onlink = " onlink" if route.get("onlink") else ""
    six = "-6 " if route.get("family") == "inet6" else ""
    return f"ip {six}route replace {kind}{route['dst']}{_words(given, ROUTE)} proto static{onlink}"


def _rule(rule: Item, do: str) -> str:
    six = ":" in f"{rule.get('src', '')}{rule.get('dst', '')}" or rule.get("family") == "inet6"
    return f"ip {'-6 ' if six else ''}rule {do}{_words(rule, RULE)} protocol static"
