# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated regions: what this makes, dmstats lists the same, and the other way round."""

from __future__ import annotations

import random

from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.stats import bounds, groups
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.stats.messages import Span

from tests.kernel.dmstats.tools import DISK, MIB, info, listed, node, read, run, stats, write

SIZE = 64 * MIB
LINEAR = f"0 {SIZE} linear {DISK} 0"
CASES = 100
FIELDS = "region_id,region_start,region_len,area_len,area_count,program_id,precise,hist_bounds"
SHOWN = ["--allprograms", "--units", "s", "--nosuffix", "--noheadings", "--separator", "|", "-o", FIELDS]

REPORTED = ["--noheadings", "--separator", "|", "-o", "stats_name,read_count,write_count,region_id"]


def generated(rng: random.Random) -> Span:
    start = rng.randrange(SIZE)
    length = rng.randint(1, SIZE - start)
    step = rng.randint(max(1, length // 500), length)
    unit = rng.choice([1, bounds.MILLISECOND])
    limits = tuple(sorted(rng.sample(range(1, 5000), rng.randint(0, 5))))
    precise = unit == 1 and bool(limits) or rng.random() < 0.3
    return Span(start, length, step, precise, tuple(limit * unit for limit in limits))


def by_dmstats(name: str) -> list[tuple[int, Span, int, str]]:
    found = []
    for line in run("dmstats", "list", *SHOWN, name).splitlines():
        number, start, length, step, areas, program, precise, limits = line.strip().split("|")
        shown = bounds.parse(limits.split(",")[1:]) if limits and limits != "0s" else ()
        span = Span(int(start), int(length), int(step), precise == "1", shown)
        found.append((int(number), span, int(areas), program))
    return found


def test_dmstats_lists_what_is_made_here(make, find):
    rng = random.Random(1)
    name = make(LINEAR)
    device = find(name)
    wanted = []
    for _unused in range(CASES):
        span, program = generated(rng), rng.choice(["fleet", "7", "x-y"])
        wanted.append((device.create(span, program), span, span.areas, program))
    assert by_dmstats(name) == wanted
    assert [(one.id, one.span, one.span.areas, one.program_id) for one in device.regions()] == wanted


def test_what_dmstats_makes_is_read_here(make, find):
    rng = random.Random(2)
    name = make(LINEAR)
    for _unused in range(CASES):
        span = generated(rng)
        words = ["--start", f"{span.start}s", "--length", f"{span.length}s", "--areasize", f"{span.step}s"]
        words += ["--precise"] if span.precise else []
        words += ["--bounds", bounds.render_all(span.bounds)] if span.bounds else []
        run("dmstats", "create", "--programid", rng.choice(["fleet", "other"]), *words, name)
    regions = find(name).regions()
    assert by_dmstats(name) == [(one.id, one.span, one.span.areas, one.program_id) for one in regions]
    assert len(regions) == CASES
    ours = [one for one in regions if one.program_id == "fleet"]
    rows = [
        {
            "start": f"{one.span.start}s",
            "length": f"{one.span.length}s",
            "area_size": f"{one.span.step}s",
            "precise": one.span.precise,
            "bounds": [bounds.render(bound) for bound in one.span.bounds],
        }
        for one in ours
    ]
    assert stats(devices=[name], regions=rows, purge=True)["changes"] == []


def test_groups_of_many_members(make, find):
    """`0-3,7` and its like, in both directions."""
    rng = random.Random(3)
    name = make(LINEAR)
    device = find(name)
    numbers = [device.create(Span(8 * place, 8, 8), "dmstats") for place in range(60)]
    rng.shuffle(numbers)
    mine, theirs = sorted(numbers[:25]), sorted(numbers[25:50])
    run("dmstats", "group", "--alias", "theirs", "--regions", groups.ranges(theirs), name)
    rows = [{"start": f"{8 * place}s", "length": "8s"} for place in mine]
    stats(devices=[name], regions=rows, program_id="dmstats", alias="mine")
    shown = run("dmstats", "list", "--group", "--noheadings", "--separator", "|", "-ostats_name,region_id", name)
    assert {line.strip() for line in shown.splitlines()} == {
        f"mine|{groups.ranges(mine)}",
        f"theirs|{groups.ranges(theirs)}",
    }
    found = {group.alias: list(group.members) for group in groups.of_regions(device.regions())}
    assert found == {"mine": mine, "theirs": theirs}


def test_groups_are_counted_and_ended_on_both_sides(make):
    name = make(LINEAR)
    rows = [{"start": f"{place * MIB}s", "length": f"{MIB}s"} for place in range(6)]
    given = {"devices": [name], "regions": rows[:3], "program_id": "dmstats", "alias": "ours"}
    stats(**given)
    for row in rows[3:]:
        run("dmstats", "create", "--start", row["start"], "--length", row["length"], name)
    run("dmstats", "group", "--alias", "theirs", "--regions", "3-5", name)
    write(node(name), 2)
    read(node(name), 9 * 16, "64k")
    found = {group["alias"]: group for group in info(devices=[name])[0]["groups"]}
    # Theirs second: what dmstats has reported it sets to zero.
    shown = run("dmstats", "report", "--group", *REPORTED, name)
    counted = {
        alias: (str(one["counters"]["reads"]), str(one["counters"]["writes"]), groups.ranges(one["regions"]))
        for alias, one in found.items()
    }
    assert {line.split("|")[0].strip(): tuple(line.strip().split("|")[1:]) for line in shown.splitlines()} == counted
    assert set(counted) == {"ours", "theirs"} and "0" not in {reads for reads, _writes, _regions in counted.values()}
    run("dmstats", "delete", "--groupid", "3", name)
    assert [group["alias"] for group in info(devices=[name])[0]["groups"]] == ["ours"]
    assert len(listed(name)) == 3
    assert stats(**given, state="absent")["changed"] and listed(name) == []
    run("dmstats", "create", "--segments", "--alias", "all", make(LINEAR, name=f"{name}-two"))
    assert stats(devices=[f"{name}-two"], program_id="dmstats", purge=True, state="absent")["changed"]
    assert listed(f"{name}-two") == []
