# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes that a kernel sent, beside what they say: each object as the kernel tests found it equal to iproute2's view."""

from __future__ import annotations

import json
import pathlib

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.errors import NetlinkDecodeError
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl import (
    address,
    bridge_vlan,
    fdb,
    neighbour,
    nexthop,
    route,
    rule,
    tc,
)

RECORDS = json.loads(pathlib.Path(__file__).with_name("test_rtnl_recorded.json").read_text())["records"]
MODULES = {
    "address": address, "bridge_vlan": bridge_vlan, "fdb": fdb, "neighbour": neighbour, "nexthop": nexthop,
    "route": route, "rule": rule, "tc": tc,
}  # fmt: skip
# How each is put back from what was read
AGAIN = {
    "address": lambda found: address.new(found["index"], found),
    "fdb": lambda found: fdb.new(found["index"], found),
    "neighbour": lambda found: neighbour.new(found["index"], found),
    "nexthop": nexthop.new,
    "route": route.new,
    "rule": rule.new,
}
# What only the kernel says of an object, or says about what others set
TOLD = {
    "address": {"secondary", "tentative", "deprecated", "dynamic", "protocol"},
    "fdb": {"used", "updated", "master", "flags"},
    "neighbour": {"used", "confirmed", "updated", "refcnt", "probes"},
    "nexthop": {"scope", "resilient_args"},
    "route": {"expires", "gateway", "oif", "nexthops", "metrics", "encap", "flags"},
    "rule": {"unresolved", "iif_detached", "oif_detached"},
}


def names(records):
    return [f"{number}-{record['object']}" for number, record in enumerate(records)]


@pytest.mark.parametrize("record", RECORDS, ids=names(RECORDS))
def test_decoded(record):
    data = bytes.fromhex(record["hex"])
    before, after = b"\xff" * 16, b"\xff" * 5  # a message lies among others
    found = MODULES[record["object"]].decode(before + data + after, 16, 16 + len(data))
    assert found == record["decoded"]


@pytest.mark.parametrize("record", RECORDS, ids=names(RECORDS))
def test_cut_short_anywhere(record):
    data = bytes.fromhex(record["hex"])
    decode = MODULES[record["object"]].decode
    for end in range(len(data)):
        try:
            decode(data, 0, end)
        except NetlinkDecodeError:
            continue


REPEATED = [record for record in RECORDS if record["object"] in AGAIN and record["decoded"]]


@pytest.mark.parametrize("record", REPEATED, ids=names(REPEATED))
def test_what_is_sent_to_put_it_back_says_the_same(record):
    kind, found = record["object"], record["decoded"]
    request = AGAIN[kind](found)
    sent = MODULES[kind].decode(request.body, 0, len(request.body))
    told = TOLD[kind]
    assert {name: sent.get(name) for name in found if name not in told} == {
        name: found[name] for name in found if name not in told
    }
    assert not set(sent) - set(found) - told


def test_every_object_was_recorded():
    assert {record["object"] for record in RECORDS} == set(MODULES)
