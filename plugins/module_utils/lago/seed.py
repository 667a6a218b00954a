# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who a guest is, told to it by cloud-init's NoCloud (docs.cloud-init.io, datasources/nocloud): three files on a CD.

    meta-data        which instance it is, and its name
    user-data        users, keys, passwords, its name as an initiator of iSCSI
    network-config   its interfaces by their MAC addresses (version 2)

All three are JSON, which is YAML too: what has no special letters in it cannot be misread.
"""

from __future__ import annotations

import json
import typing as t

from . import identity
from .addressing import Addresses, Place
from .errors import SeedError
from .initfile.model import Domain, InitFile, Net

LABEL = "cidata"
INITIATOR = "/etc/iscsi/initiatorname.iscsi"


def build(
    prefix: str, domain: Domain, lab: InitFile, addresses: t.Mapping[str, Addresses], keys: t.Sequence[str]
) -> bytes:
    """The CD image for `domain`; `keys` are public keys of SSH, a line each, that may log in. Raises SeedError."""
    from .iso9660 import image

    return image(LABEL, contents(prefix, domain, lab, addresses, keys))


def contents(
    prefix: str, domain: Domain, lab: InitFile, addresses: t.Mapping[str, Addresses], keys: t.Sequence[str]
) -> dict[str, bytes]:
    """The files by name."""
    for key in keys:
        if len(key.split()) < 2 or "\n" in key.strip():
            raise SeedError(f"telling {domain.name} who may log in: {key[:40]!r} is no public key of SSH")
    return {
        "meta-data": _json(_meta_data(prefix, domain)),
        "user-data": b"#cloud-config\n" + _json(_user_data(domain, keys)),
        "network-config": _json(_network_config(prefix, domain, lab, addresses)),
    }


def _json(value: t.Any) -> bytes:
    return json.dumps(value, indent=1).encode() + b"\n"


def _meta_data(prefix: str, domain: Domain) -> dict[str, str]:
    """The id follows from the prefix: a guest of a disk that was copied to another lab becomes another one."""
    return {
        "instance-id": identity.object_uuid(prefix, identity.DOMAIN, domain.name),
        "local-hostname": domain.name,
    }


def _user_data(domain: Domain, keys: t.Sequence[str]) -> dict[str, t.Any]:
    """Passwords where the file says some; `ssh_pwauth` only then, and root's keys without cloud-init's refusal."""
    passwords = {
        user: password
        for user, password in (("root", domain.root_password), (domain.ssh_user, domain.ssh_password))
        if password
    }
    users: list[t.Any] = ["default", {"name": "root", "ssh_authorized_keys": list(keys)}]
    if domain.ssh_user != "root":
        users.append(
            {
                "name": domain.ssh_user,
                "ssh_authorized_keys": list(keys),
                "sudo": "ALL=(ALL) NOPASSWD:ALL",
                "shell": "/bin/sh",
                "lock_passwd": domain.ssh_user not in passwords,
            }
        )
    data: dict[str, t.Any] = {
        "hostname": domain.name,
        "disable_root": False,
        "ssh_pwauth": bool(passwords),
        "users": users,
        "growpart": {"mode": "auto", "devices": ["/"]},
        "write_files": [
            {
                "path": INITIATOR,
                "content": f"InitiatorName={identity.iscsi_name(domain.name)}\n",
                "permissions": "0600",
            }
        ],
    }
    if passwords:
        data["chpasswd"] = {
            "expire": False,
            "users": [{"name": user, "password": word, "type": "text"} for user, word in passwords.items()],
        }
    return data


def _network_config(
    prefix: str, domain: Domain, lab: InitFile, addresses: t.Mapping[str, Addresses]
) -> dict[str, t.Any]:
    places = {place.nic: place for one in addresses.values() for place in one.places if place.domain == domain.name}
    ethernets = {}
    for number, nic in enumerate(domain.nics):
        net = lab.nets[nic.net]
        config: dict[str, t.Any] = {"match": {"macaddress": identity.mac(prefix, domain.name, number)}}
        config["set-name"] = f"eth{number}"
        if net.mtu:
            config["mtu"] = net.mtu
        config.update(_addressed(net, places.get(number), addresses.get(net.name)))
        config.update(_domain(net, addresses.get(net.name)))
        ethernets[f"eth{number}"] = config
    return {"version": 2, "ethernets": ethernets}


def _domain(net: Net, addresses: Addresses | None) -> dict[str, t.Any]:
    """systemd-resolved asks for names of .local, which Lago's were, only where their domain is told.

    cloud-init 22 heeds a domain only with a server beside it, so that of DHCP is told once more.
    """
    if not net.dns_domain_name or addresses is None or addresses.gw is None:
        return {}
    return {"nameservers": {"addresses": [str(addresses.gw)], "search": [net.dns_domain_name]}}


def _addressed(net: Net, place: Place | None, addresses: Addresses | None) -> dict[str, t.Any]:
    """By DHCP where the network has it; else the address itself. The way out is that of the management network.

    Of a network without addresses the interface comes up, and has only its link-local one.
    """
    if place is None or addresses is None:
        return {"dhcp4": False, "optional": True}
    if net.dhcp is not None:
        families = {f"dhcp{version}": True for version, one in ((4, place.v4), (6, place.v6)) if one is not None}
        aside = {} if net.management else {"dhcp4-overrides": {"use-routes": False, "use-dns": False}}
        return {**families, **aside}
    both = ((place.v4, addresses.subnets.v4), (place.v6, addresses.subnets.v6))
    static = [f"{one}/{subnet.prefixlen}" for one, subnet in both if one is not None and subnet is not None]
    found: dict[str, t.Any] = {"addresses": static}
    if net.management and addresses.gw is not None:
        found["routes"] = [{"to": "0.0.0.0/0", "via": str(addresses.gw)}]
        found["nameservers"] = {"addresses": [str(addresses.gw)]}
    return found
