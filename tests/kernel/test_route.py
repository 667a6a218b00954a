# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes and next hop objects on the real kernel, beside what `ip -j` shows."""

from __future__ import annotations

import errno

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.errors import NetlinkError
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl import nexthop, route
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl.numbers import AF_INET, AF_INET6
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl.selection import only

from tests.kernel import iproute2

DEVICE = 10
METRICS = {
    "lock": ["mtu"], "mtu": 1400, "rtt": 100, "rttvar": 20, "advmss": 1300, "hoplimit": 3, "initcwnd": 10, "ecn": True,
    "rto_min": 50, "quickack": 1, "congestion": "cubic",
}  # fmt: skip
WANTED = [
    {"dst": "10.1.0.0/16", "gateway": "10.0.0.2", "metrics": METRICS},
    {"dst": "10.2.0.0/16", "nexthops": [
        {"gateway": "10.0.0.2", "weight": 3}, {"gateway": "10.99.0.3", "oif": DEVICE, "flags": ["onlink"]},
    ]},
    {"dst": "10.3.0.0/16", "gateway": "fd00::2"},
    {"dst": "10.4.0.0/16", "type": "blackhole", "metric": 5},
    {"dst": "10.4.1.0/24", "type": "unreachable", "table": 100, "protocol": "bgp"},
    {"gateway": "10.99.9.9", "oif": DEVICE, "flags": ["onlink"], "tos": 8},
    {"dst": "10.5.0.1", "oif": DEVICE, "prefsrc": "10.0.0.1", "table": 1000},
    {"dst": "fd05::/16", "gateway": "fd00::9", "pref": "high", "metric": 7, "metrics": {"mtu": 1300}},
    {"dst": "fd06::/16", "gateway": "fd00::9", "expires": 600},
    {"dst": "fd07::/16", "nexthops": [{"gateway": "fd00::9"}, {"gateway": "fd00::a", "weight": 4}]},
    {"gateway": "fd00::77", "protocol": "ra"},
]  # fmt: skip
NEXTHOPS = [
    {"id": 5, "gateway": "10.0.0.7", "oif": DEVICE},
    {"id": 6, "gateway": "10.99.0.8", "oif": DEVICE, "flags": ["onlink"], "protocol": "bgp"},
    {"id": 7, "group": [{"id": 5, "weight": 2}, {"id": 6}]},
    {"id": 8, "group": [{"id": 5}, {"id": 6}], "type": "resilient", "resilient_args": {"buckets": 8, "idle_timer": 60}},
    {"id": 9, "blackhole": True},
    {"id": 10, "gateway": "fd00::9", "oif": DEVICE},
    {"id": 11, "gateway": "10.0.0.9", "fdb": True},
]


@pytest.fixture
def rtnl(netns, rtnl):
    iproute2.pair(netns, index=DEVICE, quiet=True)
    iproute2.run(netns, "ip link set lo up", "ip addr add 10.0.0.1/24 dev v0", "ip addr add fd00::1/64 dev v0 nodad")
    return rtnl


def read(rtnl, **filters):
    return rtnl.dump(route.dump(**filters), route.decode)


def add(rtnl, routes):
    assert rtnl.batch([route.new(one) for one in routes]) == [None] * len(routes)


def theirs_as_ours(found, index):
    """A route of `ip -j -d` in our terms."""
    out = iproute2.without_nulls(found)
    out.pop("nh_info", None)
    if "dev" in out:
        out["oif"] = index[out.pop("dev")]
    if out["table"].isdigit():
        out["table"] = int(out["table"])
    if "tos" in out:
        out["tos"] = int(out["tos"], 16)
    if "metrics" in out:
        (out["metrics"],) = (iproute2.without_nulls(metrics) for metrics in out["metrics"])
    out["nexthops"] = [theirs_as_ours({"table": "", **hop}, index) for hop in out.get("nexthops", ())]
    return {name: value for name, value in out.items() if value not in ("", []) and name != "expires"}


