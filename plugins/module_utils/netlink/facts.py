# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network part of Ansible's facts, made from decoded links, addresses and routes.

Keys and values are those of `ansible.builtin.setup`, whose own spellings are kept: prefix lengths are strings, an
address that is labelled `eth0:1` makes an interface of that name, and ':' in names becomes '_'.
"""

from __future__ import annotations

import socket
import typing as t

Object = t.Dict[str, t.Any]

# ARPHRD_* (linux/if_arp.h) that facts have a word for
TYPES = {1: "ether", 32: "infiniband", 512: "ppp", 772: "loopback", 0xFFFE: "tunnel"}

NO_MAC = "00:00:00:00:00:00"


class Device(t.NamedTuple):
    """What rtnetlink does not tell of a link."""

    module: str = ""
    pciid: str = ""
    speed: int | None = None  # Mbit/s


class Route(t.NamedTuple):
    """How a packet to the outside would leave."""

    interface: str
    address: str | None
    gateway: str | None


def interface(link: Object, device: Device) -> Object:
    """The facts of one link, without what other links and addresses say about it."""
    fact = {"device": link["ifname"], "mtu": link["mtu"], "active": link.get("operstate") != "DOWN"}
    if link.get("address", NO_MAC) != NO_MAC:
        fact["macaddress"] = link["address"]
    fact["type"] = TYPES.get(link["type"], "unknown")
    fact["promisc"] = link.get("promiscuity", 0) > 0
    fact.update((name, value) for name, value in device._asdict().items() if value not in ("", None))
    return fact


def interfaces(links: t.Sequence[Object], devices: t.Mapping[int, Device]) -> dict[int, Object]:
    """The facts of all links, by index: bridges and bonds know their ports."""
    names = {link["ifname"]: link for link in links}
    facts = {link["ifindex"]: interface(link, devices.get(link["ifindex"], Device())) for link in links}
    by_master: dict[int, list[str]] = {}
    for name, link in names.items():
        by_master.setdefault(link.get("master", 0), []).append(name)
    for link in links:
        index, info = link["ifindex"], link.get("linkinfo", {})
        options, ports = info.get("info_data", {}), by_master.get(index, [])
        if info.get("info_kind") == "bridge":
            facts[index].update(_bridge(options, ports))
        elif info.get("info_kind") == "bond":
            primary = facts.get(options.get("primary", 0), {}).get("device")
            facts[index].update(_bond(options, ports, primary))
        hardware = info.get("info_slave_data", {}).get("perm_hwaddr")
        if hardware:
            facts[index]["perm_macaddress"] = hardware
    return facts


def _bridge(options: Object, ports: list[str]) -> Object:
    priority, _unused, mac = options.get("bridge_id", "").partition(".")
    return {
        "type": "bridge",
        "interfaces": ports,
        "id": f"{priority}.{''.join(byte.zfill(2) for byte in mac.split(':'))}",
        "stp": options.get("stp_state") == 1,
    }


def _bond(options: Object, ports: list[str], primary: str | None) -> Object:
    fact = {
        "type": "bonding",
        "slaves": ports,
        "mode": options.get("mode", ""),
        "miimon": str(options.get("miimon", 0)),
        "lacp_rate": options.get("ad_lacp_rate", "slow"),
        "all_slaves_active": bool(options.get("all_slaves_active")),
    }
    if primary:
        fact["primary"] = primary
    return fact


def ipv4(address: Object) -> Object:
    """An IPv4 address as facts have it; towards a peer it stands alone."""
    length = 32 if "address" in address else address["prefixlen"]
    mask = (1 << 32) - (1 << (32 - length))
    raw = int.from_bytes(socket.inet_aton(address["local"]), "big")
    return {
        "address": address["local"],
        "broadcast": "" if "address" in address else address.get("broadcast", ""),
        "netmask": socket.inet_ntoa(mask.to_bytes(4, "big")),
        "network": socket.inet_ntoa((raw & mask).to_bytes(4, "big")),
        "prefix": str(length),
    }


def ipv6(address: Object) -> Object:
    return {"address": address["local"], "prefix": str(address["prefixlen"]), "scope": address["scope"]}


class Addresses:
    """Puts addresses into the facts of their links, and into the facts about the default routes."""

    def __init__(self, found: dict[int, Object], defaults: t.Mapping[str, Object]) -> None:
        self._links = found
        self._defaults = defaults
        self.aliases: dict[str, Object] = {}
        self.all: dict[str, list[str]] = {"inet": [], "inet6": []}

    def add(self, address: Object) -> None:
        link = self._links.get(address["index"])
        if link is None:  # it went between the two readings
            return
        if address["family"] == "inet":
            self._add_ipv4(link, address)
        else:
            self._add_ipv6(link, address)

    def _add_ipv4(self, link: Object, address: Object) -> None:
        fact = ipv4(address)
        label = address["label"] if "label" in address else link["device"]
        owner = link if label == link["device"] else self.aliases.setdefault(label, {})
        secondary = "secondary" in address
        if secondary or "ipv4" in owner:
            owner.setdefault("ipv4_secondaries", []).append(fact)
        else:
            owner["ipv4"] = fact
        if secondary and owner is not link:
            link.setdefault("ipv4_secondaries", []).append(fact)
        if not fact["address"].startswith("127."):
            self.all["inet"].append(fact["address"])
        self._describe("inet", link, {**fact, "alias": label})

    def _add_ipv6(self, link: Object, address: Object) -> None:
        fact = ipv6(address)
        link.setdefault("ipv6", []).append(fact)
        if fact["address"] != "::1":
            self.all["inet6"].append(fact["address"])
        self._describe("inet6", link, fact)

    def _describe(self, family: str, link: Object, fact: Object) -> None:
        """Whose address the default route leaves with is what its facts are about."""
        default = self._defaults[family]
        if default.get("address") == fact["address"]:
            default.update(fact, macaddress=link.get("macaddress", NO_MAC), mtu=link["mtu"], type=link["type"])


def locally_reachable(routes: t.Iterable[Object]) -> dict[str, list[str]]:
    """The destinations of routes of type local."""
    found: dict[str, dict[str, None]] = {"inet": {}, "inet6": {}}
    for route in routes:
        found[route["family"]][route["dst"]] = None
    return {"ipv4": list(found["inet"]), "ipv6": list(found["inet6"])}


def default(route: Route | None) -> Object:
    return {name: value for name, value in route._asdict().items() if value} if route else {}


def facts(
    links: t.Sequence[Object],
    addresses: t.Sequence[Object],
    local_routes: t.Iterable[Object],
    routes: t.Mapping[str, Route | None],
    devices: t.Mapping[int, Device],
) -> Object:
    """All facts by name, as `setup` names them after its prefix `ansible_`.

    `links`, `addresses`, `local_routes`: as the core decodes them. `routes`: by family ("inet", "inet6"), how a
    packet to the outside leaves. `devices`: by index, what else is known of a link.
    """
    defaults = {family: default(routes.get(family)) for family in ("inet", "inet6")}
    found = interfaces(links, devices)
    placed = Addresses(found, defaults)
    # Secondary addresses come last in `setup` too, which asks for them in a second round.
    for address in sorted(addresses, key=lambda one: "secondary" in one or "temporary" in one):
        placed.add(address)
    named = {link["device"]: link for link in found.values()}
    named.update(placed.aliases)
    by_name = {name.replace(":", "_"): fact for name, fact in named.items()}
    return {
        **{name.replace("-", "_"): fact for name, fact in by_name.items()},
        "interfaces": list(by_name),
        "default_ipv4": defaults["inet"],
        "default_ipv6": defaults["inet6"],
        "all_ipv4_addresses": placed.all["inet"],
        "all_ipv6_addresses": placed.all["inet6"],
        "locally_reachable_ips": locally_reachable(local_routes),
    }
