# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's network as options of `ipdb_txn`."""

from __future__ import annotations

import typing as t

from .network import Item, Network, read, vlans_of

# option here -> option of the kind
BOND = {"mode": "mode", "miimon": "miimon", "lacp_rate": "ad_lacp_rate", "xmit_hash_policy": "xmit_hash_policy",
        "primary": "primary"}  # fmt: skip
VLAN = {"id": "id", "protocol": "protocol"}
BRIDGE = {"vlan_filtering": "vlan_filtering"}
KINDS = {"bond": BOND, "vlan": VLAN, "bridge": BRIDGE}
PLAIN = {"mtu": "mtu", "mac": "address", "addresses": "addresses", "alias": "alias", "link": "link"}


def transaction(config: t.Mapping[str, t.Any]) -> dict[str, list[Item]]:
    """`interfaces`, `routes`, `rules` and `bridge_vlans`. Raises WrongNetwork."""
    network = read(config)
    found = {
        "interfaces": [_interface(link) for link in network.links.values()],
        "routes": [{name: value for name, value in route.items() if value is not None} for route in network.routes],
        # What the files of the distribution make is told apart by this from what daemons do.
        "rules": [{"protocol": "static", **rule} for rule in network.rules],
        "bridge_vlans": _bridge_vlans(network),
    }
    return {name: items for name, items in found.items() if items}


def _interface(link: Item) -> Item:
    item = {"name": link["name"], "state": link.get("state", "up")}
    item.update({option: link[name] for name, option in PLAIN.items() if name in link})
    if link.get("master"):
        item["master"] = link["master"]
        item.setdefault("addresses", [])  # files give a port none either: one that it had has moved to its master
    if link["kind"]:
        item["kind"] = link["kind"]
        options = {option: link[name] for name, option in KINDS[link["kind"]].items() if name in link}
        item["options"] = {**options, **_more(link)}
    return item


def _more(link: Item) -> Item:
    if link["kind"] != "bridge":
        return {}
    more: Item = {"stp_state": int(link.get("stp", False))}
    if link.get("vlan_filtering"):
        more["vlan_default_pvid"] = 0  # a port has the VLANs that are given to it, and no others
    if "forward_delay" in link:
        more["forward_delay"] = link["forward_delay"] * 100  # the kernel counts hundredths of seconds
    return more


def _bridge_vlans(network: Network) -> list[Item]:
    items = []
    for name in network.links:
        vlans = vlans_of(network, name)
        if vlans is not None:
            items.append({"dev": name, "vlans": [_without_port(vlan) for vlan in vlans]})
    return items


def _without_port(vlan: Item) -> Item:
    return {name: value for name, value in vlan.items() if name != "port" and value is not None}
