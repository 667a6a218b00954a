# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules on the real kernel, beside what `ip -j rule` shows."""

from __future__ import annotations

import errno

from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl import rule
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl.numbers import AF_INET6
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl.selection import only

from tests.kernel import iproute2

WANTED = [
    {
        "priority": 100, "src": "10.0.0.0/8", "dst": "10.3.0.0/16", "iif": "v0", "oif": "v1",
        "fwmark": 0x10, "fwmask": 0xFF, "tos": 0x10, "table": 77,
        "uid_start": 5, "uid_end": 9, "ipproto": "tcp", "sport_start": 10, "sport_end": 20,
        "dport": 80, "suppress_prefixlen": 0, "suppress_ifgroup": 5,
    },
    {"priority": 101, "not": True, "src": "10.9.0.0/16", "goto": 200},
    {"priority": 200, "nop": True},
    {"priority": 202, "src": "10.77.0.1", "action": "unreachable", "protocol": "bgp"},
    {"priority": 203, "tun_id": 7, "table": "main", "flow_from": 3, "flow_to": 4},
    {"priority": 300, "src": "fd00::/8", "table": 5},
    {"priority": 301, "family": "inet6", "fwmark": 9},
]  # fmt: skip
NUMBERS_IN_HEXADECIMAL = ("tos", "fwmark", "fwmask")
NUMBERS_IN_TEXT = ("table", "suppress_ifgroup", "flow_from", "flow_to")


def read(rtnl, **filters):
    return rtnl.dump(rule.dump(**filters), rule.decode)


def add_all(rtnl):
    assert rtnl.batch([rule.new(wanted) for wanted in WANTED]) == [None] * len(WANTED)


def theirs_as_ours(found, family):
    out = {"family": family, **iproute2.without_nulls(found)}
    for name in out:
        if name in NUMBERS_IN_HEXADECIMAL:
            out[name] = int(out[name], 16)
        elif name in NUMBERS_IN_TEXT and out[name].isdigit():
            out[name] = int(out[name])
        elif name == "ipproto" and out[name] == "ipproto-6":  # of a host without /etc/protocols
            out[name] = "tcp"
    return out


def test_read_as_ip_shows_them(netns, rtnl):
    iproute2.pair(netns)
    add_all(rtnl)
    theirs = [
        theirs_as_ours(one, family)
        for family, word in (("inet", "-4"), ("inet6", "-6"))
        for one in iproute2.shown(netns, f"ip {word} -d rule")
    ]
    ours = read(rtnl)
    assert ours == theirs
    assert len(ours) == len(WANTED) + 5


def test_what_was_read_can_be_removed_and_put_back(rtnl):
    untouched = read(rtnl)
    add_all(rtnl)
    before = read(rtnl)
    added = [one for one in before if one not in untouched]
    assert len(added) == len(WANTED)
    assert rtnl.batch([rule.delete(one) for one in added]) == [None] * len(added)
    assert read(rtnl) == untouched
    assert rtnl.batch([rule.new(one) for one in added]) == [None] * len(added)
    assert [{**one, "unresolved": None} for one in read(rtnl)] == [{**one, "unresolved": None} for one in before]


def test_filters(rtnl):
    add_all(rtnl)
    assert {one["family"] for one in read(rtnl, family=AF_INET6)} == {"inet6"}
    assert [one["priority"] for one in rtnl.dump(rule.dump(), only(rule.decode, table=77))] == [100]


def test_the_same_again_is_refused_and_what_is_not_there_too(rtnl):
    assert rtnl.batch([rule.new({"priority": 5, "table": 9})]) == [None]
    again, missing = rtnl.batch([rule.new({"priority": 5, "table": 9}), rule.delete({"priority": 6})])
    assert (again.errno, missing.errno) == (errno.EEXIST, errno.ENOENT)
    assert "RTM_NEWRULE priority 5 table 9" in str(again)


def test_rules_of_l3_master_devices(rtnl, lacking):
    (refusal,) = rtnl.batch([rule.new({"priority": 201, "l3mdev": True})])
    if refusal and refusal.errno in (errno.EOPNOTSUPP, errno.EAFNOSUPPORT):
        lacking("l3 master devices")
    assert refusal is None
    (found,) = rtnl.dump(rule.dump(), only(rule.decode, priority=201))
    assert found["l3mdev"] is True
    assert "table" not in found
    assert rtnl.batch([rule.delete(found)]) == [None]
