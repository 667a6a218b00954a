# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/link_kinds.md says of every option what the tables say."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.kinds import registry
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.kinds.kind import Kind

PAGE = pathlib.Path(__file__).resolve().parents[3] / "docs" / "link_kinds.md"


def sections() -> dict:
    """The rows of each kind's table: `{kind: {option: (takes, in place, notes)}}`."""
    found: dict = {}
    kinds: list = []
    for line in PAGE.read_text().splitlines():
        if line.startswith("## "):
            title = line[3:]
            kinds = [f"{title.split()[-1]} port"] if title.startswith("port of") else title.split(", ")
            found.update((kind, {}) for kind in kinds)
        elif line.startswith("| `"):
            option, *rest = (cell.strip() for cell in line.strip("|").split(" | "))
            for kind in kinds:
                found[kind][option.strip("`")] = tuple(rest)
    return found


def in_place(kind: Kind, option: str) -> str:
    if option in kind.write_only:
        return "at creation"
    if option in kind.fixed:
        return "no"
    words = (word if word == "without ports" else f"while {word}" for word in kind.needs.get(option, ()))
    return ", ".join(words) or "yes"


SECTIONS = sections()
KINDS = {name: registry.find(name) for name in registry.LOADERS}
KINDS.update((f"{name} port", registry.port(name)) for name in registry.PORT_LOADERS if name != "vrf")


def test_every_kind_has_its_section():
    assert set(SECTIONS) == set(KINDS)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_option_has_its_row(name):
    kind = KINDS[name]
    assert set(SECTIONS[name]) == set(kind.table.rows) - kind.read_only
    for option, (takes, place, notes) in SECTIONS[name].items():
        assert takes
        assert place == in_place(kind, option), option
        assert ("required" in notes) == (option in kind.required), option
