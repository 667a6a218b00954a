# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traffic control: units, handles, options."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.errors import (
    NetlinkDecodeError,
    NetlinkEncodeError,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl import tc, tc_netem, tc_shapers, tc_units


@pytest.mark.parametrize(
    ("parse", "given", "value"),
    [
        (tc_units.rate, 1250000, 1250000),
        (tc_units.rate, "1250000", 1250000),
        (tc_units.rate, "10mbit", 1250000),
        (tc_units.rate, "10Mbit", 1250000),
        (tc_units.rate, "1.5 gbit", 187500000),
        (tc_units.rate, "8kibit", 1024),
        (tc_units.rate, "2mbps", 2000000),
        (tc_units.size, 1540, 1540),
        (tc_units.size, "32kb", 32768),
        (tc_units.size, "32k", 32768),
        (tc_units.size, "32kbit", 4096),
        (tc_units.seconds, "50ms", 0.05),
        (tc_units.seconds, 0.05, 0.05),
        (tc_units.microseconds, 50000, 50000),
        (tc_units.microseconds, "50ms", 50000),
    ],
)
def test_units(parse, given, value):
    assert parse(given) == pytest.approx(value)


@pytest.mark.parametrize(
    "given", ["", "fast", "10 mbit/s", "-1", -1, "1e9", "10xbit", True, None, [1], float("nan"), float("inf")]
)
def test_what_is_no_rate(given):
    with pytest.raises(ValueError, match="takes a number"):
        tc_units.rate(given)


def test_ticks():
    assert tc_units.ticks(0) == 0
    assert tc_units.ticks(1e-12) == 1
    assert tc_units.ticks(64e-9 * 1000) == 1000
    with pytest.raises(ValueError, match="takes at most 275 s"):
        tc_units.ticks(300)


@pytest.mark.parametrize("rate", [1000, 1250000, 12500000, 6250000000])
@pytest.mark.parametrize("amount", [1600, 32768, 1048576])
def test_sizes_survive_being_times(rate, amount):
    if amount / rate < 270:
        back = tc_units.bytes_in(tc_units.ticks_of(amount, rate), rate)
        assert amount <= back <= amount + rate * tc_units.TICK + 1


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1:", 0x10000),
        ("1:10", 0x10010),
        ("ffff:fff1", 0xFFFFFFF1),
        ("root", 0xFFFFFFFF),
        (0x20000, 0x20000),
        (":5", None),
    ],
)
def test_handles(text, number):
    if number is None:
        with pytest.raises(ValueError, match="takes a handle"):
            tc.parse_handle(text)
        return
    assert tc.parse_handle(text) == number
    assert tc.parse_handle(tc.show_handle(number)) == number


@pytest.mark.parametrize("text", ["", "1", "x:", "1:10000", "10000:", "-1:", "1:2:3", None, True])
def test_what_is_no_handle(text):
    with pytest.raises(ValueError, match="takes a handle"):
        tc.parse_handle(text)


@pytest.mark.parametrize(
    ("qdisc", "words"),
    [
        ({}, "kind: a qdisc needs one"),
        ({"kind": "tbf"}, "options.rate: is needed"),
        ({"kind": "tbf", "options": {"rate": "1mbit"}}, "options.burst: is needed"),
        ({"kind": "tbf", "options": {"rate": "1mbit", "burst": "2k"}}, "options.lat: is needed"),
        ({"kind": "tbf", "options": {"rate": 9, "burst": 9, "lat": 9, "peakrate": 99}}, "options.minburst: is needed"),
        ({"kind": "tbf", "options": {"rate": 9, "burst": 9, "limit": 1 << 32}}, "options.limit: takes up to"),
        ({"kind": "tbf", "options": {"rate": 1, "burst": 9999, "limit": 9}}, "options: takes at most 275 s"),
        ({"kind": "tbf", "options": {"speed": 1}}, "options.speed: unknown"),
        ({"kind": "htb", "options": {"default": 0x10000}}, "options.default: takes a minor number"),
        ({"kind": "netem", "options": {"loss-random": "101%"}}, "options.loss-random.loss: takes a probability"),
        ({"kind": "netem", "options": {"delay": {"depth": 1}}}, "options.delay.depth: unknown"),
        ({"kind": "netem", "options": {"delay": "soon"}}, "options.delay.delay: takes a number"),
        ({"kind": "netem", "options": {"delay": "5000s"}}, "options.delay.delay: takes at most 275 s"),
        ({"kind": "netem", "options": {"delay": {"delay": 1, "jitter": 999}}}, "options.delay.jitter: takes at most"),
        ({"kind": "netem", "options": {"reorder": 0.5}}, "options.reorder: needs a delay"),
        ({"kind": "netem", "options": {"colour": 1}}, "options.colour: unknown"),
        ({"kind": "nosuch", "handle": "one"}, "handle: takes a handle"),
    ],
)
def test_what_cannot_be_sent_is_named(qdisc, words):
    with pytest.raises(NetlinkEncodeError, match=words):
        tc.new(3, qdisc)


