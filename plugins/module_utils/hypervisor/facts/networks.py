# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's networks with the leases they gave out, its view of the host's interfaces, filters, and secrets' uses."""

from __future__ import annotations

import ipaddress
import typing as t
from xml.etree.ElementTree import Element

from ..document import parse
from ..errors import Gone, Refused
from .node import Node
from .values import attr, integer, known, text

IPV4 = 0  # virIPAddrType
SECRET_USES = ("none", "volume", "ceph", "iscsi", "tls", "vtpm")  # virSecretUsageType


def each(source: Node, method: str, describe: t.Callable[[t.Any], dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """What `describe` says of all objects that `method` lists, by name; those that went away are left out."""
    found = []
    for one in source.ask(method, 0):
        try:
            found.append(describe(one))
        except Gone:
            continue
    return sorted(found, key=lambda described: str(described.get("name")))


def networks(source: Node) -> list[dict[str, t.Any]]:
    return each(source, "listAllNetworks", lambda one: _network(source, one))


def _network(source: Node, one: t.Any) -> dict[str, t.Any]:
    root = parse(source.ask_of(one, "XMLDesc", 0))
    return {
        "name": text(root, "name"),
        "uuid": text(root, "uuid"),
        "active": bool(source.ask_of(one, "isActive")),
        "autostart": bool(source.ask_of(one, "autostart")),
        "persistent": bool(source.ask_of(one, "isPersistent")),
        "forward": attr(root, "forward", "mode") or "isolated",
        **known(
            bridge=attr(root, "bridge", "name"),
            mtu=integer(root, "mtu", "size"),
            domain=attr(root, "domain", "name"),
            device=attr(root, "forward", "dev"),
        ),
        "addresses": [found for ip in root.iterfind("ip") if (found := _subnet(ip))],
        "dhcp": root.find("ip/dhcp") is not None,
    }


def _subnet(ip: Element) -> str | None:
    """ADDRESS/PREFIX of `<ip>`, which may have a netmask in place of the prefix, or neither."""
    address = ip.get("address")
    length = ip.get("prefix") or ip.get("netmask")
    try:
        return None if address is None else str(ipaddress.ip_interface(f"{address}/{length}" if length else address))
    except ValueError:
        return address


def leases(source: Node) -> dict[str, t.Any]:
    """Name of a network that is active -> its leases; of one that cannot tell, why."""
    found: dict[str, t.Any] = {}
    for one in source.ask("listAllNetworks", 2):  # VIR_CONNECT_LIST_NETWORKS_ACTIVE
        try:
            name = source.ask_of(one, "name")
            found[name] = [_lease(lease) for lease in source.ask_of(one, "DHCPLeases")]
        except Gone:
            continue
        except Refused as error:
            found[name] = {"supported": False, "reason": str(error)}
    return found


def _lease(said: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return known(
        mac=said.get("mac"),
        address=f"{said['ipaddr']}/{said['prefix']}",
        family="ipv4" if said.get("type") == IPV4 else "ipv6",
        hostname=said.get("hostname"),
        client_id=said.get("clientid"),
        expires_s=said.get("expirytime"),
    )


def interfaces(source: Node) -> list[dict[str, t.Any]]:
    return each(source, "listAllInterfaces", lambda one: _interface(source, one))


def _interface(source: Node, one: t.Any) -> dict[str, t.Any]:
    root = parse(source.ask_of(one, "XMLDesc", 0))
    return {
        "name": root.get("name"),
        "type": root.get("type"),
        "active": bool(source.ask_of(one, "isActive")),
        **known(mac=attr(root, "mac", "address"), mtu=integer(root, "mtu", "size")),
        "addresses": [f"{ip.get('address')}/{ip.get('prefix')}" for ip in root.iterfind("protocol/ip")],
        "ports": [port.get("name") for kind in ("bridge", "bond") for port in root.iterfind(f"{kind}/interface")],
    }


def filters(source: Node) -> list[dict[str, t.Any]]:
    def describe(one: t.Any) -> dict[str, t.Any]:
        root = parse(source.ask_of(one, "XMLDesc", 0))
        return {
            "name": root.get("name"),
            "uuid": text(root, "uuid"),
            "chain": root.get("chain"),
            "rules": len(root.findall("rule")),
            "references": [ref.get("filter") for ref in root.iterfind("filterref")],
        }

    return each(source, "listAllNWFilters", describe)


def secrets(source: Node) -> list[dict[str, t.Any]]:
    """For what secrets there are; never their values."""

    def describe(one: t.Any) -> dict[str, t.Any]:
        use = source.ask_of(one, "usageType")
        return {
            "name": source.ask_of(one, "UUIDString"),
            "usage": SECRET_USES[use] if use < len(SECRET_USES) else str(use),
            "usage_id": source.ask_of(one, "usageID"),
        }

    return each(source, "listAllSecrets", describe)
