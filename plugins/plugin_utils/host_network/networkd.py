# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's network as files of systemd-networkd (systemd.netdev(5), systemd.network(5))."""

from __future__ import annotations

import typing as t

from .network import Item, Network, read, vlans_of

PREFIX = "10-fleet-"
HEAD = "# Written by fleet.hypervisor.host_network; changes are overwritten.\n"
BOND = {"mode": "Mode", "xmit_hash_policy": "TransmitHashPolicy", "lacp_rate": "LACPTransmitRate"}
VLAN = {"id": "Id", "protocol": "Protocol"}

Section = t.Tuple[str, t.List[t.Tuple[str, t.Any]]]


def files(config: t.Mapping[str, t.Any]) -> dict[str, str]:
    """The texts by the names of the files. Raises WrongNetwork."""
    network = read(config)
    keeper = next((name for name, link in network.links.items() if not link.get("master")), None)
    found = {}
    for name, link in network.links.items():
        if link["kind"]:
            found[f"{PREFIX}{name}.netdev"] = _text(_netdev(link))
        found[f"{PREFIX}{name}.network"] = _text(_network(network, link, keeper == name))
    return found


def _text(sections: t.Iterable[Section]) -> str:
    parts = [f"[{title}]\n" + "".join(f"{key}={_spelled(value)}\n" for key, value in rows) for title, rows in sections]
    return HEAD + "\n" + "\n".join(parts)


def _spelled(value: t.Any) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _picked(link: Item, names: t.Mapping[str, str]) -> list[tuple[str, t.Any]]:
    return [(key, link[name]) for name, key in names.items() if name in link]


def _netdev(link: Item) -> list[Section]:
    about = _picked(link, {"name": "Name", "kind": "Kind", "mtu": "MTUBytes", "mac": "MACAddress"})
    sections: list[Section] = [("NetDev", about)]
    if link["kind"] == "bond":
        rows = _picked(link, BOND)
        if "miimon" in link:
            rows.append(("MIIMonitorSec", f"{link['miimon']}ms"))
        sections.append(("Bond", rows))
    elif link["kind"] == "vlan":
        sections.append(("VLAN", _picked(link, VLAN)))
    else:
        rows = [("STP", link.get("stp", False))]
        if "forward_delay" in link:
            rows.append(("ForwardDelaySec", link["forward_delay"]))
        if link.get("vlan_filtering"):
            rows += [("VLANFiltering", True), ("DefaultPVID", "none")]
        sections.append(("Bridge", rows))
    return sections


def _network(network: Network, link: Item, keeps_rules: bool) -> list[Section]:
    name = link["name"]
    policy = link.get("state", "up")
    about = [*_picked(link, {"mtu": "MTUBytes"}), ("ActivationPolicy", policy), ("RequiredForOnline", False)]
    if link["kind"] is None:
        about += _picked(link, {"mac": "MACAddress"})
    sections: list[Section] = [("Match", [("Name", name)]), ("Link", about), ("Network", _attachments(network, link))]
    sections += [("BridgeVLAN", _vlan(vlan)) for vlan in vlans_of(network, name) or ()]
    for route in network.routes:
        if route["dev"] == name or (route["dev"] is None and keeps_rules):
            sections.append(("Route", _route(route)))
    if keeps_rules:
        sections += [("RoutingPolicyRule", _rule(rule)) for rule in network.rules]
    return sections


def _attachments(network: Network, link: Item) -> list[tuple[str, t.Any]]:
    name, master = link["name"], link.get("master")
    rows: list[tuple[str, t.Any]] = [("ConfigureWithoutCarrier", True), ("DHCP", False), ("IPv6AcceptRA", False)]
    if master:
        rows += [("LinkLocalAddressing", False), ("Bond" if link["master_kind"] == "bond" else "Bridge", master)]
        if network.links[master].get("primary") == name:
            rows.append(("PrimarySlave", True))
    rows += [("VLAN", other["name"]) for other in network.links.values() if other.get("link") == name]
    rows += [("Address", address) for address in link.get("addresses", ())]
    return rows


def _vlan(vlan: Item) -> list[tuple[str, t.Any]]:
    rows: list[tuple[str, t.Any]] = [("VLAN", vlan["vid"])]
    if vlan.get("pvid"):
        rows.append(("PVID", vlan["vid"]))
    if vlan.get("untagged"):
        rows.append(("EgressUntagged", vlan["vid"]))
    return rows


ROUTE = {"gateway": "Gateway", "metric": "Metric", "table": "Table", "prefsrc": "PreferredSource", "mtu": "MTUBytes",
         "type": "Type", "onlink": "GatewayOnLink"}  # fmt: skip
RULE = {"priority": "Priority", "src": "From", "dst": "To", "iif": "IncomingInterface", "oif": "OutgoingInterface",
        "fwmark": "FirewallMark", "table": "Table", "family": "Family"}  # fmt: skip
ANYWHERE = {"inet": "0.0.0.0/0", "inet6": "::/0"}


def _route(route: Item) -> list[tuple[str, t.Any]]:
    dst = route["dst"]
    if dst == "default":
        six = ":" in route.get("gateway", "") or route.get("family") == "inet6"
        dst = ANYWHERE["inet6" if six else "inet"]
    return [("Destination", dst), *_picked(route, ROUTE)]


def _rule(rule: Item) -> list[tuple[str, t.Any]]:
    spelled = {"inet": "ipv4", "inet6": "ipv6"}
    return _picked({**rule, **({"family": spelled[rule["family"]]} if "family" in rule else {})}, RULE)
