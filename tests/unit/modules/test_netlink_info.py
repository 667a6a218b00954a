# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the options of netlink_info become filters."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.show_read import Filters
from ansible_collections.fleet.hypervisor.plugins.modules import netlink_info

NONE = dict.fromkeys(netlink_info.ARGUMENTS)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"table": "main"}, {"table": "main"}),
        ({"table": "all"}, {"table": None}),
        ({"name": "eth0", "kind": "vlan", "master": "br0"}, {"link": "eth0", "kind": "vlan", "master": "br0"}),
        ({"family": "inet6", "protocol": "static"}, {"family": "inet6", "protocol": "static"}),
    ],
    ids=str,
)
def test_filters(options, expected):
    found = netlink_info.filters({**NONE, **options})
    assert {name: found[name] for name in expected} == expected
    assert set(found) == set(Filters._fields)
    assert all(value is None for name, value in found.items() if name not in expected)


def test_everything_that_can_be_read_can_be_asked_for():
    assert netlink_info.ARGUMENTS["gather"]["choices"] == [
        "links",
        "addresses",
        "routes",
        "rules",
        "neighbours",
        "fdb",
        "vlans",
    ]
