# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests for routes byte by byte, and the remembering of what repeats."""

from __future__ import annotations

import json
import pathlib

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.errors import (
    NetlinkDecodeError,
    NetlinkEncodeError,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.exchange import Alike, Batch
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl import encap, nexthop, route

RECORDS = json.loads(pathlib.Path(__file__).with_name("test_rtnl_recorded.json").read_text())["records"]
ROUTES = [bytes.fromhex(record["hex"]) for record in RECORDS if record["object"] == "route"]


def decoded(request):
    return route.decode(request.body, 0, len(request.body))


def test_the_bytes_of_a_new_route():
    request = route.new({"dst": "10.1.0.0/16", "gateway": "10.0.0.2", "oif": 3, "table": 1000})
    attributes = ("080001000a010000", "080005000a000002", "0800040003000000", "08000f00e8030000")
    assert request.body.hex() == "02100000" + "00040001" + "00000000" + "".join(attributes)
    assert (request.type, request.flags, request.operation) == (24, 0x600, "RTM_NEWROUTE 10.1.0.0/16")


def test_how_each_verb_differs():
    wanted = {"dst": "10.1.0.0/16", "oif": 3}
    flags = {verb: getattr(route, verb)(wanted).flags for verb in ("new", "replace", "append", "delete")}
    assert flags == {"new": 0x600, "replace": 0x500, "append": 0xC00, "delete": 0}


def test_delete_asks_for_no_more_than_was_given():
    request = route.delete({"dst": "10.1.0.0/16"})
    assert request.body.hex() == "02100000" + "0000ff00" + "00000000" + "080001000a010000" + "08000f00fe000000"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"gateway": "10.0.0.2"}, {"dst": "default", "family": "inet", "scope": "global", "table": "main"}),
        ({"gateway": "fd00::2"}, {"dst": "default", "family": "inet6"}),
        ({"nexthops": [{"gateway": "fd00::2"}]}, {"dst": "default", "family": "inet6"}),
        ({"family": "inet6", "oif": 3}, {"dst": "default", "family": "inet6"}),
        ({"dst": "default", "oif": 3}, {"family": "inet", "scope": "link", "protocol": "static", "type": "unicast"}),
        ({"dst": "10.0.0.0/8", "oif": 3, "protocol": "bgp"}, {"scope": "link", "protocol": "bgp"}),
        ({"dst": "10.0.0.1", "type": "local", "oif": 1}, {"scope": "host", "table": "local"}),
        ({"dst": "10.0.0.1", "type": "blackhole"}, {"scope": "global", "dst": "10.0.0.1"}),
        ({"dst": "0.0.0.0/0", "oif": 3}, {"dst": "default"}),
        ({"dst": "10.0.0.0/8", "gateway": "fd00::2"}, {"via": {"family": "inet6", "host": "fd00::2"}}),
        ({"dst": "10.0.0.0/8", "nhid": 7, "gateway": "10.9.9.9", "oif": 3}, {"nhid": 7}),
        ({"dst": "fd00::/16", "from": "fd77::/64", "oif": 3}, {"from": "fd77::/64"}),
        ({"dst": "10.0.0.0/8", "oif": 3, "flags": ["onlink", "linkdown"]}, {"flags": ["onlink"]}),
        ({"dst": "10.0.0.0/8", "oif": 3, "flow": {"from": 3, "to": 4}}, {"flow": {"from": 3, "to": 4}}),
    ],
)
def test_what_is_taken_for_granted(given, expected):
    found = decoded(route.new(given))
    assert {name: found.get(name) for name in expected} == expected
    if "nhid" in given:
        assert "gateway" not in found
        assert "oif" not in found


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"dst": "10.0.0.0/33"}, "0 to 32"),
        ({"dst": "nowhere"}, "'nowhere'"),
        ({"colour": "red"}, "colour: unknown"),
        ({"type": "odd"}, "type: takes one of"),
        ({"table": 1 << 32}, "table: takes"),
        ({"tos": 256}, "tos: takes 0 to 255"),
        ({"family": "bridge"}, "family: takes inet or inet6"),
        ({"nexthops": [{"gateway": "10.0.0.1", "weight": 0}]}, "nexthops.weight: takes 1 to 256"),
        ({"nexthops": [{"gateway": "x"}]}, "nexthops.gateway: takes an IP address"),
        ({"metrics": {"mtu": "wide"}}, "metrics.mtu: takes an integer"),
        ({"metrics": {"lock": ["speed"]}}, "metrics.lock: takes names of metrics"),
        ({"encap": {"type": "magic"}}, "encap.type: takes one of"),
        ({"encap": {"type": "mpls"}}, "encap: type mpls takes its bytes"),
        ({"encap": {"type": "ip", "ttl": 256}}, "encap.ttl: takes 0 to 255"),
        ({"via": {"host": "x"}}, "via: takes an IP address"),
    ],
)
def test_what_cannot_be_sent_is_named(given, words):
    with pytest.raises((NetlinkEncodeError, ValueError), match=words):
        route.new(given)
    with pytest.raises((NetlinkEncodeError, ValueError), match=words):
        route.new(given)  # what failed is not remembered either


