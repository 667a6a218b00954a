# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Selection of subsets, values, percentages, statistics of guests, the timeout, plans for KSM and pages."""

from __future__ import annotations

import re
import time

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils import plan as spine
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor import deadline, errors, mac
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.connection import Connection
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.document import parse
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.domains.statistics import tree
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.facts import cpu, read, task, values
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.kvm_families import pretty
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.tuning import task as tuning

from tests.unit.hypervisor import large


@pytest.mark.parametrize(
    ("gather", "chosen"),
    [
        ([], list(read.DEFAULT)),
        (["default"], list(read.DEFAULT)),
        (["node"], ["node"]),
        (["cpu", "node"], ["node", "cpu"]),
        (["!all", "node"], ["node"]),
        (["!all"], []),
        (["!networks"], [name for name in read.DEFAULT if name != "networks"]),
        (["default", "volumes"], ["volumes", *read.DEFAULT]),
        (["!default", "volumes"], ["volumes"]),
        (["node", "!node"], []),
        (["all", "!documents"], [name for name in read.SUBSETS if name != "documents"]),
    ],
)
def test_subsets_are_chosen_as_setup_does(gather, chosen):
    assert read.chosen(gather) == chosen


def test_a_subset_that_there_is_not():
    with pytest.raises(read.WrongSubset, match="there is no clocks, wheels, but acceleration, all"):
        read.chosen(["wheels", "!clocks", "node"])


@pytest.mark.parametrize(
    ("given", "seconds"),
    [(False, 0), (True, 1), ("yes", 1), ("no", 0), (2, 2), ("0.5", 0.5), (0, 0), (None, 0)],
)
def test_percent_is_a_switch_or_seconds(given, seconds):
    assert task.seconds({"percent": given, "timeout": 30.0}) == seconds


@pytest.mark.parametrize("given", ["often", -1, 30, "nan", [1]])
def test_percent_that_is_neither(given):
    with pytest.raises(errors.KvmError, match="percent"):
        task.seconds({"percent": given, "timeout": 30.0})


def test_percentages_count_as_virsh_does():
    before = {"user": 0, "kernel": 0, "idle": 0, "iowait": 0, "intr": 0}
    after = {"user": 200, "kernel": 50, "idle": 700, "iowait": 50, "intr": 9999}
    found = {"user": 20.0, "kernel": 5.0, "idle": 70.0, "iowait": 5.0, "usage": 25.0}
    assert cpu.percentages(before, after) == found
    assert cpu.percentages(before, before) is None
    backwards = {kind: -value for kind, value in after.items()}
    assert cpu.percentages(before, backwards) is None


@pytest.mark.parametrize(("numbers", "text"), [([], ""), ([3], "3"), ([0, 1, 2], "0-2"), ([9, 0, 2, 3, 9], "0,2-3,9")])
def test_ranges(numbers, text):
    assert values.ranges(numbers) == text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<x unit='MiB'>32</x>", 32768),
        ("<x>7</x>", 7),
        ("<x unit='bytes'>4096</x>", 4),
        ("<x unit='GB'>1</x>", 976562),
        ("<x unit='parsec'>1</x>", None),
        ("<x unit='KiB'>many</x>", None),
        ("<x/>", None),
    ],
)
def test_sizes(text, found):
    assert values.kib(parse(text)) == found


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0.00 B"), (1023, "1023.00 B"), (1024, "1.00 KiB"), (107374182400, "100.00 GiB"), (1 << 62, "4.00 EiB")],
)
def test_sizes_as_virsh_prints_them(size, text):
    assert pretty(size) == text


def test_statistics_of_a_guest():
    flat = {
        "state.state": 1,
        "cpu.time": 23,
        "cpu.haltpoll.success.time": 5,
        "balloon.current": 2048,
        "balloon.last-update": 9,
        "vcpu.current": 2,
        "vcpu.maximum": 4,
        "vcpu.0.state": 1,
        "vcpu.0.time": 7,
        "vcpu.2.state": 0,
        "vcpu.2.wait": 1,
        "net.count": 1,
        "net.0.name": "vnet0",
        "net.0.rx.bytes": 42,
        "block.count": 1,
        "block.0.rd.times": 3,
        "block.0.capacity": 1 << 30,
        "block.0.threshold": 1,
        "dirtyrate.calc_period": 1,
        "perf.cmt": 1,
    }
    assert tree(flat) == {
        "state": {"state": 1},
        "cpu": {"time_ns": 23, "haltpoll_success_time_ns": 5},
        "balloon": {"current_kib": 2048, "last_update_s": 9},
        "vcpu": {
            "current": 2,
            "maximum": 4,
            "each": [
                {"index": 0, "state": "running", "time_ns": 7},
                {"index": 2, "state": "offline", "wait_ns": 1},
            ],
        },
        "net": {"count": 1, "each": [{"name": "vnet0", "rx_bytes": 42}]},
        "block": {"count": 1, "each": [{"rd_times_ns": 3, "capacity_bytes": 1 << 30, "threshold_bytes": 1}]},
        "dirtyrate": {"calc_period_s": 1},
        "perf": {"cmt": 1},
    }


def test_work_ends_by_its_deadline():
    began = time.monotonic()
    with pytest.raises(errors.TimedOut, match="no answer within 0.2 s, while sleeping"):
        deadline.within(0.2, lambda: time.sleep(5), lambda: "sleeping")
    assert time.monotonic() - began < 2
    assert deadline.within(5, lambda: 7, lambda: "") == 7
    with pytest.raises(ValueError, match="as it was"):
        deadline.within(5, lambda: _fail("as it was"), lambda: "")


def _fail(text):
    raise ValueError(text)


