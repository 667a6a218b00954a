# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DmStats of dmpy as its own tests and README use it, and what dmpy could not do."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper import dmpy as dm

from tests.kernel.dmstats.tools import DISK, MIB, listed, node, printed, read, run, write

LINEAR = f"0 {64 * MIB} linear {DISK} 0"


def test_a_handle_without_a_device(make):
    make(LINEAR)
    for program_id in ("me", None, dm.STATS_ALL_PROGRAMS):
        stats = dm.DmStats(program_id)
        assert not stats.nr_regions() and not stats.nr_groups() and not stats.nr_areas()
        assert not stats.region_present(-1) and not stats.region_nr_areas(0)
        assert not any(stats.group_present(number) for number in (-1, 0, 1))
        with pytest.raises(dm.DmError, match="not bound"):
            stats.list()
    assert stats.set_sampling_interval(0.5) and stats.get_sampling_interval() == 0.5
    for empty in (None, ""):
        with pytest.raises(ValueError):
            stats.set_program_id(empty)
        assert stats.set_program_id(empty, allow_empty=True)
    assert stats.set_program_id("qux")


def test_binding(make):
    name = make(LINEAR)
    with pytest.raises(TypeError):
        dm.DmStats("me", name="foo", uuid="qux")
    stats = dm.DmStats("me")
    for bind in (stats.bind_name, stats.bind_uuid):
        with pytest.raises(TypeError):
            bind(None)
        with pytest.raises(ValueError):
            bind("")
    major, minor = map(int, run("dmsetup", "info", "-c", "--noheadings", "-omajor,minor", name).split(":"))
    assert stats.bind_devno(major, minor)
    assert stats.list() is False
    assert stats.bind_uuid("there-is-none")
    with pytest.raises(OSError, match="no device-mapper device of uuid there-is-none"):
        stats.list()


def test_list_and_populate(make):
    name = make(LINEAR)
    stats = dm.DmStats("me", name=name)
    assert stats.list() is False and len(stats) == 0
    with pytest.raises(OSError):
        stats.populate()
    for nr_areas in (1, 4):
        run("dmstats", "create", "--programid", "me", "--areas", str(nr_areas), name)
        stats = dm.DmStats("me", name=name)
        with pytest.raises(OSError):
            stats.populate(region_id=0)  # not listed
        assert len(stats) == 0
        assert stats.list() and len(stats) == 1
        assert stats[0].nr_areas() == stats.nr_areas() == stats.region_nr_areas(0) == nr_areas
        with pytest.raises(OSError):
            stats.populate(region_id=1)
        assert len(stats) == 0
        assert stats.list() and stats.populate(region_id=0) and len(stats[0]) == nr_areas
        assert stats.populate() and len(stats) == 1
        run("dmstats", "delete", "--programid", "me", "--allregions", name)


def test_regions_and_areas(make):
    name = make(LINEAR)
    stats = dm.DmStats("me", name=name)
    assert stats.create_region() == 0
    assert stats.create_region(start=8, len=1024, step=-3, bounds="10ms,20ms", user_data="mine") == 1
    assert stats.create_region(len=64, step=16, bounds=[1500], program_id="you") == 2
    assert listed(name) == [
        f"0: 0+{64 * MIB} {64 * MIB} me -",
        "1: 8+1024 342 me mine histogram:10,20",
        "2: 0+64 16 you - precise_timestamps histogram:1500",
    ]
    read(node(name), 20)
    run("udevadm", "settle")
    assert stats.populate()
    assert [region.region_id for region in stats] == [0, 1] and not stats.region_present(2)
    region = stats[1]
    assert (region.start, region.len, region.area_len, region.aux_data) == (8, 1024, 342, "mine")
    assert (region.present, region.precise_timestamps, region.program_id) == (True, False, "me")
    area = region[2]
    assert (area.area_id, area.start, area.offset, area.len, area.region) == (2, 692, 684, 340, region)
    shown = printed(name, 1)
    assert [one.READS_COUNT for one in region] == [row[2] for row in shown]
    assert sum(region.histogram().counts) == sum(sum(row[15:]) for row in shown)
    assert area.SERVICE_TIME >= 0 and area.UTILIZATION <= 100
    assert {"WRITE_NSECS", "AVERAGE_QUEUE_SIZE"} <= set(dir(area))
    with pytest.raises(AttributeError):
        area.SPEED  # noqa: B018
    assert stats.clear_region(1) and stats.populate() and sum(one.READS_COUNT for one in stats[1]) == 0
    with pytest.raises(LookupError, match="read anew"):
        region.start  # noqa: B018
    with pytest.raises(LookupError):
        stats[2]
    assert stats[1].delete() and stats.delete_region(0)
    assert len(listed(name)) == 1
    assert dm.DmStats(dm.STATS_ALL_PROGRAMS, name=name).list()


