# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests for addresses, byte by byte."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.errors import (
    NetlinkDecodeError,
    NetlinkEncodeError,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl import address
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl.numbers import AF_INET

CREATE_EXCL, CREATE_REPLACE = 0x600, 0x500


def test_the_bytes_of_a_new_address():
    request = address.new(3, "10.0.0.1/24")
    assert request.body.hex() == "0218000003000000" + "080002000a000001" + "080001000a000001"
    assert (request.type, request.flags, request.operation) == (20, CREATE_EXCL, "RTM_NEWADDR 10.0.0.1/24 on link 3")
    assert address.new(3, "10.0.0.1/24", replace=True).flags == CREATE_REPLACE


def test_delete_carries_no_flag_that_newer_kernels_read_as_in_bulk():
    request = address.delete(3, {"local": "10.0.0.1", "address": "10.0.0.2", "prefixlen": 32})
    assert (request.type, request.flags) == (21, 0)
    assert request.body.hex() == "0220000003000000" + "080002000a000001" + "080001000a000002"


def test_filters_of_a_dump():
    assert address.dump(7, AF_INET).body.hex() == "0200000007000000"


@pytest.mark.parametrize(
    ("given", "scope"),
    [
        ("127.0.0.2/8", 254),
        ("10.0.0.1/8", 0),
        ("fd00::1/64", 0),
        ({"local": "10.0.0.1/8", "scope": "link"}, 253),
        ({"local": "10.0.0.1/8", "scope": 77}, 77),
    ],
)
def test_scope(given, scope):
    assert address.new(1, given).body[3] == scope


@pytest.mark.parametrize(
    ("lifetimes", "valid", "preferred"),
    [
        ({"valid_life_time": 100}, 100, 100),
        ({"valid_life_time": 100, "preferred_life_time": 7}, 100, 7),
        ({"preferred_life_time": 7}, address.FOREVER, 7),
    ],
)
def test_lifetimes(lifetimes, valid, preferred):
    body = address.new(1, {"local": "10.0.0.1/8", **lifetimes}).body
    found = address.decode(body, 0, len(body))
    assert (found["valid_life_time"], found["preferred_life_time"]) == (valid, preferred)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "local: an address needs one"),
        ({"local": "10.0.0.1/8", "colour": "red"}, "colour: unknown"),
        ({"local": "10.0.0.1/8", "scope": "galaxy"}, "scope: takes one of global"),
        ({"local": "10.0.0.1/8", "label": "a" * 16}, "label: takes up to 15"),
        ({"local": "10.0.0.1/8", "nodad": "perhaps"}, "takes true or false"),
        ({"local": "10.0.0.1/8", "valid_life_time": 5, "preferred_life_time": 6}, "cannot be longer"),
        ({"local": "10.0.0.1/8", "broadcast": "yes"}, "broadcast: takes an IP address"),
        ({"local": "10.0.0.1/8", "metric": -1}, "metric: takes 0 to"),
    ],
)
def test_what_cannot_be_sent_is_named(given, words):
    with pytest.raises((NetlinkEncodeError, ValueError), match=words):
        address.new(1, given)


def test_a_truncated_message():
    with pytest.raises(NetlinkDecodeError, match="7 bytes"):
        address.decode(bytes(7), 0, 7)


def test_flags_have_the_names_of_ip():
    assert address.flag_names(2, 0x81) == ("secondary",)
    assert address.flag_names(10, 0x41) == ("temporary", "tentative", "dynamic")
    assert address.flag_names(10, 0xB80) == ("mngtmpaddr", "noprefixroute", "stable-privacy")
