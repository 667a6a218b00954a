# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Regions and groups as desired state, beside what dmsetup and dmstats say of them."""

from __future__ import annotations

import os

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.errors import DmError, DmValueError
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.stats import task
from ansible_collections.fleet.hypervisor.plugins.module_utils.plan import ChangeFailed

from tests.kernel.devmapper.killing import Deadly
from tests.kernel.dmstats.tools import DISK, MIB, apply, listed, node, run, stats, write

ALL = ["--allprograms"]
LINEAR = f"0 {64 * MIB} linear {DISK} 0"


def test_a_whole_device_comes_and_goes(make):
    name = make(LINEAR)
    done = apply(devices=[name])
    assert listed(name) == [f"0: 0+{64 * MIB} {64 * MIB} fleet -"]
    assert done["regions"][0]["nr_areas"] == 1
    apply(devices=[name], state="absent")
    assert listed(name) == []


def test_geometry_reaches_the_kernel(make):
    name = make(LINEAR)
    apply(devices=[name], areas=3, bounds=["10ms", "20"], user_data="a \\ b")
    apply(devices=[name], start="1m", length="2m", area_size="64k", bounds=["100us", "1s"], program_id="7")
    apply(devices=[name], regions=[{"length": "8"}, {"start": "8", "length": "1m", "areas": 2}], precise=True)
    assert listed(name) == [
        f"0: 0+{64 * MIB} {-(-64 * MIB // 3)} fleet a \\ b histogram:10,20",
        f"1: {MIB}+{2 * MIB} 128 7 - precise_timestamps histogram:100000,1000000000",
        "2: 0+8 8 fleet - precise_timestamps",
        f"3: 8+{MIB} {MIB // 2} fleet - precise_timestamps",
    ]


def test_text_that_is_not_ascii(make):
    name = make(LINEAR)
    apply(devices=[name], length="1m", user_data="voilà, là", program_id="à", alias="déjà")
    assert listed(name) == [f"0: 0+{MIB} {MIB} à DMS_GROUP=déjà:0#voilà, là"]
    apply(devices=[name], program_id="à", state="absent")
    assert listed(name) == []


def test_segments_are_the_targets(make):
    name = make(f"0 {MIB} linear {DISK} 0", f"{MIB} {2 * MIB} zero", f"{3 * MIB} {MIB} error")
    apply(devices=[node(name)], segments=True, alias="parts", user_data="u")
    assert [line.split()[1] for line in listed(name)] == [
        f"0+{MIB}",
        f"{MIB}+{2 * MIB}",
        f"{3 * MIB}+{MIB}",
    ]
    assert listed(name)[0].endswith("DMS_GROUP=parts:0-2#u")


def test_other_programs_are_left_alone(make):
    name = make(LINEAR)
    run("dmstats", "create", "--programid", "other", name)
    apply(devices=[name], areas=2, purge=True)
    apply(devices=[name], state="absent")
    assert listed(name) == [f"0: 0+{64 * MIB} {64 * MIB} other -"]


def test_the_same_region_twice_and_purged_to_one(make):
    name = make(LINEAR)
    apply(devices=[name], regions=[{"length": "1m"}, {"length": "1m"}])
    assert len(listed(name)) == 2
    done = apply(devices=[name], length="1m", purge=True)
    assert len(done["changes"]) == 1
    assert len(listed(name)) == 1


def test_a_group_is_what_the_task_says_and_dmstats_reads_it(make):
    name = make(LINEAR)
    halves = [{"length": "1m"}, {"start": "1m", "length": "1m"}]
    apply(devices=[name], regions=halves, alias="pair")
    shown = run("dmstats", "list", "--group", "--noheadings", "-ostats_name,region_id", *ALL, name)
    assert shown.split() == ["pair:0-1"]
    done = apply(devices=[name], regions=halves, alias="pair", bounds=["5ms"])  # another geometry: all anew
    assert [row["bounds"] for row in done["regions"]] == [[5000000], [5000000]]
    apply(devices=[name], regions=[*halves, {"start": "8m", "length": "1m"}], alias="pair", bounds=["5ms"])
    assert len(stats(devices=[name], check=True, regions=halves)["groups"][0]["regions"]) == 3
    apply(devices=[name], regions=halves[:1], bounds=["5ms"], state="absent")  # the group goes on without its first
    assert len(stats(devices=[name], check=True, regions=halves)["groups"][0]["regions"]) == 2
    assert run("dmstats", "list", "--group", "--noheadings", "-ostats_name", *ALL, name).split() == ["pair"]
    apply(devices=[name], alias="pair", state="absent")
    assert listed(name) == []


