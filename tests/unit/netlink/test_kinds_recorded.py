# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes that a kernel sent, beside what `ip -j -d link` printed of the same link at the same time.

`shown` has indexes where ip prints names of links, users and groups.
"""

from __future__ import annotations

import json
import pathlib

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.kinds import registry

RECORDED = json.loads(pathlib.Path(__file__).with_name("test_kinds_recorded.json").read_text())
RECORDS = RECORDED["records"]

# What ip leaves out because it is off or nothing; it is there in what is decoded.
NOTHING = (0, False, "0", [])

# Attributes that ip of that version does not know.
LATER = {
    "actor_port_prio",
    "coupled_control",
    "mcast_eht_hosts_cnt",
    "mcast_eht_hosts_limit",
    "mcast_querier_state",
    "mrp_in_open",
    "mrp_ring_open",
    "mst_enabled",
}
UNPRINTED = {"vxlan": {"ttl_inherit"}, "geneve": {"ttl_inherit"}, "xfrm": {"link"}}


def find(name: str) -> registry.Kind:
    master, _unused, port = name.partition(" ")
    return registry.port(master) if port else registry.find(master)


def as_ip_says(name: str, value: object) -> object:
    return "none" if name == "arp_validate" and value is None else value


@pytest.mark.parametrize("record", RECORDS, ids=[record["kind"] for record in RECORDS])
def test_decoded_as_ip_shows_it(record):
    data = bytes.fromhex(record["hex"])
    found = find(record["kind"]).table.decode(data, 0, len(data))
    for name, value in record["shown"].items():
        if name.endswith("_timer"):  # it ran on between ip's look and ours
            assert found[name] == pytest.approx(value, abs=1)
        else:
            assert found[name] == as_ip_says(name, value), name
    more = set(found) - set(record["shown"]) - LATER - UNPRINTED.get(record["kind"], set())
    assert {name: found[name] for name in more if found[name] not in NOTHING} == {}


def test_every_kind_with_attributes_was_recorded():
    kinds = {name for name in registry.LOADERS if registry.get(name).table.rows} - {"veth"}  # tells nothing
    ports = {f"{name} port" for name in registry.PORT_LOADERS}
    assert kinds | ports == {record["kind"] for record in RECORDS} | {"ipvtap"}


@pytest.mark.parametrize("record", RECORDS, ids=[record["kind"] for record in RECORDS])
def test_what_the_kernel_told_can_be_sent_back(record):
    """An undo sends the options as they were: encoded and decoded again they are the same."""
    kind = find(record["kind"])
    data = bytes.fromhex(record["hex"])
    found = kind.table.decode(data, 0, len(data))
    options = {name: value for name, value in found.items() if name not in kind.read_only}
    sent = kind.table.encode(options)
    again = kind.table.decode(sent, 0, len(sent))
    assert {name: again.get(name, False) for name in options} == options
