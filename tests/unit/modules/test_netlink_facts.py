# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What netlink_facts makes of the options that it shares with setup."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.hypervisor.plugins.modules import netlink_facts


@pytest.mark.parametrize(
    ("subset", "expected"),
    [
        ([], True),
        (["all"], True),
        (["network"], True),
        (["!all", "network"], True),
        (["!all", "!min", "network"], True),
        (["default_ipv4"], True),
        (["all", "!hardware"], True),
        (["!hardware"], True),
        (["!network", "network"], True),
        (["!all"], False),
        (["!network"], False),
        (["all", "!network"], False),
        (["!interfaces"], False),
        (["min"], False),
        (["hardware", "virtual"], False),
    ],
    ids=str,
)
def test_subsets(subset, expected):
    assert netlink_facts.asked_for(subset) is expected


FACTS = {"interfaces": ["lo"], "lo": {}, "all_ipv4_addresses": [], "all_ipv6_addresses": []}


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ([], set(FACTS)),
        (["*"], set(FACTS)),
        (["all_ipv?_addresses"], {"all_ipv4_addresses", "all_ipv6_addresses"}),
        (["ansible_lo", "interfaces"], {"lo", "interfaces"}),
        (["none"], set()),
    ],
    ids=str,
)
def test_filters(patterns, expected):
    assert netlink_facts.chosen(FACTS, patterns).keys() == {f"ansible_{name}" for name in expected}
