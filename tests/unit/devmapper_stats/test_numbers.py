# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counters, histograms, percentiles: what follows from what the kernel counts."""

from __future__ import annotations

import random

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.errors import DmValueError
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.stats import counters, histogram
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.stats.counters import Counters
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.stats.histogram import Histogram, Percentile
from hypothesis import given, settings
from hypothesis import strategies as st

MS, SECOND = 1000000, 1000000000
C = Counters(100, 10, 800, 500 * MS, 50, 5, 1600, 250 * MS, 3, 600 * MS, 900 * MS, 400 * MS, 200 * MS)


def test_metrics_by_hand():
    assert counters.metrics(C, 2 * SECOND) == {
        "rd_merges_per_sec": 5.0,
        "wr_merges_per_sec": 2.5,
        "reads_per_sec": 50.0,
        "writes_per_sec": 25.0,
        "read_sectors_per_sec": 400.0,
        "write_sectors_per_sec": 800.0,
        "average_request_size": 16.0,
        "average_queue_size": 0.45,
        "average_wait_time": 5.0 * MS,
        "average_rd_wait_time": 5.0 * MS,
        "average_wr_wait_time": 5.0 * MS,
        "service_time": 4.0 * MS,
        "throughput": 75.0,
        "utilization": 30.0,
    }


def test_metrics_of_nothing_and_of_too_much():
    assert set(counters.metrics(Counters(), SECOND).values()) == {0.0}
    assert "throughput" not in counters.metrics(C)
    assert counters.metrics(C, 100 * MS)["utilization"] == 100.0


def test_sums_and_differences():
    assert counters.total([C, C])[:4] == (200, 20, 1600, 1000 * MS)
    assert counters.total([]) == Counters()
    grown = counters.total([C, Counters(1, io_in_progress=-1)])
    assert counters.since(C, grown) == Counters(1, io_in_progress=2)
    cleared = Counters(5, io_in_progress=1)
    assert counters.since(C, cleared) == cleared


H = Histogram((10, 20, 40), (0, 50, 49, 1))


def test_percentiles_by_hand():
    assert histogram.percentiles(H) == {
        "p50": Percentile(20, 10, 20),
        "p90": Percentile(36, 20, 40),
        "p99": Percentile(40, 20, 40),
        "p99_9": Percentile(40, 40, None),
    }
    assert histogram.percentile(H, 100) == Percentile(40, 40, None)
    assert histogram.percentile(H, 1) == Percentile(10, 10, 20)
    assert histogram.percentile(Histogram((10,), (0, 0)), 50) is None
    for wrong in (0, 100.1, -1):
        with pytest.raises(DmValueError):
            histogram.percentile(H, wrong)


def test_merging_differing_bounds_is_exact():
    fine, coarse = Histogram((10, 20, 30), (1, 2, 3, 4)), Histogram((20, 50), (10, 20, 30))
    assert histogram.merged([fine, coarse]) == Histogram((20,), (13, 57))
    assert histogram.merged([fine, fine]) == Histogram((10, 20, 30), (2, 4, 6, 8))
    for wrong in ([], [fine, Histogram((11,), (0, 0))]):
        with pytest.raises(DmValueError):
            histogram.merged(wrong)


@st.composite
def durations_and_bounds(draw):
    durations = draw(st.lists(st.integers(0, 1000), min_size=1, max_size=200))
    shared = draw(st.sets(st.integers(1, 1000), min_size=1, max_size=5))
    return durations, [sorted(shared | draw(st.sets(st.integers(1, 1000), max_size=5))) for _unused in range(3)]


def counted(durations, bounds):
    counts = [0] * (len(bounds) + 1)
    for duration in durations:
        counts[sum(bound <= duration for bound in bounds)] += 1
    return Histogram(tuple(bounds), tuple(counts))


@settings(deadline=None)
@given(durations_and_bounds(), st.floats(0.1, 100))
def test_percentiles_hold_the_true_one(case, percent):
    """The sorted durations themselves say what the percentile is; the histogram's bin must have it, merged or not."""
    durations, several = case
    rng = random.Random(1)
    hosts = [[], [], []]
    for duration in durations:
        rng.choice(hosts).append(duration)
    whole = histogram.merged([counted(one, bounds) for one, bounds in zip(hosts, several)])
    assert whole == counted(durations, whole.bounds)
    found = histogram.percentile(whole, percent)
    rank = max(1, -(-len(durations) * percent // 100))
    true = sorted(durations)[min(len(durations), int(rank)) - 1]
    assert found.at_least <= true and (found.below is None or true < found.below)
    assert found.at_least <= found.estimate and (found.below is None or found.estimate <= found.below)


@pytest.mark.parametrize(
    "wrong",
    [
        {"bounds": [10], "counts": [1]},
        {"bounds": [], "counts": [1]},
        {"bounds": [20, 10], "counts": [1, 1, 1]},
        {"bounds": [10], "counts": [1, -1]},
        {"bounds": [10], "counts": [1, "x"]},
        {"bounds": 10, "counts": [1, 1]},
        {"bounds": [10]},
        "text",
        None,
    ],
)
def test_what_is_no_histogram(wrong):
    with pytest.raises(DmValueError):
        histogram.of(wrong)


def test_histograms_as_modules_return_them():
    assert histogram.of({"bounds": [10 * MS], "counts": [1, 2]}) == Histogram((10 * MS,), (1, 2))
    assert histogram.of({"bounds": ["10ms", "1s"], "counts": [1, 2, 3]}) == Histogram((10 * MS, SECOND), (1, 2, 3))
    assert histogram.of({"bounds": "10ms", "counts": ["1", "2"]}) == Histogram((10 * MS,), (1, 2))
    assert histogram.shown(H) == {"bounds": [10, 20, 40], "counts": [0, 50, 49, 1]}