def comparable(found):
    """What `ip` shows too: it has no family, and tells locked metrics in text only."""
    out = {name: value for name, value in found.items() if value != [] and name not in ("family", "expires")}
    if "metrics" in out:
        out["metrics"] = {name: value for name, value in out["metrics"].items() if name != "lock"}
    if "nexthops" in out:
        out["nexthops"] = [comparable(hop) for hop in out["nexthops"]]
    return out


def in_order(routes):
    return sorted(routes, key=lambda one: sorted(map(str, one.items())))


def test_read_as_ip_shows_them(netns, rtnl):
    add(rtnl, WANTED)
    index = iproute2.indexes(netns)
    for family, word in ((AF_INET, "-4"), (AF_INET6, "-6")):
        ours, theirs = iproute2.steadily(
            lambda family=family: read(rtnl, family=family),
            lambda word=word: iproute2.shown(netns, f"ip {word} -d route show table all"),
        )
        assert len(ours) > 5
        assert in_order(map(comparable, ours)) == in_order(theirs_as_ours(one, index) for one in theirs)


def test_as_wanted(rtnl):
    add(rtnl, WANTED)
    found = {(one["family"], one["dst"]): one for one in read(rtnl)}
    assert found["inet", "10.1.0.0/16"]["metrics"] == METRICS
    assert found["inet", "10.3.0.0/16"]["via"] == {"family": "inet6", "host": "fd00::2"}
    assert found["inet", "10.5.0.1"]["scope"] == "link"
    assert found["inet", "10.4.1.0/24"]["protocol"] == "bgp"
    assert found["inet", "default"]["flags"] == ["onlink"]
    assert found["inet6", "fd06::/16"]["expires"] == pytest.approx(600, abs=5)
    assert found["inet6", "default"]["protocol"] == "ra"
    assert [hop["weight"] for hop in found["inet6", "fd07::/16"]["nexthops"]] == [1, 4]


def test_what_was_read_can_be_removed_and_put_back(rtnl):
    untouched = in_order(map(comparable, read(rtnl)))
    add(rtnl, WANTED)
    before = [one for one in read(rtnl) if comparable(one) not in untouched]
    assert len(before) == len(WANTED)
    assert rtnl.batch([route.delete(one) for one in before]) == [None] * len(before)
    assert in_order(map(comparable, read(rtnl))) == untouched
    add(rtnl, before)
    after = [one for one in read(rtnl) if comparable(one) not in untouched]
    assert in_order(map(comparable, after)) == in_order(map(comparable, before))
    locked = [one["metrics"]["lock"] for one in after if "lock" in one.get("metrics", {})]
    assert locked == [["mtu"]]


def test_a_destination_alone_is_enough_to_delete(rtnl):
    add(rtnl, [{"dst": "10.1.0.0/16", "gateway": "10.0.0.2", "protocol": "bgp"}])
    done, missing = rtnl.batch([route.delete({"dst": "10.1.0.0/16"})] * 2)
    assert done is None
    assert missing.errno == errno.ESRCH
    assert "RTM_DELROUTE 10.1.0.0/16" in str(missing)


def test_the_kernel_filters(rtnl):
    add(rtnl, WANTED)
    assert [one["dst"] for one in read(rtnl, table=1000)] == ["10.5.0.1"]
    assert {one["table"] for one in read(rtnl, table="main")} == {"main"}
    assert {one["family"] for one in read(rtnl, family=AF_INET6)} == {"inet6"}
    assert [one["dst"] for one in read(rtnl, type="blackhole")] == ["10.4.0.0/16"]
    assert [one["dst"] for one in read(rtnl, protocol="bgp")] == ["10.4.1.0/24"]
    lo = read(rtnl, oif=1)
    assert lo
    assert {one["oif"] for one in lo} == {1}
    assert [one["dst"] for one in read(rtnl, family=AF_INET, protocol="static", type="unicast", table=1000)] == [
        "10.5.0.1"
    ]
    assert read(rtnl, table=4711) == []
    with pytest.raises(NetlinkError) as refusal:
        read(rtnl, table=4711, family=AF_INET)
    assert refusal.value.errno == errno.ENOENT