def test_groups_of_dmstats_are_read_and_ended(make):
    name = make(LINEAR)
    halves = [{"length": "1m"}, {"start": "1m", "length": "1m"}]
    run("dmstats", "create", "--start", "0", "--length", "1m", name)
    run("dmstats", "create", "--start", "1m", "--length", "1m", name)
    run("dmstats", "group", "--alias", "theirs", "--regions", "0,1", name)
    same = {"devices": [name], "regions": halves, "program_id": "dmstats"}
    assert stats(alias="theirs", **same)["changes"] == []
    apply(alias="ours", **same)
    assert run("dmstats", "list", "--group", "--noheadings", "-ostats_name", name).split() == ["ours"]
    run("dmstats", "ungroup", "--groupid", "0", name)
    assert stats(**same)["groups"] == []


def test_a_group_with_foreign_members_is_not_touched(make, find):
    name = make(LINEAR)
    run("dmstats", "create", "--programid", "other", "--start", "0", "--length", "1m", name)
    stats(devices=[name], start="1m", length="1m")
    find(name).set_aux(0, "DMS_GROUP=mixed:0-1#-")
    before = listed(name)
    with pytest.raises(DmError, match="regions of other programs"):
        stats(devices=[name], start="1m", length="1m", alias="ours")
    assert listed(name) == before


def test_user_data_changes_in_a_group_and_out_of_it(make):
    name = make(LINEAR)
    apply(devices=[name], areas=2, alias="g", user_data="one")
    apply(devices=[name], areas=2, user_data="two")
    assert listed(name)[0].endswith("DMS_GROUP=g:0#two")
    assert stats(devices=[name], areas=2)["regions"][0]["user_data"] == "two"


def test_a_file_is_followed_as_it_grows_and_goes(make, tmp_path):
    name = make(LINEAR)
    run("mkfs.ext4", "-q", "-F", node(name))
    run("mount", node(name), str(tmp_path))
    try:
        path = tmp_path / "a database"
        path.write_bytes(os.urandom(1 << 20))
        apply(files=[str(path)], bounds=["1ms"])
        assert sum(row["length"] for row in stats(files=[str(path)], bounds=["1ms"], check=True)["regions"]) == MIB
        with path.open("ab") as file:
            file.write(os.urandom(3 << 20))
        done = apply(files=[str(path)], bounds=["1ms"])
        assert sum(row["length"] for row in done["regions"]) == 4 * MIB
        assert [group["alias"] for group in done["groups"]] == ["a_database"]
        ours = {tuple(map(int, line.split()[1].split("+"))) for line in listed(name)}
        run("dmstats", "create", "--filemap", str(path), "--nomonitor", "--nogroup")
        theirs = [line.split()[1] for line in listed(name) if " dmstats " in line]
        assert sum(int(span.split("+")[1]) for span in theirs) == sum(length for _start, length in ours)
        for start, length in [tuple(map(int, span.split("+"))) for span in theirs]:
            assert any(first <= start and start + length <= first + size for first, size in ours)
        path.unlink()
        apply(files=[str(path)], state="absent")
        assert not [line for line in listed(name) if " fleet " in line]
        with pytest.raises(DmError, match="No such file"):
            stats(files=[str(path)])
    finally:
        run("umount", str(tmp_path))


def test_a_file_elsewhere_is_refused(make, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 8192)
    with pytest.raises(DmValueError, match="does not lie on a device-mapper device"):
        stats(files=[str(path)])


