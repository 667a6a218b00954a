# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decoded objects in, objects as iproute2 shows them out. The kernel tests compare with iproute2 itself."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink import (
    exchange,
    show,
    show_neighbour,
    show_route,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.message import Request
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl import link

UP, LOWER_UP, RUNNING = 0x1, 0x10000, 0x40
NAMES = show.Names({1: "lo", 5: "eth0", 6: "br0"}, {1: UP, 5: UP | RUNNING, 6: 0})


def decoded(**more):
    """The least that a link decodes to."""
    return {"ifindex": 9, "ifname": "x0", "flags": UP | RUNNING, "type": 1, "family": 0, **more}


def recorded_links():
    text = pathlib.Path(__file__).with_name("recorded").joinpath("links.hex").read_text()
    dump, out = exchange.Dump(Request("RTM_GETLINK", 0, 0, b""), 1), []
    for block in text.split("\n\n"):
        dump.feed(bytes.fromhex(block), link.decode, out)
    return {one["ifname"]: one for one in show.links(out)}


def test_a_recorded_dump():
    links = recorded_links()
    assert links["lo"] == {
        "ifindex": 1,
        "ifname": "lo",
        "flags": ["LOOPBACK"],
        "mtu": 65536,
        "qdisc": "noop",
        "operstate": "DOWN",
        "linkmode": "DEFAULT",
        "group": "default",
        "txqlen": 1000,
        "link_type": "loopback",
        "address": "00:00:00:00:00:00",
        "broadcast": "00:00:00:00:00:00",
        "promiscuity": 0,
        "allmulti": 0,
        "min_mtu": 0,
        "max_mtu": 0,
        "inet6_addr_gen_mode": "eui64",
        "num_tx_queues": 1,
        "num_rx_queues": 1,
        "gso_max_size": 65536,
        "gso_max_segs": 65535,
        "tso_max_size": 524280,
        "tso_max_segs": 65535,
        "gro_max_size": 65536,
        "carrier": True,
    }
    for one in links.values():
        for key in ("link", "master"):
            assert one.get(key) is None or one[key] in links
        assert not {"type", "family", "af_spec", "protodown"} & one.keys()


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        (0, []),
        (UP | RUNNING, ["UP"]),
        (UP, ["NO-CARRIER", "UP"]),
        (RUNNING, []),
        (0x1 | 0x2 | 0x8 | 0x40 | 0x1000 | LOWER_UP, ["LOOPBACK", "BROADCAST", "MULTICAST", "UP", "LOWER_UP"]),
        (0x10 | 0x80 | 0x40 | 0x1, ["POINTOPOINT", "NOARP", "UP"]),
        (0x100000, ["100000"]),
    ],
)
def test_flags(flags, names):
    assert show.link(decoded(flags=flags), NAMES)["flags"] == names


def test_flags_of_two_links_are_two_lists():
    first, second = show.link(decoded(), NAMES), show.link(decoded(), NAMES)
    first["flags"].append("MINE")
    assert second["flags"] == ["UP"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"link": 5}, {"link": "eth0", "flags": ["UP"]}),
        ({"link": 6}, {"link": "br0", "flags": ["UP", "M-DOWN"]}),
        ({"link": 77}, {"link": "if77", "flags": ["UP"]}),
        ({"link": 0}, {"link": None, "flags": ["UP"]}),
        ({"link": 6, "link_netnsid": 0}, {"link_index": 6, "link_netnsid": 0, "flags": ["UP"]}),
        ({"master": 6}, {"master": "br0"}),
        ({"group": 0}, {"group": "default"}),
        ({"group": 7}, {"group": "7"}),
        ({"protodown": True}, {"proto_down": True}),
        ({"af_spec": {"inet6": {"addr_gen_mode": "none"}}}, {"inet6_addr_gen_mode": "none"}),
        ({"af_spec": {}}, {}),
        ({"phys_switch_id": "00:11:22"}, {"phys_switch_id": "001122"}),
        ({"type": 768, "address": "c0:00:02:01", "broadcast": "c0:00:02:02"}, {"address": "192.0.2.1"}),
        ({"type": 823, "address": "fd" + ":00" * 14 + ":01"}, {"address": "fd00::1", "link_type": "gre6"}),
        ({"type": 1, "address": "c0:00:02:01:05:06"}, {"address": "c0:00:02:01:05:06", "link_type": "ether"}),
        ({"type": 4711}, {"link_type": "[4711]"}),
        ({"flags": 0x10, "broadcast": "00:00:00:00"}, {"link_pointtopoint": True}),
        ({"permaddr": "02:00:00:00:00:01", "address": "02:00:00:00:00:02"}, {"permaddr": "02:00:00:00:00:01"}),
    ],
    ids=str,
)
def test_what_links_have(before, after):
    shown = show.link(decoded(**before), NAMES)
    assert {key: shown[key] for key in after} == after


