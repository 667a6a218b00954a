# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a transaction. Links and routes take those of `netlink_link` and `netlink_route`, from one place."""

from __future__ import annotations

import typing as t

from ..netlink.links.spec import LINK
from ..netlink.routes.spec import ROUTE

STATE: dict[str, t.Any] = {"type": "str", "choices": ["present", "absent"], "default": "present"}

RULE: dict[str, t.Any] = {
    "state": STATE,
    "priority": {"type": "int"},
    "family": {"type": "str", "choices": ["inet", "inet6"]},
    "src": {"type": "str"},
    "dst": {"type": "str"},
    "iif": {"type": "str"},
    "oif": {"type": "str"},
    "fwmark": {"type": "int"},
    "fwmask": {"type": "int"},
    "tos": {"type": "int"},
    "ipproto": {"type": "str"},
    "sport": {"type": "str"},
    "dport": {"type": "str"},
    "invert": {"type": "bool", "default": False},
    "table": {"type": "str"},
    "action": {"type": "str", "choices": ["blackhole", "unreachable", "prohibit"]},
    "suppress_prefixlen": {"type": "int"},
    "protocol": {"type": "str"},
}

NEIGHBOUR: dict[str, t.Any] = {
    "state": STATE,
    "dst": {"type": "str", "required": True},
    "dev": {"type": "str", "required": True},
    "lladdr": {"type": "str"},
    "proxy": {"type": "bool", "default": False},
    "router": {"type": "bool", "default": False},
}

FDB: dict[str, t.Any] = {
    "state": STATE,
    "mac": {"type": "str", "required": True},
    "dev": {"type": "str", "required": True},
    "vlan": {"type": "int"},
    "dst": {"type": "str"},
    "vni": {"type": "int"},
}

VLAN: dict[str, t.Any] = {
    "vid": {"type": "str", "required": True},
    "pvid": {"type": "bool", "default": False},
    "untagged": {"type": "bool", "default": False},
}

BRIDGE_VLANS: dict[str, t.Any] = {
    "dev": {"type": "str", "required": True},
    "vlans": {"type": "list", "elements": "dict", "options": VLAN, "required": True},
    "mode": {"type": "str", "choices": ["add", "exact"], "default": "exact"},
}

# What is wanted of the network: these come together in one picture.
WANTED: dict[str, t.Any] = {
    "interfaces": {"type": "list", "elements": "dict", "options": LINK},
    "routes": {"type": "list", "elements": "dict", "options": ROUTE},
    "rules": {"type": "list", "elements": "dict", "options": RULE},
    "neighbours": {"type": "list", "elements": "dict", "options": NEIGHBOUR},
    "fdb": {"type": "list", "elements": "dict", "options": FDB},
    "bridge_vlans": {"type": "list", "elements": "dict", "options": BRIDGE_VLANS},
    "scope": {"type": "str", "choices": ["listed", "exact"], "default": "listed"},
    "protect": {"type": "list", "elements": "str"},
}

TRANSACTION: dict[str, t.Any] = {
    **WANTED,
    "mode": {"type": "str", "choices": ["direct", "implicit", "explicit", "snapshot"], "default": "implicit"},
    "state": {
        "type": "str",
        "choices": ["committed", "begun", "confirmed", "dropped", "rolled_back", "recovered"],
        "default": "committed",
    },
    "transaction": {"type": "str"},
    "plan_sha": {"type": "str"},
    "confirm_timeout": {"type": "int"},
    "confirm": {"type": "str", "choices": ["reconnected", "later"], "default": "reconnected"},
    "confirm_host": {"type": "str"},
    "proof": {"type": "str"},
    "verify_timeout": {"type": "int", "default": 0},
    "netns": {"type": "str"},
}
