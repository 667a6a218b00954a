# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a route, once: `netlink_route` takes one of them or a list, and a transaction takes the same."""

from __future__ import annotations

import typing as t

NEXTHOP: dict[str, t.Any] = {
    "gateway": {"type": "str"},
    "dev": {"type": "str"},
    "weight": {"type": "int", "default": 1},
}

ROUTE: dict[str, t.Any] = {
    "dst": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "family": {"type": "str", "choices": ["inet", "inet6"]},
    "gateway": {"type": "str"},
    "dev": {"type": "str"},
    "table": {"type": "str"},
    "metric": {"type": "int"},
    "type": {"type": "str", "choices": ["unicast", "blackhole", "unreachable", "prohibit", "throw", "local"]},
    "protocol": {"type": "str"},
    "scope": {"type": "str"},
    "prefsrc": {"type": "str"},
    "mtu": {"type": "int"},
    "advmss": {"type": "int"},
    "onlink": {"type": "bool"},
    "nhid": {"type": "int"},
    "nexthops": {"type": "list", "elements": "dict", "options": NEXTHOP},
}