@pytest.mark.parametrize(
    ("before", "gone"),
    [
        ({"permaddr": "02:00:00:00:00:01", "address": "02:00:00:00:00:01"}, "permaddr"),
        ({"link": 6, "link_netnsid": 0}, "link"),
        ({"protodown": False}, "proto_down"),
        ({"flags": 0x10}, "link_pointtopoint"),
        ({}, "master"),
    ],
    ids=str,
)
def test_what_they_do_not(before, gone):
    assert gone not in show.link(decoded(**before), NAMES)


@pytest.mark.parametrize(
    ("info", "after"),
    [
        ({"info_kind": "vxlan", "info_data": {"id": 5, "link": 5}}, {"id": 5, "link": "eth0"}),
        (
            {"info_kind": "bond", "info_data": {"primary": 5, "active_slave": 6}},
            {"primary": "eth0", "active_slave": "br0"},
        ),
        ({"info_kind": "vlan", "info_data": {"id": 5}}, {"id": 5}),
        ({"info_kind": "of-tomorrow", "info_data": {"link": 5}}, {"link": 5}),
    ],
    ids=str,
)
def test_links_in_options(info, after):
    assert show.link(decoded(linkinfo=info), NAMES)["linkinfo"]["info_data"] == after


def test_links_in_options_of_ports():
    info = {"info_slave_kind": "bridge", "info_slave_data": {"backup_port": 5, "cost": 2}}
    shown = show.link(decoded(linkinfo=info), NAMES)["linkinfo"]
    assert shown["info_slave_data"] == {"backup_port": "eth0", "cost": 2}


def test_addresses_by_link():
    found = [{"index": 5, "local": "192.0.2.1"}, {"index": 7, "local": "fd00::1"}, {"index": 5, "local": "fd00::2"}]
    assert show.addresses(found, NAMES) == [
        {"ifindex": 5, "ifname": "eth0", "addr_info": [{"local": "192.0.2.1"}, {"local": "fd00::2"}]},
        {"ifindex": 7, "ifname": "if7", "addr_info": [{"local": "fd00::1"}]},
    ]


def test_routes():
    routes = [
        {"dst": "default", "gateway": "192.0.2.1", "oif": 5, "table": "main"},
        {"dst": "10.0.0.0/8", "table": 77, "metrics": {"mtu": 1400}, "tos": 16, "flow": {"to": 5}},
        {"dst": "10.1.0.0/16", "iif": 5, "oif": 99, "table": "main", "mark": 255},
        {"dst": "10.2.0.0/16", "table": "main", "nexthops": [{"oif": 5, "weight": 1}, {"oif": 0, "flow": {"to": 5}}]},
    ]
    assert show_route.links_in(routes) == {5, 99}
    assert show_route.routes(routes, NAMES) == [
        {"dst": "default", "gateway": "192.0.2.1", "dev": "eth0", "table": "main"},
        {
            "dst": "10.0.0.0/8",
            "table": "77",
            "metrics": [{"mtu": 1400}],
            "tos": "0x10",
            "flow": {"to": "5"},
        },
        {"dst": "10.1.0.0/16", "iif": "eth0", "dev": "if99", "table": "main", "mark": "0xff"},
        {"dst": "10.2.0.0/16", "table": "main", "nexthops": [{"dev": "eth0", "weight": 1}, {"flow": {"to": "5"}}]},
    ]


def test_rules():
    assert show_route.rules([{"priority": 1, "fwmark": 5, "fwmask": 255, "table": 88, "not": True}]) == [
        {"priority": 1, "fwmark": "0x5", "fwmask": "0xff", "table": "88", "not": True}
    ]


def test_neighbours_and_forwarding_entries():
    entry = {"index": 5, "master": 6, "used": 3, "confirmed": 4, "updated": 5, "refcnt": 1, "probes": 2}
    assert show_neighbour.links_in([entry, {"index": 5, "via": 1}]) == {1, 5, 6}
    assert show_neighbour.neighbours([dict(entry)], NAMES) == [{"dev": "eth0", "master": "br0"}]
    assert show_neighbour.fdb([{**entry, "via": 1}], NAMES) == [{"ifname": "eth0", "master": "br0", "viaIf": "lo"}]
    assert show_neighbour.vlans([{"index": 5, "vlans": []}], NAMES) == [{"ifname": "eth0", "vlans": []}]
