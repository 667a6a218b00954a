# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seed's arguments in this core's terms."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink import iproute_names as names
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.errors import NetlinkEncodeError


@pytest.mark.parametrize(
    ("mask", "bits"),
    [(24, 24), ("24", 24), ("255.255.255.0", 24), ("0.0.0.0", 0), ("255.255.255.255", 32), (None, None)],
)
def test_masks(mask, bits):
    assert names.mask_bits(mask) == bits


@pytest.mark.parametrize("mask", ["255.0.255.0", "wide", "", [24], "1.2.3.4.5"])
def test_what_is_no_mask(mask):
    with pytest.raises(NetlinkEncodeError, match="mask: takes a prefix length or a netmask"):
        names.mask_bits(mask)


@pytest.mark.parametrize(
    ("given", "ours"),
    [
        ({"address": "10.0.0.1", "mask": 24}, {"local": "10.0.0.1/24"}),
        ({"address": "10.0.0.1", "prefixlen": "255.255.0.0"}, {"local": "10.0.0.1/16"}),
        ({"address": "10.0.0.1/8", "mask": None, "family": 2}, {"local": "10.0.0.1/8"}),
        ({"local": "10.0.0.1", "address": "10.0.0.2", "mask": 32}, {"local": "10.0.0.1/32", "address": "10.0.0.2"}),
        ({"address": "10.0.0.1", "peer": "10.0.0.2", "mask": 32}, {"local": "10.0.0.1/32", "address": "10.0.0.2"}),
        ({"address": "10.0.0.1", "scope": "RT_SCOPE_LINK"}, {"local": "10.0.0.1", "scope": "link"}),
    ],
)
def test_addresses(given, ours):
    assert names.address(given) == ours


@pytest.mark.parametrize(
    ("given", "ours"),
    [
        ({"prefix": "10.0.0.0", "mask": 8, "index": 3}, {"dst": "10.0.0.0/8", "oif": 3}),
        ({"dst": "10.0.0.0", "dst_len": 8, "priority": 5}, {"dst": "10.0.0.0/8", "metric": 5}),
        ({"dst": "10.0.0.0/8", "rtype": "RTN_BLACKHOLE"}, {"dst": "10.0.0.0/8", "type": "blackhole"}),
        ({"rtproto": "RTPROT_STATIC", "rtscope": "RT_SCOPE_UNIVERSE"}, {"protocol": "static", "scope": "global"}),
        (
            {"multipath": [{"gateway": "10.0.0.1", "hops": 3, "ifindex": 2}, {"gateway": "10.0.0.2"}]},
            {"nexthops": [{"gateway": "10.0.0.1", "weight": 4, "oif": 2}, {"gateway": "10.0.0.2"}]},
        ),
    ],
)
def test_routes(given, ours):
    assert names.route(given) == ours


def test_options_of_kinds():
    assert names.link_attributes("vlan", {"vlan_id": 7, "mtu": 1400, "link": 3}) == {
        "mtu": 1400,
        "link": 3,
        "linkinfo": {"info_kind": "vlan", "info_data": {"id": 7}},
    }
    assert names.link_attributes("bridge", {"br_ageing_time": 7})["linkinfo"]["info_data"] == {"ageing_time": 7}
    assert names.link_attributes("veth", {"peer": "v1"})["linkinfo"]["info_data"] == {"peer": {"ifname": "v1"}}
    assert names.link_attributes("", {"mtu": 1400}) == {"mtu": 1400}
    with pytest.raises(NetlinkEncodeError, match="br_ageing_time: no attribute of a link of kind vlan"):
        names.link_attributes("vlan", {"br_ageing_time": 7})


def test_vlans():
    untagged = {"vlan": 10, "flags": ["PVID", "Egress Untagged"]}
    assert names.vlans({"vid": 10, "flags": ["pvid", "untagged"]}) == [untagged]
    assert names.vlans([{"vid": 10, "flags": "pvid"}, {"vid": 20, "vid_end": 30}]) == [
        {"vlan": 10, "flags": ["PVID"]},
        {"vlan": 20, "vlanEnd": 30, "flags": []},
    ]