def test_replace_and_append(rtnl):
    first, second = ({"dst": "10.1.0.0/16", "gateway": f"10.0.0.{host}"} for host in (2, 3))
    add(rtnl, [first])
    (again,) = rtnl.batch([route.new(second)])
    assert again.errno == errno.EEXIST
    assert rtnl.batch([route.replace(second)]) == [None]
    assert [one["gateway"] for one in read(rtnl, family=AF_INET) if one["dst"] == first["dst"]] == ["10.0.0.3"]
    assert rtnl.batch([route.append({**first, "tos": 0})]) == [None]
    assert [one["gateway"] for one in read(rtnl, family=AF_INET) if one["dst"] == first["dst"]] == [
        "10.0.0.3",
        "10.0.0.2",
    ]


def test_lookup(rtnl):
    add(rtnl, WANTED)
    (way,) = rtnl.ask(route.lookup("10.1.2.3"), route.decode)
    assert (way["dst"], way["gateway"], way["oif"], way["prefsrc"], way["table"]) == (
        "10.1.2.3", "10.0.0.2", DEVICE, "10.0.0.1", "main",
    )  # fmt: skip
    (decisive,) = rtnl.ask(route.lookup("10.1.2.3", match=True), route.decode)
    assert decisive["dst"] == "10.1.0.0/16"
    (way6,) = rtnl.ask(route.lookup("fd05::1", match=True), route.decode)
    assert way6["dst"] == "fd05::/16"
    with pytest.raises(NetlinkError):
        rtnl.ask(route.lookup("10.4.0.1"), route.decode)


def test_refusals_name_the_destination_and_the_reason(rtnl):
    crooked, far = rtnl.batch(
        [route.new({"dst": "10.1.0.0/8", "oif": DEVICE}), route.new({"dst": "10.1.0.0/16", "gateway": "8.8.8.8"})]
    )
    assert (crooked.errno, far.errno) == (errno.EINVAL, errno.ENETUNREACH)
    assert "RTM_NEWROUTE 10.1.0.0/8: Invalid prefix" in str(crooked)
    assert "Nexthop has invalid gateway" in str(far)


def test_tunnels_of_routes(rtnl, lacking):
    """Lightweight tunnels: of the types that a kernel can lack the first refusal says so."""
    wanted = [
        {"dst": "10.6.0.0/16", "oif": DEVICE, "encap": {"type": "ip", "id": 1, "dst": "10.9.9.9", "ttl": 5}},
        {"dst": "10.7.0.0/16", "oif": DEVICE, "encap": {"type": "ip6", "id": 2, "dst": "fd09::9", "hoplimit": 6}},
        {"dst": "fd08::/16", "oif": DEVICE, "encap": {"type": "seg6", "mode": "encap", "segs": ["fd00::7", "fd00::8"]}},
        {"dst": "fd0a::/16", "oif": DEVICE, "encap": {"type": "seg6", "mode": "inline", "segs": ["fd00::7"]}},
    ]
    refusals = [refusal for refusal in rtnl.batch([route.new(one) for one in wanted]) if refusal]
    if any(refusal.errno == errno.EOPNOTSUPP for refusal in refusals):
        lacking(f"such tunnel ({refusals[0]})")
    assert refusals == []
    found = {one["dst"]: one["encap"] for one in read(rtnl) if "encap" in one}
    assert set(found) == {one["dst"] for one in wanted}
    for one in wanted:
        assert one["encap"].items() <= found[one["dst"]].items()


def test_nexthops_as_ip_shows_them(netns, rtnl):
    assert rtnl.batch([nexthop.new(one) for one in NEXTHOPS]) == [None] * len(NEXTHOPS)
    index = iproute2.indexes(netns)
    theirs = [iproute2.without_nulls(one) for one in iproute2.shown(netns, "ip -d nexthop")]
    for one in theirs:
        if "dev" in one:
            one["oif"] = index[one.pop("dev")]
        for member in one.get("group", ()):
            member.setdefault("weight", 1)
    ours = rtnl.dump(nexthop.dump(), nexthop.decode)
    assert [{name: value for name, value in one.items() if name != "family"} for one in ours] == theirs
    for wanted, found in zip(NEXTHOPS, ours):
        assert {
            name: wanted[name] for name in wanted if name not in ("group", "resilient_args")
        }.items() <= found.items()


