# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traffic control on the real kernel, beside what `tc -j` shows."""

from __future__ import annotations

import errno
import re
import subprocess

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl import tc
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl.selection import only

from tests.kernel import iproute2

A, B = 10, 11
SLOW = {"rate": "10mbit", "burst": "32kb", "lat": "50ms"}


@pytest.fixture
def rtnl(netns, rtnl):
    iproute2.pair(netns, index=A, quiet=True)
    return rtnl


def read(rtnl, **match):
    return rtnl.dump(tc.dump(), only(tc.decode, **match))


def theirs(netns, kind):
    """Of iproute2 before 6.2 the qdisc's JSON is whole; that of classes is not JSON yet."""
    (found,) = [one for one in iproute2.shown(netns, "tc -s qdisc") if one["kind"] == kind]
    return found


def compare(ours, theirs, options):
    """The frame of a qdisc, its counters, and the options given (a number: by how much tc's rounding is off)."""
    frame = (
        "kind",
        "handle",
        "root",
        "parent",
        "bytes",
        "packets",
        "drops",
        "overlimits",
        "requeues",
        "backlog",
        "qlen",
    )
    assert {name: ours.get(name) for name in frame} == {name: theirs.get(name) for name in frame}
    for name, tolerance in options.items():
        assert ours["options"][name] == pytest.approx(theirs["options"][name], abs=tolerance), name


def test_tbf_as_tc_shows_it(netns, rtnl):
    assert rtnl.batch([tc.new(A, {"kind": "tbf", "handle": "1:", "options": SLOW})]) == [None]
    (found,) = read(rtnl, kind="tbf")
    compare(found, theirs(netns, "tbf"), {"rate": 0, "burst": 1, "lat": 1})
    assert found["options"] == {"rate": 1250000, "burst": 32768, "lat": 50000, "limit": 95268}


def test_tbf_made_by_tc_is_read_right(netns, rtnl):
    iproute2.run(
        netns,
        "tc qdisc add dev v0 root handle 1: tbf rate 10mbit burst 32kb latency 50ms peakrate 20mbit minburst 1540",
    )
    (found,) = read(rtnl, kind="tbf")
    compare(found, theirs(netns, "tbf"), {"rate": 0, "burst": 2, "minburst": 1, "lat": 1})
    assert found["options"]["peakrate"] == 2500000


def test_rates_beyond_32_bits(netns, rtnl):
    fast = {"rate": "50gbit", "burst": "1mb", "limit": "10mb"}
    assert rtnl.batch([tc.new(A, {"kind": "tbf", "handle": "1:", "options": fast})]) == [None]
    (found,) = read(rtnl, kind="tbf")
    assert found["options"]["rate"] == 6250000000 == theirs(netns, "tbf")["options"]["rate"]


def test_change_and_put_back(rtnl):
    qdisc = {"kind": "tbf", "handle": "1:", "options": SLOW}
    faster = {**qdisc, "options": {**SLOW, "rate": "20mbit"}}
    assert rtnl.batch([tc.new(A, qdisc), tc.change(A, faster)]) == [None, None]
    (before,) = read(rtnl, index=A)
    assert before["options"]["rate"] == 2500000
    assert rtnl.batch([tc.delete(A, {})]) == [None]
    assert read(rtnl, kind="tbf") == []
    assert rtnl.batch([tc.new(A, before)]) == [None]
    assert read(rtnl, index=A) == [before]