def test_remembering_changes_nothing():
    """What is remembered of other routes gives the same as decoding each as a whole."""
    for data in ROUTES * 2:
        assert route.decode(data, 0, len(data)) == route._decode_whole(data, 0, len(data))


def test_routes_do_not_share_what_can_be_changed():
    for data in ROUTES:
        first, second = (route.decode(data, 0, len(data)) for _unused in range(2))
        for name in first:
            if isinstance(first[name], (list, dict)):
                assert first[name] is not second[name], name
        first["flags"].append("mine")
        first["table"] = "mine"
        assert route.decode(data, 0, len(data)) == second


def test_encoding_remembers_no_destination():
    common = {"gateway": "10.0.0.2", "oif": 3, "table": 1000}
    found = [decoded(route.new({"dst": dst, **common}))["dst"] for dst in ("10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/24")]
    assert found == ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/24"]
    assert decoded(route.new({"dst": "fd00::/16", "oif": 3, "table": 1000}))["family"] == "inet6"


def test_other_families_are_passed_over():
    data = bytes((28,)) + bytes(11)  # MPLS
    assert route.decode(data, 0, len(data)) is None
    with pytest.raises(NetlinkDecodeError, match="11 bytes"):
        route.decode(data, 0, 11)


@pytest.mark.parametrize(
    "multipath",
    ["0400000000000000", "ffff000000000000", "0900000000000000"],
    ids=["too short", "too long", "beyond the end"],
)
def test_next_hops_of_impossible_length(multipath):
    raw = bytes.fromhex(multipath)
    data = route.RTMSG.pack(2, 0, 0, 0, 0, 0, 0, 1, 0) + bytes((len(raw) + 4, 0, 9, 0)) + raw
    with pytest.raises(NetlinkDecodeError, match="next hop"):
        route.decode(data, 0, len(data))


@pytest.mark.parametrize(
    "tunnel",
    [
        {"type": "ip", "id": 1, "dst": "10.9.9.9", "src": "0.0.0.0", "ttl": 5, "tos": 0},
        {"type": "ip6", "id": 1 << 40, "dst": "fd00::9", "src": "::", "hoplimit": 5, "tc": 1},
        {"type": "seg6", "mode": "encap", "segs": ["fd00::7", "fd00::8"]},
        {"type": "seg6", "mode": "inline", "segs": ["fd00::7"]},
        {"type": "mpls", "raw": "0001f140"},
        {"type": 77, "raw": "00"},
    ],
)
def test_tunnels_there_and_back(tunnel):
    number, raw = encap.encode(tunnel)
    assert encap.decode(number, raw) == tunnel


def test_more_segments_said_than_there():
    _unused, raw = encap.encode({"type": "seg6", "segs": ["fd00::7"]})
    broken = bytearray(raw)
    broken[4 + 4 + 4] = 200  # the number of the last segment
    with pytest.raises(NetlinkDecodeError, match="201 segments"):
        encap.decode(5, bytes(broken))


@pytest.mark.parametrize("weight", [1, 256, 257, 65536])
def test_weights_in_groups_of_next_hops(weight):
    request = nexthop.new({"id": 7, "group": [{"id": 5, "weight": weight}]})
    assert nexthop.decode(request.body, 0, len(request.body))["group"] == [{"id": 5, "weight": weight}]


