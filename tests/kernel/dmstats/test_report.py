# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is counted under real load, to the last digit as dmstats prints it, and the delay of a delay target found."""

from __future__ import annotations

import os
import re
import threading
import time

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.errors import DmError, DmValueError
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.stats import report

from tests.kernel.dmstats.tools import DISK, INFO, MIB, info, node, printed, read, run, stats, write

LINEAR = f"0 {64 * MIB} linear {DISK} 0"
DELAY = 40  # ms
DELAYED = f"0 {64 * MIB} delay {DISK} 0 {DELAY}"
MS = 1000000
TIMES = {3, 7, 9, 10, 11, 12}


def counted(name, **given):
    return info(devices=[name], areas=True, **given)[0]["regions"]


@pytest.mark.parametrize("precise", [False, True])
def test_counters_are_those_that_dmstats_prints(make, precise):
    name = make(LINEAR)
    stats(devices=[name], areas=5, bounds=["1ms", "10ms"], precise=precise)
    write(node(name), 3)
    write(node(name), 2, at=40)
    read(node(name), 64)
    run("udevadm", "settle")
    ours = counted(name)[0]["areas"]
    theirs = printed(name, 0)
    assert len(theirs) == 5 and sum(row[8] for row in theirs) == 5 * MIB
    assert [area["area_id"] for area in ours] == [place for place, row in enumerate(theirs) if any(row[2:])]
    for area in ours:
        row = theirs[area["area_id"]]
        scale = [1 if precise or place not in TIMES else MS for place in range(13)]
        assert [area["start"], area["length"]] == [row[0], min(row[1], 64 * MIB - row[0])]
        assert list(area["counters"].values()) == [number * by for number, by in zip(row[2:15], scale)]
        assert list(area["histogram"]["counts"]) == row[15:]
    assert printed(name, 0) == theirs  # reading has cleared nothing


def test_the_delay_is_found(make):
    name = make(DELAYED)
    stats(devices=[name], bounds=[f"{DELAY}ms", f"{DELAY * 3}ms", "1s"], alias="all", areas=2)
    read(node(name), 40)
    write(node(name), 1, at=50)
    region = counted(name)[0]
    assert region["histogram"]["counts"][0] == 0
    for name_of in ("p50", "p90"):
        assert region["percentiles"][name_of]["at_least"] == DELAY * MS
        assert region["percentiles"][name_of]["below"] == DELAY * 3 * MS
    # A machine that stalls delays more; never less.
    assert DELAY * MS <= region["percentiles"]["p99"]["estimate"] < 1000 * MS
    assert region["metrics"]["average_rd_wait_time"] >= DELAY * MS
    group = info(devices=[name])[0]["groups"][0]
    assert (group["alias"], group["counters"]) == ("all", region["counters"])
    assert group["percentiles"] == region["percentiles"]


def test_p99_in_narrow_bins_agrees_with_the_delay(make):
    """The kernel's timer adds some ticks: of 100 reads, 99 are within 40 and 60 ms, or it is tried again."""
    name = make(DELAYED)
    bounds = [f"{bound}ms" for bound in range(5, 200, 5)]
    for _unused in range(5):
        stats(devices=[name], bounds=bounds)
        stats(devices=[name], bounds=bounds, state="cleared")
        read(node(name), 100)
        found = counted(name)[0]["percentiles"]
        assert found["p50"]["at_least"] >= DELAY * MS
        if found["p99"]["below"] and found["p99"]["below"] <= 60 * MS:
            return
    pytest.fail(f"p99 is {found['p99']} with a delay of {DELAY} ms")


def test_an_interval_has_rates_and_the_right_service_time(make):
    name = make(LINEAR)
    stats(devices=[name], precise=True, bounds=["10ms", "10s"])
    read(node(name), 50)  # before the interval
    stop = threading.Event()

    def load():
        while not stop.is_set():
            read(node(name), 20, "64k")

    thread = threading.Thread(target=load)
    thread.start()
    try:
        time.sleep(0.5)
        region = counted(name, interval=2.0)[0]
    finally:
        stop.set()
        thread.join()
    counters, metrics, seconds = region["counters"], region["metrics"], region["interval_nsecs"] / 1e9
    assert 2.0 <= seconds < 10
    assert counters["reads"] > 0
    assert sum(region["histogram"]["counts"]) == counters["reads"] + counters["writes"]
    assert metrics["reads_per_sec"] == pytest.approx(counters["reads"] / seconds)
    assert metrics["read_sectors_per_sec"] == pytest.approx(counters["read_sectors"] / seconds)
    assert metrics["utilization"] == pytest.approx(min(100, counters["io_nsecs"] / seconds / 1e7))
    # One request at a time: the device is busy with each for about as long as it takes, and not a millionth of it.
    assert metrics["service_time"] == pytest.approx(metrics["average_wait_time"], rel=0.5)
    assert 0 < metrics["average_queue_size"] < 2