def test_htb_with_classes(netns, rtnl):
    shape = {"kind": "htb", "handle": "2:", "options": {"default": 0x10, "r2q": 5}}
    classes = [
        {"kind": "htb", "handle": "2:1", "parent": "2:", "options": {"rate": "100mbit"}},
        {"kind": "htb", "handle": "2:10", "parent": "2:1", "options": {
            "rate": "10mbit", "ceil": "50mbit", "burst": "20kb", "prio": 3, "quantum": 9000,
        }},
        {"kind": "htb", "handle": "2:20", "parent": "2:1", "options": {"rate": "50gbit"}},
    ]  # fmt: skip
    assert rtnl.batch([tc.new(A, shape), *(tc.new_class(A, one) for one in classes)]) == [None] * 4
    (found,) = read(rtnl, kind="htb")
    compare(found, theirs(netns, "htb"), {"r2q": 0, "direct_packets_stat": 0, "direct_qlen": 0})
    assert found["options"]["default"] == int(theirs(netns, "htb")["options"]["default"], 16)
    ours = {one["handle"]: one for one in rtnl.dump(tc.dump_classes(A), tc.decode)}
    assert set(ours) == {"2:1", "2:10", "2:20"}
    assert ours["2:10"]["options"] == {
        "rate": 1250000, "ceil": 6250000, "burst": 20480, "cburst": 1600, "prio": 3, "quantum": 9000, "level": 0,
    }  # fmt: skip
    text = subprocess.run(
        ["tc", "-n", netns, "-d", "class", "show", "dev", "v0"], check=True, capture_output=True, text=True
    ).stdout
    (line,) = [one for one in text.splitlines() if " 2:10 " in one]
    assert re.search(r"parent 2:1 .*prio 3 quantum 9000 rate 10Mbit ceil 50Mbit .*burst 20Kb.*cburst 1600b", line)
    assert "rate 50Gbit" in text
    slower = {**classes[1], "options": {"rate": "1mbit"}}
    assert rtnl.batch([tc.change_class(A, slower), tc.delete_class(A, "2:20")]) == [None, None]
    left = {one["handle"]: one["options"]["rate"] for one in rtnl.dump(tc.dump_classes(A), tc.decode)}
    assert left == {"2:1": 12500000, "2:10": 125000}


def test_ingress_and_clsact(netns, rtnl):
    assert rtnl.batch([tc.new(A, {"kind": "ingress"}), tc.new(B, {"kind": "clsact"})]) == [None, None]
    for index, kind in ((A, "ingress"), (B, "clsact")):
        (found,) = read(rtnl, index=index, kind=kind)
        compare(found, theirs(netns, kind), {})
        assert found["options"] == {}
        assert rtnl.batch([tc.delete(index, found)]) == [None]
        assert read(rtnl, kind=kind) == []


def test_netem_as_tc_shows_it(netns, rtnl, lacking):
    worse = {
        "delay": {"delay": "100ms", "jitter": "10ms", "correlation": "25%"}, "loss-random": "1%",
        "duplicate": {"duplicate": "0.5%", "correlation": 0.1}, "corrupt": 0.001, "reorder": "50%", "rate": "1mbit",
        "limit": 500,
    }  # fmt: skip
    (refusal,) = rtnl.batch([tc.new(A, {"kind": "netem", "handle": "1:", "options": worse})])
    if refusal and refusal.errno == errno.ENOENT:
        lacking("netem")
    assert refusal is None
    (found,) = read(rtnl, kind="netem")
    shown = theirs(netns, "netem")
    compare(found, shown, {"limit": 0, "gap": 0})
    assert found["options"]["ecn"] is shown["options"]["ecn"] is False
    for group in ("delay", "loss-random", "duplicate", "reorder", "corrupt", "rate"):
        assert found["options"][group] == pytest.approx(shown["options"][group], abs=1e-6), group
    assert rtnl.batch([tc.delete(A, {}), tc.new(A, found)]) == [None, None]
    assert read(rtnl, kind="netem") == [found]


def test_refusals(rtnl):
    unknown, missing = rtnl.batch([tc.new(A, {"kind": "nosuch"}), tc.delete(A, {"kind": "ingress"})])
    assert unknown.errno == errno.ENOENT
    assert "RTM_NEWQDISC nosuch on link 10" in str(unknown)
    assert missing.errno in (errno.ENOENT, errno.EINVAL)
