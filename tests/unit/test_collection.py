# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every module is where it has to be named."""

from __future__ import annotations

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
GROUPS = (ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8").partition("action_groups:")[2]
TARGETS = sorted((ROOT / "tests" / "integration" / "targets").glob("*/tasks/main.yml"))
PLACES = {"place/local", "place/guest", "place/own-guest"}
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def test_the_action_group_has_every_module():
    assert re.findall(r"^  (\w+):$", GROUPS, re.MULTILINE) == ["all"]
    assert re.findall(r"^    - (\S+)$", GROUPS, re.MULTILINE) == MODULES


@pytest.mark.parametrize("name", MODULES)
def test_the_readme_tells_of_every_module(name):
    assert re.search(rf"^\| .*`{name}`.* \| ", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_points_at_is_there(page):
    assert [link for link in LINK.findall(page.read_text(encoding="utf-8")) if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("tasks", TARGETS, ids=lambda tasks: tasks.parents[1].name)
def test_every_target_is_run_somewhere(tasks):
    assert PLACES & set((tasks.parents[1] / "aliases").read_text(encoding="utf-8").split())
