# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests for neighbours, forwarding entries and VLANs of ports."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.errors import (
    NetlinkDecodeError,
    NetlinkEncodeError,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl import bridge_vlan, fdb, neighbour

MAC = "02:00:00:00:00:09"
SELF, MASTER, STICKY = 0x2, 0x4, 0x40


def test_the_bytes_of_a_new_neighbour():
    request = neighbour.new(3, {"dst": "10.0.0.9", "lladdr": MAC})
    assert request.body.hex() == "0200000003000000" + "80000000" + "080001000a000009" + "0a000200020000000009" + "0000"
    assert (request.type, request.flags, request.operation) == (28, 0x600, "RTM_NEWNEIGH 10.0.0.9 on link 3")
    assert neighbour.delete(3, {"dst": "10.0.0.9"}).flags == 0


@pytest.mark.parametrize(
    ("entry", "state", "flags"),
    [
        ({}, 0x80, 0),
        ({"state": "stale"}, 0x4, 0),
        ({"state": ["NOARP", "PERMANENT"]}, 0xC0, 0),
        ({"proxy": True}, 0, 0x8),
        ({"managed": True}, 0, 0),
        ({"router": True, "state": "REACHABLE"}, 0x2, 0x80),
    ],
)
def test_states_and_flags(entry, state, flags):
    body = neighbour.new(3, {"dst": "10.0.0.9", "lladdr": MAC, **entry}).body
    assert (body[8] | body[9] << 8, body[10]) == (state, flags)
    if "managed" in entry:
        assert body.hex().endswith("08000f0001000000")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: neighbour.new(3, {"lladdr": MAC}), "dst: a neighbour needs one"),
        (lambda: neighbour.new(3, {"dst": "10.0.0.9", "state": "tired"}), "state: takes one of INCOMPLETE"),
        (lambda: neighbour.new(3, {"dst": "10.0.0.9", "lladdr": "x"}), "lladdr: "),
        (lambda: neighbour.new(3, {"dst": "10.0.0.9", "colour": "red"}), "colour: unknown"),
        (lambda: fdb.new(3, {}), "mac: a forwarding entry needs one"),
        (lambda: fdb.new(3, {"mac": MAC, "state": "tired"}), "state: takes one of permanent"),
        (lambda: fdb.new(3, {"mac": MAC, "flags": ["fast"]}), "flags: takes some of self"),
        (lambda: fdb.new(3, {"mac": MAC, "vlan": 70000}), "vlan: takes 0 to 65535"),
        (lambda: bridge_vlan.add(3, []), "vlans: takes at least one"),
        (lambda: bridge_vlan.add(3, [{"vlan": 0}]), "vlans: takes VLAN ids of 1 to 4094"),
        (lambda: bridge_vlan.add(3, [{"vlan": 4095}]), "vlans: takes VLAN ids of 1 to 4094"),
        (lambda: bridge_vlan.add(3, [{"vlan": 20, "vlanEnd": 10}]), "vlans: takes ranges from a lower"),
        (lambda: bridge_vlan.add(3, [{"vlan": 10, "vlanEnd": 20, "flags": ["PVID"]}]), "no range as PVID"),
        (lambda: bridge_vlan.add(3, [{"vlan": 10, "flags": ["tagged"]}]), "vlans: takes flags of PVID"),
    ],
)
def test_what_cannot_be_sent_is_named(make, words):
    with pytest.raises(NetlinkEncodeError, match=words):
        make()


@pytest.mark.parametrize(
    ("entry", "flags"),
    [
        ({}, SELF),
        ({"flags": ["master"]}, MASTER),
        ({"master": 20}, MASTER),
        ({"master": 3}, SELF),  # the bridge itself
        ({"flags": ["self"], "master": 20}, SELF | MASTER),
        ({"flags": ["sticky", "offload"], "master": 20}, MASTER | STICKY),
    ],
)
def test_who_keeps_a_forwarding_entry(entry, flags):
    assert fdb.new(3, {"mac": MAC, **entry}).body[10] == flags


def test_the_bytes_of_vlans():
    request = bridge_vlan.add(3, [{"vlan": 10, "vlanEnd": 20}, {"vlan": 30, "flags": ["PVID", "Egress Untagged"]}])
    assert request.body[:16].hex() == "07000000" + "03000000" + "00000000" * 2
    inside = ("06000000" + "01000000", "08000200" + "08000a00", "08000200" + "10001400", "08000200" + "06001e00")
    assert request.body[16:].hex() == "24001a80" + "".join(inside)
    assert (request.type, request.flags) == (19, 0)
    assert bridge_vlan.delete(3, [{"vlan": 10}], own=True).body[20:28].hex() == "0600000002000000"


def test_the_end_of_a_range_without_its_begin_is_a_vlan():
    data = bridge_vlan.IFINFO.pack(7, 0, 3, 0, 0) + bytes.fromhex("0c001a00" + "08000200" + "10001400")
    assert bridge_vlan.decode(data, 0, len(data))["vlans"] == [{"vlan": 20}]


@pytest.mark.parametrize("module", [neighbour, fdb, bridge_vlan], ids=lambda module: module.__name__.rpartition(".")[2])
def test_truncated_messages(module):
    with pytest.raises(NetlinkDecodeError, match="of 11 bytes"):
        module.decode(bytes(11), 0, 11)


@pytest.mark.parametrize(
    ("state", "flags", "kept"),
    [
        ("permanent", ["master"], ["master"]),
        ("static", ["master", "sticky"], ["master", "sticky"]),
        ("dynamic", ["master"], None),
        ("stale", ["self"], None),
        ("static", ["master", "extern_learn"], None),
    ],
)
def test_entries_that_somebody_set(state, flags, kept):
    body = fdb.new(3, {"mac": MAC, "state": state, "flags": flags}).body
    found = fdb.decode_set(body, 0, len(body))
    assert (found and found["flags"]) == kept
    assert found is None or found == fdb.decode(body, 0, len(body))


def test_what_is_unwanted_is_told_before_it_is_decoded():
    body = fdb.new(3, {"mac": MAC, "state": "permanent", "flags": ["self"]}).body
    asked = []
    assert fdb.decode_set(body, 0, len(body), lambda *head: bool(asked.append(head)) or True) is None
    assert asked == [(3, fdb.PERMANENT, fdb.SELF, bytes.fromhex(MAC.replace(":", "")))]
    assert fdb.decode_set(body, 0, len(body), lambda *_head: False) == fdb.decode_set(body, 0, len(body))
    assert fdb.decode_set(body[:12], 0, 12, lambda *head: head[3] != b"") is not None, "one without an address"


def test_what_a_switch_took_over_is_the_same_entry():
    sent = fdb.new(3, {"mac": MAC, "flags": ["master"]}).body
    body = sent[:10] + bytes([sent[10] | 0x20]) + sent[11:]  # NTF_OFFLOADED
    assert fdb.decode(body, 0, len(body))["flags"] == ["master", "offload"]
    assert fdb.decode_set(body, 0, len(body))["flags"] == ["master"]


def test_an_entry_cut_short():
    with pytest.raises(NetlinkDecodeError):
        fdb.decode_set(bytes(11), 0, 11)
