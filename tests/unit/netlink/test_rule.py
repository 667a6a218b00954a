# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests for rules."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.errors import (
    NetlinkDecodeError,
    NetlinkEncodeError,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl import rule
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl.selection import only


def decoded(request):
    return rule.decode(request.body, 0, len(request.body))


def test_the_bytes_of_a_new_rule():
    request = rule.new({"priority": 5, "src": "10.0.0.0/8", "table": 77})
    assert request.body[:12].hex() == "020008000000000100000000"
    attributes = {"0800060005000000", "080002000a000000", "08000f004d000000", "0500150004000000"}
    assert {request.body[at : at + 8].hex() for at in range(12, len(request.body), 8)} == attributes
    assert (request.type, request.flags, request.operation) == (
        32,
        0x600,
        "RTM_NEWRULE priority 5 src 10.0.0.0/8 table 77",
    )


def test_delete_asks_for_no_more_than_was_given():
    request = rule.delete({"priority": 5})
    assert (request.type, request.flags) == (33, 0)
    assert request.body.hex() == "020000000000000000000000" + "0800060005000000"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"family": "inet", "table": "main", "protocol": "static", "src": "all"}),
        ({"src": "fd00::/8"}, {"family": "inet6", "src": "fd00::", "srclen": 8}),
        ({"src": "10.1.0.0", "srclen": 16}, {"src": "10.1.0.0", "srclen": 16}),
        ({"dst": "10.1.0.1"}, {"dst": "10.1.0.1", "dstlen": None}),
        ({"src": "all", "dst": "default"}, {"src": "all", "dst": None}),
        ({"family": "inet6"}, {"family": "inet6"}),
        ({"goto": 7}, {"goto": 7, "table": None}),
        ({"nop": True}, {"nop": True, "table": None}),
        ({"l3mdev": True}, {"l3mdev": True, "table": None}),
        ({"action": "prohibit"}, {"action": "prohibit", "table": None}),
        ({"not": True, "fwmark": 1}, {"not": True, "fwmark": 1}),
        ({"dport": 80}, {"dport": 80, "dport_start": None}),
        ({"dport_start": 80, "dport_end": 90}, {"dport": None, "dport_start": 80, "dport_end": 90}),
        ({"uid_start": 5, "uid_end": 5}, {"uid_start": 5, "uid_end": 5}),
        ({"flow_from": 3, "flow_to": 4}, {"flow_from": 3, "flow_to": 4}),
        ({"ipproto": "udp"}, {"ipproto": "udp"}),
        ({"ipproto": 200}, {"ipproto": 200}),
    ],
)
def test_what_is_sent(given, expected):
    found = decoded(rule.new(given))
    assert {name: found.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"src": "10.0.0.0/8", "dst": "fd00::/8"}, "family: a rule is either of IPv4 or of IPv6"),
        ({"src": "10.0.0.0/8", "family": "inet6"}, "family: a rule is either"),
        ({"family": "bridge"}, "family: takes inet or inet6"),
        ({"action": "dance"}, "action: takes one of blackhole"),
        ({"tos": 300}, "tos: takes 0 to 255"),
        ({"sport_start": 9, "sport_end": 8}, "sport: takes a range within 0 to 65535"),
        ({"dport": 70000}, "dport: takes a range"),
        ({"iif": "a" * 16}, "iif: takes up to 15"),
        ({"colour": "red"}, "colour: unknown"),
        ({"src": "nowhere"}, "'nowhere'"),
    ],
)
def test_what_cannot_be_sent_is_named(given, words):
    with pytest.raises((NetlinkEncodeError, ValueError), match=words):
        rule.new(given)


def test_ranges_of_the_wrong_size():
    data = rule.HEADER.pack(2, 0, 0, 0, 0, 1, 0) + bytes((6, 0, 23, 0, 1, 0, 0, 0))
    with pytest.raises(NetlinkDecodeError, match="range of 2 bytes"):
        rule.decode(data, 0, len(data))


def test_selection_while_decoding():
    body = rule.new({"priority": 5, "table": 77}).body
    for wanted, there in (({"table": 77}, True), ({"table": 78}, False), ({"table": 77, "priority": None}, True)):
        found = only(rule.decode, **wanted)(body, 0, len(body))
        assert (found is not None) is there
    state = only(lambda data, start, end: {"state": ["STALE"]}, state="STALE")
    assert state(b"", 0, 0) == {"state": ["STALE"]}
    assert only(lambda data, start, end: None, state="STALE")(b"", 0, 0) is None