def test_groups(make):
    name = make(LINEAR)
    stats = dm.DmStats("dmstats", name=name)
    numbers = [stats.create_region(start=8 * place, len=8, user_data="mine") for place in range(3)]
    assert stats.create_group(numbers[1:], "pair") == 1
    assert stats.list() and stats.nr_groups() == 1 and stats.group_present(1)
    assert stats.group(1) == ("pair", (1, 2)) and stats[1].aux_data == "mine"
    assert run("dmstats", "list", "--group", "--noheadings", "-ostats_name", name).split() == ["pair"]
    assert stats.delete_group(1) and stats.list() and not stats.nr_groups()
    for wrong in ([7], []):
        with pytest.raises(OSError):
            stats.create_group(wrong)
    with pytest.raises(OSError):
        stats.delete_group(1)
    with pytest.raises(LookupError):
        stats.group(1)


def test_every_counter_and_metric(make):
    """Counters are what dmstats prints, in its order; metrics follow from them and the sampling interval."""
    name = make(LINEAR)
    stats = dm.DmStats("me", name=name)
    stats.create_region(precise=True)
    write(node(name), 1)
    read(node(name), 20)
    run("udevadm", "settle")
    stats.set_sampling_interval(2.0)
    assert stats.populate(region_id=dm.STATS_REGIONS_ALL)
    region, area = stats[0], stats[0][0]
    assert isinstance(region, dm.DmStatsRegion) and isinstance(area, dm.DmStatsArea)
    counters = [
        *(area.READS_COUNT, area.READS_MERGED_COUNT, area.READ_SECTORS_COUNT, area.READ_NSECS),
        *(area.WRITES_COUNT, area.WRITES_MERGED_COUNT, area.WRITE_SECTORS_COUNT, area.WRITE_NSECS),
        *(area.IO_IN_PROGRESS_COUNT, area.IO_NSECS, area.WEIGHTED_IO_NSECS),
        *(area.TOTAL_READ_NSECS, area.TOTAL_WRITE_NSECS),
    ]
    assert counters == printed(name, 0)[0][2:15] and counters[0] >= 20 and counters[4] > 0
    requests = area.READS_COUNT + area.WRITES_COUNT
    waited = area.READ_NSECS + area.WRITE_NSECS
    for metric, expected in (
        (area.RD_MERGES_PER_SEC, area.READS_MERGED_COUNT / 2),
        (area.WR_MERGES_PER_SEC, area.WRITES_MERGED_COUNT / 2),
        (area.READS_PER_SEC, area.READS_COUNT / 2),
        (area.WRITES_PER_SEC, area.WRITES_COUNT / 2),
        (area.READ_SECTORS_PER_SEC, area.READ_SECTORS_COUNT / 2),
        (area.WRITE_SECTORS_PER_SEC, area.WRITE_SECTORS_COUNT / 2),
        (area.AVERAGE_REQUEST_SIZE, (area.READ_SECTORS_COUNT + area.WRITE_SECTORS_COUNT) / requests),
        (area.AVERAGE_QUEUE_SIZE, area.WEIGHTED_IO_NSECS / 2e9),
        (area.AVERAGE_WAIT_TIME, waited / requests),
        (area.AVERAGE_RD_WAIT_TIME, area.READ_NSECS / area.READS_COUNT),
        (area.AVERAGE_WR_WAIT_TIME, area.WRITE_NSECS / area.WRITES_COUNT),
        (area.SERVICE_TIME, min(area.IO_NSECS, 2e9) / requests),
        (area.THROUGHPUT, requests / 2),
        (area.UTILIZATION, 100 * min(area.IO_NSECS / 2e9, 1)),
    ):
        assert metric == pytest.approx(expected)