def test_means_are_those_of_dmstats(make):
    name = make(LINEAR)
    stats(devices=[name], precise=True)
    write(node(name), 3)
    read(node(name), 100)
    run("udevadm", "settle")
    metrics = counted(name)[0]["metrics"]  # first: dmstats report clears what it has read
    fields = "read_await,write_await,await"
    shown = run("dmstats", "report", "--allprograms", "--noheadings", "--nosuffix", "-o", fields, name)
    names = ("average_rd_wait_time", "average_wr_wait_time", "average_wait_time")
    for name_of, word in zip(names, shown.strip().split(":")):
        assert metrics[name_of] / MS == pytest.approx(float(word), abs=0.006)


def test_prometheus_reads_cumulated_buckets_in_seconds(make, tmp_path):
    name = make(DELAYED)
    stats(devices=[name], bounds=["10ms", f"{DELAY}ms", "10s"], alias="db")
    read(node(name), 8)
    run("udevadm", "settle")
    path = tmp_path / "dm.prom"
    given = {**INFO, "devices": [name], "textfile": str(path)}
    assert report.run(given, check=True)["changed"] is True
    assert not path.exists()
    assert report.run(given)["changed"] is True
    assert report.run(given)["changed"] is False
    assert oct(path.stat().st_mode & 0o777) == "0o644"
    text = path.read_text()
    labels = f'device="{name}",program="fleet",region="0",group="db"'
    counters = counted(name)[0]["counters"]
    total = counters["reads"] + counters["writes"]
    assert f"fleet_dm_stats_reads_completed_total{{{labels}}} {counters['reads']}\n" in text
    assert f'duration_seconds_bucket{{{labels},le="0.01"}} 0\n' in text
    assert f'duration_seconds_bucket{{{labels},le="10"}} {total}\n' in text
    assert f'duration_seconds_bucket{{{labels},le="+Inf"}} {total}\n' in text
    assert f"duration_seconds_count{{{labels}}} {total}\n" in text
    spent = float(re.search(r"seconds_sum\{.*\} (\S+)", text).group(1))
    assert spent == pytest.approx((counters["read_nsecs"] + counters["write_nsecs"]) / 1e9)
    assert all(re.fullmatch(r"# .+|[a-z_]+\{[^{}]+\} [0-9.e+-]+", line) for line in text.splitlines())
    assert os.listdir(tmp_path) == ["dm.prom"]
    with pytest.raises(DmError, match="No such file"):
        report.run({**given, "textfile": str(tmp_path / "none" / "dm.prom")})


def test_a_region_that_goes_meanwhile_is_left_out(make, find):
    name = make(LINEAR)
    stats(devices=[name], areas=2)
    device = find(name)
    first = report.take([device])
    device.delete(0)
    assert report.again(first)[0].readings == {}


def test_ten_thousand_areas(make, find):
    name = make(LINEAR)
    stats(devices=[name], areas=10000, bounds=["1ms", "5ms", "20ms"])
    device = find(name)
    usual = device.channel.size
    areas = device.areas(device.regions()[0])
    assert len(areas) == -(-64 * MIB // -(-64 * MIB // 10000))
    assert device.channel.size == usual
    assert sum(area.length for area in areas) == 64 * MIB


def test_what_cannot_be_meant(make):
    name = make(LINEAR)
    stats(devices=[name], bounds=["1ms"])
    with pytest.raises(DmValueError, match="not above 0"):
        info(devices=[name], interval=0.0)
    with pytest.raises(DmValueError, match="no percentage"):
        info(devices=[name], percentiles=[0.0])
    with pytest.raises(DmError, match="nowhere"):
        info(devices=["nowhere"])
