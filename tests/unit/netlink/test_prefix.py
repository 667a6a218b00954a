# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prefixes in text."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl.numbers import AF_INET, AF_INET6
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl.prefix import Prefix, parse


@pytest.mark.parametrize(
    ("text", "length", "prefix", "again"),
    [
        ("10.0.0.1/24", None, Prefix(AF_INET, bytes((10, 0, 0, 1)), 24), "10.0.0.1/24"),
        ("10.0.0.1", None, Prefix(AF_INET, bytes((10, 0, 0, 1)), 32), "10.0.0.1/32"),
        ("10.0.0.1", 8, Prefix(AF_INET, bytes((10, 0, 0, 1)), 8), "10.0.0.1/8"),
        ("10.0.0.1/24", 8, Prefix(AF_INET, bytes((10, 0, 0, 1)), 24), "10.0.0.1/24"),
        ("0.0.0.0/0", None, Prefix(AF_INET, bytes(4), 0), "0.0.0.0/0"),
        ("FD00:0::1/64", None, Prefix(AF_INET6, b"\xfd" + bytes(14) + b"\1", 64), "fd00::1/64"),
        ("::", None, Prefix(AF_INET6, bytes(16), 128), "::/128"),
    ],
)
def test_parsed(text, length, prefix, again):
    assert parse(text, length) == prefix
    assert str(parse(text, length)) == again


@pytest.mark.parametrize(
    "text",
    [
        "", "/24", "10.0.0/24", "10.0.0.1/", "10.0.0.1/33", "10.0.0.1/-1", "10.0.0.1/+1", "10.0.0.1/ 8", "10.0.0.1/8 ",
        "10.0.0.1/08", "10.0.0.1/٣", "10.0.0.1/24/8", "10.0.0.256", "fd00::1/129", "fd00::g", "fe80::1%eth0", "host",
        "10.0.0.1\0", None, 10, b"10.0.0.1",
    ],
)  # fmt: skip
def test_refused_with_the_text_named(text):
    with pytest.raises(ValueError, match="is not a|prefix length") as refusal:
        parse(text)
    assert repr(text) in str(refusal.value)


@pytest.mark.parametrize("length", [-1, 33])
def test_a_length_beside_it_is_checked_too(length):
    with pytest.raises(ValueError, match="0 to 32"):
        parse("10.0.0.1", length)