def test_clearing_is_for_what_has_counted(make):
    name = make(LINEAR)
    stats(devices=[name], length="1m", alias="first")
    stats(devices=[name], start="32m", length="1m", program_id="other")
    assert stats(devices=[name], state="cleared")["changed"] is False
    write(node(name))
    assert stats(devices=[name], state="cleared", check=True)["changed"] is True
    done = stats(devices=[name], state="cleared", alias="first")
    assert done["changes"] == [f"{name}: region 0: clear"]
    assert "writes 0" in done["diff"]["after"]
    assert stats(devices=[name], state="cleared")["changed"] is False


def test_names_that_need_mangling(make):
    name = make(LINEAR, name=f"fleet wëird {os.getpid()}")
    done = apply(devices=[name], areas=2)
    assert done["regions"][0]["device"] == name
    number = run("dmsetup", "info", "-c", "--noheadings", "-omajor,minor", "--separator", ":", name).strip()
    assert stats(devices=[number], areas=2)["changed"] is False


def test_a_refused_region_takes_the_others_back(make):
    name = make(LINEAR)
    many = [f"{bound}ms" for bound in range(1, 3000)]
    # What the kernel cannot hold: its limit is a quarter of the memory.
    huge = {"start": "1m", "length": "62m", "area_size": "1s", "bounds": many}
    with pytest.raises(ChangeFailed, match="undone again") as caught:
        stats(devices=[name], regions=[{"length": "1m"}, huge], alias="g")
    assert isinstance(caught.value.error, DmError)
    assert listed(name) == []


def killed(method, number, **given):
    does = f"stats(**{given!r})"
    Deadly("stats.device", "Device", "tests.kernel.dmstats.tools import stats", does).run(method, number)


def places(*numbers):
    return [{"start": f"{number}m", "length": "1m"} for number in numbers]


@pytest.mark.parametrize(
    ("method", "number"), [("create", 2), ("create", 3), ("delete", 1), ("delete", 2), ("set_aux", 1)]
)
def test_killed_on_the_way(make, method, number):
    """What a killed task has made, and what it has not ended yet, is found by the next run: nothing is left over."""
    name = make(LINEAR)
    stats(devices=[name], regions=places(0, 32), alias="g")  # give way
    given = {"devices": [name], "alias": "g", "regions": places(1, 2, 3)}
    killed(method, number, **given)
    done = stats(**given)
    assert done["changed"] and not stats(**given)["changed"]
    assert sorted(region["start"] for region in done["regions"]) == [1 * MIB, 2 * MIB, 3 * MIB]
    assert [len(group["regions"]) for group in done["groups"]] == [3]
    assert len(listed(name)) == 3


@pytest.mark.parametrize("number", [1, 2, 3])
def test_killed_while_a_group_goes(make, number):
    name = make(LINEAR)
    stats(devices=[name], regions=places(1, 2, 3), alias="g")
    killed("delete", number, devices=[name], alias="g", state="absent")
    assert len(listed(name)) == 4 - number
    assert stats(devices=[name], alias="g", state="absent")["changed"] and listed(name) == []


@pytest.mark.parametrize(
    "wrong, words",
    [
        ({"start": "65m"}, "the device ends at"),
        ({"start": "1x"}, "is no size"),
        ({"length": "100b"}, "no whole number of sectors"),
        ({"areas": 0}, "not 1 or more"),
        ({"area_size": "0"}, "a sector or more"),
        ({"bounds": ["2ms", "1ms"]}, "must ascend"),
        ({"bounds": ["1us"], "precise": False}, "need precise"),
        ({"bounds": ["soon"]}, "no histogram bound"),
        ({"alias": "two words"}, "alias"),
        ({"program_id": "two words"}, "program id"),
        ({"regions": [{"length": "1m"}, {"start": "bad"}]}, r"regions\[1\]: start"),
        ({"length": "65m"}, "the device ends at"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_done(make, wrong, words):
    name = make(LINEAR)
    with pytest.raises(task.FAILURES, match=words):
        stats(devices=[name], **wrong)
    assert listed(name) == []


def test_a_device_that_is_not_there(make):
    make(LINEAR)
    with pytest.raises(DmError, match="nowhere"):
        stats(devices=["nowhere"])
    assert stats(devices=["nowhere"], state="absent")["changed"] is False
    assert stats(devices=["/dev/mapper/nowhere"], state="absent")["changed"] is False