@pytest.mark.parametrize("weight", [0, 65537])
def test_weights_out_of_range(weight):
    with pytest.raises(NetlinkEncodeError, match=r"group\.weight"):
        nexthop.new({"id": 7, "group": [{"id": 5, "weight": weight}]})


def test_a_group_of_broken_size():
    data = nexthop.NHMSG.pack(0, 0, 0, 0) + bytes((11, 0, 2, 0)) + bytes(8)
    with pytest.raises(NetlinkDecodeError, match="7 bytes"):
        nexthop.decode(data, 0, len(data))


def packed(requests):
    return Batch(list(requests), 7).pack()


def blocks(requests):
    return b"".join(Batch(one if isinstance(one, Alike) else [one], 7).pack() for one in requests)


@pytest.mark.parametrize("make", [route.new, route.replace, route.delete])
@pytest.mark.parametrize("prefix", ["10.{0}.{1}.0/24", "10.{0}.{1}.1", "fd00:{0:x}:{1:x}::/48", "fd00::{0:x}:{1:x}"])
def test_a_block_is_byte_by_byte_what_its_routes_are(make, prefix):
    wanted = [{"dst": prefix.format(n >> 8, n & 255), "oif": 3, "metric": 5, "table": 900} for n in range(300)]
    (block,) = route.many(wanted, make)
    assert Batch(block, 7).pack() == packed(map(make, wanted))
    assert block[299] == make(wanted[299])


def test_slices_of_a_block_are_numbered_and_named_on_their_own():
    wanted = [{"dst": f"10.0.{n}.0/{24 + n % 2}", "oif": 3} for n in range(100)]
    (block,) = route.many(wanted)
    cut = list(block.slices(most=30, size=1 << 16))
    assert [len(one) for one in cut] == [30, 30, 30, 10]
    for number, one in enumerate(cut):
        mine = wanted[30 * number : 30 * number + 30]
        assert Batch(one, 7).pack() == packed(map(route.new, mine))
        assert one[5] == route.new(mine[5])
    assert [len(one) for one in block.slices(most=1000, size=480)] == [8] * 12 + [4]


def test_what_differs_otherwise_starts_a_block_or_stands_alone():
    plain = [{"dst": f"10.0.{n}.0/24", "oif": 3} for n in range(20)]
    other = [{"dst": f"10.1.{n}.0/24", "oif": 4} for n in range(20)]
    six = [{"dst": f"fd00:{n:x}::/64", "oif": 4} for n in range(20)]
    odd = [{"oif": 3}, {"dst": "default", "oif": 3}, {"dst": "10.9.0.0/16", "oif": 3, "nexthops": [{"oif": 3}]}]
    wanted = [*odd, *plain, *other, odd[1], *six, *odd, *plain[:3]]
    made = list(route.many(wanted))
    assert [len(one) for one in made if isinstance(one, Alike)] == [20, 20, 20]
    assert sum(len(one) if isinstance(one, Alike) else 1 for one in made) == len(wanted)
    assert blocks(made[:4]) == blocks([*map(route.new, odd)]) + packed(map(route.new, plain))
    assert list(route.many([])) == []


@pytest.mark.parametrize("wrong", ["10.0.0.0/33", "10.0.0/8", "nonsense", "10.0.0.0/", 7])
def test_a_wrong_destination_in_the_middle_is_told_as_ever(wrong):
    wanted = [{"dst": f"10.0.{n}.0/24", "oif": 3} for n in range(40)]
    wanted[20] = {"dst": wrong, "oif": 3}
    with pytest.raises(ValueError) as alone:
        route.new(wanted[20])
    with pytest.raises(ValueError) as among:
        list(route.many(wanted))
    assert str(among.value) == str(alone.value)


def test_very_many_become_blocks_that_are_bounded(monkeypatch):
    """The next block is made while the kernel takes the one before."""
    monkeypatch.setattr(route, "BLOCK", 40)
    wanted = [{"dst": f"10.0.{n}.0/24", "oif": 3} for n in range(100)]
    made = list(route.many(wanted))
    assert [len(one) for one in made] == [40, 40, 20]
    assert blocks(made[:1]) == packed(map(route.new, wanted[:40]))
    assert made[2][19] == route.new(wanted[99])