def test_only_htb_has_classes():
    with pytest.raises(NetlinkEncodeError, match="kind: tbf has no classes"):
        tc.new_class(3, {"kind": "tbf", "handle": "1:1"})


def test_where_a_qdisc_goes():
    header = tc.TCMSG.unpack_from
    assert header(tc.new(3, {"kind": "nosuch"}).body)[1:4] == (3, 0, 0xFFFFFFFF)
    assert header(tc.new(3, {"kind": "nosuch", "parent": "1:10", "handle": "2:"}).body)[1:4] == (3, 0x20000, 0x10010)
    assert header(tc.new(3, {"kind": "clsact"}).body)[1:4] == (3, 0xFFFF0000, 0xFFFFFFF1)
    assert header(tc.delete(3, {}).body)[1:4] == (3, 0, 0xFFFFFFFF)
    assert (tc.new(3, {"kind": "x"}).flags, tc.change(3, {"kind": "x"}).flags, tc.delete(3, {}).flags) == (0x600, 0, 0)


OPTIONS = [
    ("tbf", {"rate": 1250000, "burst": 32768, "lat": 50000, "limit": 95268}),
    ("tbf", {"rate": 1250000, "burst": 32768, "limit": 1000}),  # shorter than the burst: no latency to tell
    ("tbf", {"rate": 1250000, "burst": 4096, "peakrate": 2500000, "minburst": 1540, "lat": 50000, "limit": 66596}),
    ("htb", {"r2q": 10, "default": 0x30, "direct_packets_stat": 0, "direct_qlen": 1000}),
    ("netem", {"limit": 1000, "delay": {"delay": 0.1, "jitter": 0.0, "correlation": 0.0}, "ecn": False, "gap": 0}),
    ("netem", {"limit": 7, "rate": {"rate": 1 << 33, "packetoverhead": -4, "cellsize": 48, "celloverhead": 5},
               "ecn": True, "gap": 0}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "options"), OPTIONS, ids=[f"{at}-{kind}" for at, (kind, _unused) in enumerate(OPTIONS)]
)
def test_options_there_and_back(kind, options):
    request = tc.new(3, {"kind": kind, "handle": "1:", "options": options})
    found = tc.decode(request.body, 0, len(request.body))
    assert found == {"kind": kind, "handle": "1:", "index": 3, "root": True, "options": options}


def test_per_cent_and_shares_are_the_same():
    per_cent = tc_netem.encode({"delay": {"delay": "1ms", "correlation": "25%"}, "loss-random": "0.5%"})
    shares = tc_netem.encode({"delay": {"delay": 0.001, "correlation": 0.25}, "loss-random": {"loss": 0.005}})
    assert per_cent == shares


@pytest.mark.parametrize("decode", [tc_shapers.decode_tbf, tc_shapers.decode_htb, tc_netem.decode])
def test_options_cut_short(decode):
    with pytest.raises(NetlinkDecodeError):
        decode(bytes.fromhex("0800010000000000"), 0, 8)
