# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role virtual_lab can do what its module can: each option is passed, with the module's type and default."""

from __future__ import annotations

import sys
import typing as t
from pathlib import Path

import pytest

if sys.version_info < (3, 11):
    pytest.skip("the role is read with PyYAML, which the oldest Python here has not", allow_module_level=True)

import yaml
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.task import SPEC

ROLE = Path(__file__).parents[3] / "roles" / "virtual_lab"
START = "virtual_lab_"
NOT_PASSED = {"progress": "the action plugin says it"}
OWN = {"host_network": "for the role host_network"}
COMPARED = ("choices", "elements", "default", "required")


def loaded(name: str) -> t.Any:
    return yaml.safe_load((ROLE / name).read_text(encoding="utf-8"))


OPTIONS = loaded("meta/argument_specs.yml")["argument_specs"]["main"]["options"]
DEFAULTS = loaded("defaults/main.yml")
(PASSED,) = (step["fleet.hypervisor.lago_prefix"] for step in loaded("tasks/main.yml") if step["name"] == "The lab")


def of_module(one: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """As a role has it: paths are the managed host's, and not expanded on the controller."""
    found = {key: one[key] for key in COMPARED if one.get(key) not in (None, False)}
    found["type"] = "str" if one["type"] == "path" else one["type"]
    if "options" in one:
        found["options"] = {name: of_module(option) for name, option in one["options"].items()}
    return found


def test_each_option_of_the_module_is_the_role_s() -> None:
    assert PASSED.keys() == SPEC.keys() - NOT_PASSED.keys()
    assert OPTIONS.keys() == {START + name for name in {*PASSED, *OWN}}


@pytest.mark.parametrize("name", sorted(PASSED))
def test_it_is_what_it_is_in_the_module(name: str) -> None:
    assert of_module(OPTIONS[START + name]) == of_module(SPEC[name])


@pytest.mark.parametrize("name", sorted(PASSED))
def test_it_is_passed_as_it_is_or_left_out(name: str) -> None:
    said = SPEC[name].get("default")
    has_default = said is not None or SPEC[name].get("required")
    assert PASSED[name] == f"{{{{ {START}{name}{'' if has_default else ' | default(omit)'} }}}}"
    assert DEFAULTS.get(START + name) == said


def test_no_other_defaults() -> None:
    assert DEFAULTS.keys() <= OPTIONS.keys()
