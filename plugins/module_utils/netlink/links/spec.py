# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a link, once: `netlink_link` takes one of them or a list, and a transaction takes the same."""

from __future__ import annotations

import typing as t

SELECT: dict[str, t.Any] = {
    "name": {"type": "str"},
    "altname": {"type": "str"},
    "ifindex": {"type": "int"},
    "address": {"type": "str"},
}

VF: dict[str, t.Any] = {
    "vf": {"type": "int", "required": True},
    "address": {"type": "str"},
    "vlan": {"type": "int"},
    "qos": {"type": "int"},
    "min_tx_rate": {"type": "int"},
    "max_tx_rate": {"type": "int"},
    "spoofchk": {"type": "bool"},
    "trust": {"type": "bool"},
    "state": {"type": "str", "choices": ["auto", "enable", "disable"]},
}

PEER: dict[str, t.Any] = {
    "public_key": {"type": "str", "required": True, "no_log": False},
    "preshared_key": {"type": "str", "no_log": True},
    "endpoint": {"type": "str"},
    "allowed_ips": {"type": "list", "elements": "str"},
    "persistent_keepalive": {"type": "int"},
}

WIREGUARD: dict[str, t.Any] = {
    "private_key": {"type": "str", "no_log": True},
    "listen_port": {"type": "int"},
    "fwmark": {"type": "int"},
    "peers": {"type": "list", "elements": "dict", "options": PEER},
    "replace_peers": {"type": "bool", "default": True},
}

LINK: dict[str, t.Any] = {
    "name": {"type": "str"},
    "select": {"type": "dict", "options": SELECT},
    "state": {"type": "str", "choices": ["present", "absent", "up", "down"], "default": "present"},
    "kind": {"type": "str"},
    "options": {"type": "dict"},
    "link": {"type": "str"},
    "mtu": {"type": "int"},
    "address": {"type": "str"},
    "alias": {"type": "str"},
    "altnames": {"type": "list", "elements": "str"},
    "altnames_mode": {"type": "str", "choices": ["add", "exact"], "default": "add"},
    "txqueuelen": {"type": "int"},
    "master": {"type": "str"},
    "ports": {"type": "list", "elements": "str"},
    "port_options": {"type": "dict"},
    "addresses": {"type": "list", "elements": "raw"},
    "addresses_mode": {"type": "str", "choices": ["exact", "add"], "default": "exact"},
    "netns": {"type": "str"},
    "move_to": {"type": "str"},
    "recreate": {"type": "bool", "default": False},
    "vfs": {"type": "list", "elements": "dict", "options": VF},
    "wireguard": {"type": "dict", "options": WIREGUARD},
}