@pytest.mark.parametrize(
    ("code", "kind"),
    [(3, errors.NotSupported), (84, errors.NotSupported), (29, errors.Denied), (42, errors.Gone), (1, errors.Refused)],
)
def test_errors_by_their_number(code, kind):
    assert errors.of_code(code) is kind
    assert not issubclass(errors.ConnectionLost, errors.Refused)  # a subset may not take it for an answer


def test_identities():
    assert re.fullmatch("52:54:00(:[0-9a-f]{2}){3}", mac.gen_mac())
    assert re.fullmatch("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", mac.gen_uuid())


def test_a_host_without_the_binding(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "libvirt", None)
    with pytest.raises(errors.LibvirtMissing, match="libvirt-python is missing"):
        Connection()


class Tunable(large.Large):
    """The large host, which takes settings; `given` of the pages asked for are had at most."""

    def __init__(self, given=1 << 30, fails=()):
        super().__init__()
        self.ksm = {
            "shm_pages_to_scan": 100,
            "shm_sleep_millisecs": 20,
            "shm_merge_across_nodes": 1,
            "shm_full_scans": 0,
        }
        self.pages = {}
        self.given, self.fails = given, fails
        self.calls = []

    def _getMemoryParameters(self, _flags):
        return dict(self.ksm)

    def _setMemoryParameters(self, wanted, _flags):
        self.calls.append(dict(wanted))
        self.ksm.update(wanted)

    def _allocPages(self, pages, cell, _count, flags):
        assert flags == 1
        ((size, count),) = pages.items()
        self.calls.append((cell, size, count))
        if (cell, size) in self.fails:
            raise errors.Refused("allocPages: no memory", 38)
        self.pages[cell, size] = min(count, self.given)

    def _getCapabilities(self):
        text = large.CAPABILITIES
        for (cell, size), count in self.pages.items():
            start = text.index(f"<cell id='{cell}'>")
            end = text.index("</cell>", start)
            part = re.sub(f"(<pages unit='KiB' size='{size}'>)[0-9]+", rf"\g<1>{count}", text[start:end])
            text = text[:start] + part + text[end:]
        return text


def tune(host, check=False, ksm=None, huge_pages=None, suspend=None):
    return tuning.converge(host, {"ksm": ksm, "huge_pages": huge_pages, "suspend": suspend}, check)


def test_ksm_is_set_once():
    host = Tunable()
    wanted = {"pages_to_scan": 1000, "sleep_millisecs": 20, "merge_across_nodes": False}
    predicted = tune(host, check=True, ksm=wanted)
    assert host.calls == [] and predicted["changed"]
    assert predicted["changes"] == ["ksm: set shm_merge_across_nodes 0, shm_pages_to_scan 1000"]
    assert predicted["diff"] == {
        "before": "ksm  merge_across_nodes 1  pages_to_scan 100  sleep_millisecs 20\n",
        "after": "ksm  merge_across_nodes 0  pages_to_scan 1000  sleep_millisecs 20\n",
    }
    made = tune(host, ksm=wanted)
    assert made["changes"] == predicted["changes"] and made["ksm"]["pages_to_scan"] == 1000
    assert host.calls == [{"shm_pages_to_scan": 1000, "shm_merge_across_nodes": 0}]
    assert tune(host, ksm=wanted)["changed"] is False


def pages(count, cell=None, size=2048):
    return {"size_kib": size, "count": count, "cell": cell}


def test_pages_of_every_cell_or_of_one():
    host = Tunable()
    made = tune(host, huge_pages=[pages(100), pages(4, cell=3, size=1048576)])
    assert len(made["changes"]) == 9 and made["changes"][-1] == "cell 3 pages 1048576 KiB: 16 -> 4"
    assert made["huge_pages"][0] == {"cell": 0, "size_kib": 2048, "count": 100}
    assert tune(host, huge_pages=[pages(100)])["changed"] is False


def test_a_kernel_that_has_not_so_many_pages():
    with pytest.raises(spine.NotConverged, match="cell 0 pages 2048 KiB: 77 -> 100"):
        tune(Tunable(given=77), huge_pages=[pages(100, cell=0)])


def test_a_failure_takes_back_what_went_before():
    host = Tunable(fails={(1, 2048)})
    with pytest.raises(spine.ChangeFailed, match="cell 1 pages 2048 KiB: 8192 -> 5: allocPages: no memory"):
        tune(host, ksm={"pages_to_scan": 7}, huge_pages=[pages(5, cell=0), pages(5, cell=1)])
    assert host.ksm["shm_pages_to_scan"] == 100 and host.pages == {(0, 2048): 8192}


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([pages(1, cell=8)], r"huge_pages\[0\]: cell 8 has no pages of 2048 KiB"),
        ([pages(1, size=64)], "cell 0 has no pages of 64 KiB"),
        ([pages(1), pages(2, cell=5)], r"huge_pages\[1\]: cell 5, 2048 KiB is said twice"),
        ([pages(-1, cell=0)], "-1 is no count"),
    ],
)
def test_pages_that_cannot_be(items, said):
    with pytest.raises(errors.KvmError, match=said):
        tune(Tunable(), huge_pages=items)


def test_suspend_is_said_and_in_check_mode_not_done():
    host = Tunable()
    assert tune(host, check=True, suspend={"target": "mem", "duration_s": 60})["changes"] == [
        "node: suspend to mem for 60 s"
    ]
    assert "suspendForDuration" not in host.asked
    for target, seconds in (("disk", 60), ("mem", 59)):
        with pytest.raises(errors.KvmError, match="nodesuspend"):
            tune(host, check=True, suspend={"target": target, "duration_s": seconds})
    host.more["suspendForDuration"] = None
    assert tune(host, suspend={"target": "mem", "duration_s": 60})["changed"]
    assert host.asked[-1] == "suspendForDuration"