def test_nexthops_put_back_filtered_and_used(rtnl):
    rtnl.batch([nexthop.new(one) for one in NEXTHOPS])
    before = rtnl.dump(nexthop.dump(), nexthop.decode)
    assert {one["id"] for one in rtnl.dump(nexthop.dump(oif=DEVICE), nexthop.decode)} == {5, 6, 10}
    assert {one["id"] for one in rtnl.dump(nexthop.dump(groups=True), nexthop.decode)} == {7, 8}
    assert {one["id"] for one in rtnl.dump(nexthop.dump(family=AF_INET6), nexthop.decode)} == {10}
    assert [one["id"] for one in rtnl.dump(nexthop.dump(), only(nexthop.decode, fdb=True))] == [11]
    assert rtnl.ask(nexthop.get(7), nexthop.decode) == [one for one in before if one["id"] == 7]
    assert rtnl.batch([nexthop.delete(one["id"]) for one in reversed(before)]) == [None] * len(before)
    assert rtnl.dump(nexthop.dump(), nexthop.decode) == []
    assert rtnl.batch([nexthop.new(one) for one in before]) == [None] * len(before)
    assert rtnl.dump(nexthop.dump(), nexthop.decode) == before
    add(rtnl, [{"dst": "10.8.0.0/16", "nhid": 7}])
    (by_id,) = rtnl.dump(route.dump(), only(route.decode, nhid=7))
    assert [hop["gateway"] for hop in by_id["nexthops"]] == ["10.0.0.7", "10.99.0.8"]
    assert rtnl.batch([route.delete(by_id), route.new(by_id)]) == [None, None]
    assert rtnl.batch([nexthop.replace({"id": 5, "gateway": "10.0.0.70", "oif": DEVICE})]) == [None]
    (by_id,) = rtnl.dump(route.dump(), only(route.decode, nhid=7))
    assert by_id["nexthops"][0]["gateway"] == "10.0.0.70"


def test_many_routes_at_once_are_all_there(rtnl):
    """More than fit one send, one dump datagram and what the decoder remembers."""
    wanted = [
        {"dst": f"10.{100 + number // 65536}.{number // 256 % 256}.{number % 256}",
         "gateway": f"10.0.0.{2 + number % 200}", "oif": DEVICE, "table": 1000, "metric": number % 50}
        for number in range(20000)
    ]  # fmt: skip
    add(rtnl, wanted)
    found = {one["dst"]: one for one in read(rtnl, table=1000)}
    assert len(found) == len(wanted)
    for one in wanted:
        if not one["metric"]:
            del one["metric"]  # 0 is none
        assert one.items() <= found[one["dst"]].items()
    found["10.100.0.0"]["flags"].append("mine")
    assert found["10.100.0.200"]["flags"] == []


@pytest.mark.parametrize("prefix", ["10.7.{0}.{1}", "fd07:1{0:x}:1{1:x}::/64"])
def test_of_many_alike_those_that_fail_are_named(rtnl, prefix):
    wanted = [{"dst": prefix.format(n >> 8, n & 255), "oif": DEVICE, "table": 1001} for n in range(3000)]
    there = [4, 1500, 2999]
    add(rtnl, [wanted[number] for number in there])
    outcomes = rtnl.batch(route.many(wanted))
    assert [number for number, error in enumerate(outcomes) if error] == there
    assert str(outcomes[1500]) == f"RTM_NEWROUTE {wanted[1500]['dst']}: File exists"
    assert {one["dst"] for one in read(rtnl, table=1001)} == {one["dst"] for one in wanted}
    assert rtnl.batch(route.many(wanted, route.delete)) == [None] * 3000
    assert read(rtnl, table=1001, family=route.AF_INET if "." in prefix else route.AF_INET6) == []
