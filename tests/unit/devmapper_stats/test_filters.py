# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters, the table and the picture."""

from __future__ import annotations

import xml.dom.minidom

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.fleet.hypervisor.plugins.filter import (
    dm_histogram_merge,
    dm_latency_svg,
    dm_latency_table,
    dm_percentiles,
)

MS = 1000000
SLOW = {"bounds": [MS, 10 * MS, 100 * MS], "counts": [0, 0, 90, 10]}
QUICK = {"bounds": [MS, 5 * MS, 10 * MS, 100 * MS], "counts": [50, 40, 10, 0, 0]}

merge = dm_histogram_merge.FilterModule().filters()["dm_histogram_merge"]
percentiles = dm_percentiles.FilterModule().filters()["dm_percentiles"]
table = dm_latency_table.FilterModule().filters()["dm_latency_table"]
svg = dm_latency_svg.FilterModule().filters()["dm_latency_svg"]


def test_merge():
    assert merge([SLOW, {"region_id": 1, "histogram": QUICK}]) == {
        "bounds": [MS, 10 * MS, 100 * MS],
        "counts": [50, 50, 90, 10],
    }
    for wrong in ([], [{}], SLOW, "text", [SLOW, {"bounds": [7], "counts": [0, 0]}], 3):
        with pytest.raises(AnsibleFilterError, match="dm_histogram_merge: "):
            merge(wrong)


def test_percentiles():
    assert percentiles(SLOW, [90, 99.9]) == {
        "p90": {"estimate": 100 * MS, "at_least": 10 * MS, "below": 100 * MS},
        "p99_9": {"estimate": 100 * MS, "at_least": 100 * MS, "below": None},
    }
    assert set(percentiles(QUICK)) == {"p50", "p90", "p99", "p99_9"}
    for wrong in (([SLOW],), (SLOW, [0]), (SLOW, ["x"]), (SLOW, 5)):
        with pytest.raises(AnsibleFilterError, match="dm_percentiles: "):
            percentiles(*wrong)


def test_table_has_the_slowest_first():
    lines = table({"quick": QUICK, "idle": None, "slow": SLOW}).splitlines()
    assert [line.split()[0] for line in lines] == ["host", "fleet", "slow", "quick", "idle"]
    assert lines[1].split()[1] == "200"
    assert lines[2].split()[-3:] == [">=", "100", "ms"]
    assert lines[4].split()[1:] == ["0", "-", "-", "-", "-"]
    assert table({}).splitlines()[1].split() == ["fleet", "0", "-", "-", "-", "-"]


@pytest.mark.parametrize("name", ["plain", "<script>&\"'", "control\x07\x00", "half\udcff", "x" * 200, "名前"])
def test_the_picture_is_xml_whatever_hosts_are_called(name):
    text = svg({name: SLOW, "quick": QUICK, "idle": None}, name)
    document = xml.dom.minidom.parseString(text.encode())
    cells = [one for one in document.getElementsByTagName("rect") if one.getAttribute("rx")]
    assert len(cells) == 3 * 4  # the fleet and two hosts, in the bins that they have in common
    assert "<script>" not in text


def test_the_picture_has_the_shares():
    text = svg({"slow": SLOW})
    assert "slow: 90 requests, 90%, 10 ms to 100 ms" in text
    assert "slow: 10 requests, 10%, 100 ms and more" in text
    assert 'fill-opacity="0.949"' in text


def test_what_cannot_be_shown():
    for wrong in ([SLOW], {"a": {"bounds": []}}, {"a": SLOW, "b": {"bounds": [3], "counts": [1, 1]}}):
        for shown in (table, svg):
            with pytest.raises(AnsibleFilterError, match="dm_latency_"):
                shown(wrong)
