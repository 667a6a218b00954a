# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every name that docs/dmpy.md lists is there and in a test; numbers are those of libdevmapper.h."""

from __future__ import annotations

import pathlib
import re

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper import dmpy
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.dmstats import COUNTERS, METRICS

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
SECTIONS = {
    title: re.findall(r"`([A-Za-z]\w*)`", text)
    for title, _newline, text in (
        part.partition("\n") for part in (CHECKOUT / "docs" / "dmpy.md").read_text().split("\n## ")[1:]
    )
    if not title.startswith("What")
}
FILES = [path for area in ("devmapper", "dmstats") for path in (CHECKOUT / "tests/kernel" / area).glob("test_dmpy*.py")]
TESTS = "".join(path.read_text() for path in [*FILES, pathlib.Path(__file__)])
TASKS = (
    "CREATE RELOAD REMOVE REMOVE_ALL SUSPEND RESUME INFO DEPS RENAME VERSION STATUS TABLE WAITEVENT LIST CLEAR MKNODES"
)
LATER_TASKS = "LIST_VERSIONS TARGET_MSG SET_GEOMETRY"


def test_the_page_lists_all_there_is() -> None:
    assert set(SECTIONS["Module"]) == set(dmpy.__all__)
    assert list(SECTIONS) == ["Module", *(name for name in SECTIONS["Module"] if name in SECTIONS)]


@pytest.mark.parametrize("title", [title for title in SECTIONS if title != "Module"])
def test_every_name_of_a_class_is_there(title: str) -> None:
    own = getattr(dmpy, title)
    there = {*dir(own), "value", "ready"} if title == "DmCookie" else set(dir(own))
    if title == "DmStatsArea":
        there |= {"area_id", "region", *COUNTERS, *METRICS}
        assert (len(COUNTERS), len(METRICS)) == (13, 14)
    if title == "DmStatsRegion":
        there |= set(vars(own)) | {"region_id"}
    assert len(SECTIONS[title]) >= 4
    assert [name for name in SECTIONS[title] if name not in there and not hasattr(dmpy, name)] == []


@pytest.mark.parametrize("title", SECTIONS)
def test_every_name_is_in_a_test(title: str) -> None:
    assert [name for name in SECTIONS[title] if not re.search(rf"\b{name}\b", TESTS)] == []


def test_tasks_have_libdevmappers_numbers() -> None:
    names = f"{TASKS} {LATER_TASKS}".split()
    assert [getattr(dmpy, f"DM_DEVICE_{name}") for name in names] == list(range(19))


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (0x0001, "UDEV_DISABLE_DM_RULES_FLAG"),
        (0x0002, "UDEV_DISABLE_SUBSYSTEM_RULES_FLAG"),
        (0x0004, "UDEV_DISABLE_DISK_RULES_FLAG"),
        (0x0008, "UDEV_DISABLE_OTHER_RULES_FLAG"),
        (0x0010, "UDEV_LOW_PRIORITY_FLAG"),
        (0x0020, "UDEV_DISABLE_LIBRARY_FALLBACK"),
        (0x0040, "UDEV_PRIMARY_SOURCE_FLAG"),
        (0x0100, "SUBSYSTEM_UDEV_FLAG0"),
        (0x0200, "SUBSYSTEM_UDEV_FLAG1"),
        (0x0400, "SUBSYSTEM_UDEV_FLAG2"),
        (0x0800, "SUBSYSTEM_UDEV_FLAG3"),
        (0x1000, "SUBSYSTEM_UDEV_FLAG4"),
        (0x2000, "SUBSYSTEM_UDEV_FLAG5"),
        (0x4000, "SUBSYSTEM_UDEV_FLAG6"),
        (0x8000, "SUBSYSTEM_UDEV_FLAG7"),
        (0, "STRING_MANGLING_NONE"),
        (1, "STRING_MANGLING_AUTO"),
        (2, "STRING_MANGLING_HEX"),
        (0, "ADD_NODE_ON_RESUME"),
        (1, "ADD_NODE_ON_CREATE"),
        (0xFFFFFFFF, "READ_AHEAD_AUTO"),
        (0, "READ_AHEAD_NONE"),
        (1, "READ_AHEAD_MINIMUM_FLAG"),
        (0xFFFFFFFFFFFFFFFF, "STATS_REGIONS_ALL"),
        ("", "STATS_ALL_PROGRAMS"),
    ],
)
def test_constants_are_libdevmappers(value: object, name: str) -> None:
    assert getattr(dmpy, name) == value


def test_a_cookie_is_two_halves() -> None:
    cookie = dmpy.DmCookie()
    assert cookie.set_value(0x0D4D1234) and (cookie.prefix, cookie.base, cookie.ready) == (0x0D4D, 0x1234, 0)
    assert cookie.set_prefix(1) and cookie.value == 0x11234
    assert cookie.set_base(7) and cookie.value == 0x10007
    for wrong in (lambda: cookie.set_value(1 << 32), lambda: cookie.set_base(1 << 16), lambda: cookie.set_value(-1)):
        with pytest.raises(ValueError):
            wrong()
