# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation shows can be done: its tasks have a module's options, its init files are read and planned."""

from __future__ import annotations

import ipaddress
import itertools
import json
import re
import sys
import typing as t
from pathlib import Path

import pytest

if sys.version_info < (3, 11):
    pytest.skip("documentation is read with PyYAML, which the oldest Python here has not", allow_module_level=True)

import yaml
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago import lab, paths, task, wanted
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.converge import changes
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.errors import InitFileError
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.leasing import subnets
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.machine import Machine
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.templates.repository import TemplateRepository
from ansible_collections.fleet.hypervisor.plugins.modules import lago_prefix

ROOT = Path(__file__).parents[3]
UUID = "8a6c30a4a5f04b7e9a6d3c7b2f0e1d2c"
GUIDE = (ROOT / "docs" / "labs.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(yaml|json)\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
LEFT_OUT = "[..]"  # where the guide says nothing of disks
DISK = "[{name: root, type: empty, size: 1G, dev: vda}]"
VARIABLES = {"LAGO_INITFILE_PATH": "/srv", "LAGO_PREFIX_PATH": "/lab", "LAGO_WORKDIR_PATH": "/"}


def planned(given: t.Any) -> list[str]:
    """What a lab of nothing would become. Raises InitFileError, and AssertionError for keys that mean nothing."""
    spec = lab.specified(given, VARIABLES)
    assert spec.unknown == ()
    third = itertools.count(200)
    addresses = lab.addressed(
        spec,
        subnets(UUID, spec, lambda _use, said, _pools: said or ipaddress.ip_network(f"192.168.{next(third)}.0/24")),
    )
    machine = Machine("qemu", "x86_64", "pc")
    one = lab.Lab(UUID, paths.Paths("/lab"), given, VARIABLES, spec, addresses, machine, "ssh-rsa AAAA lab")
    things = {**wanted.files(one), **wanted.running(one, spec.domains)}
    return [f"{change.what}: {change.how}" for change in changes({}, things, None, one)]


def check_task(options: t.Mapping[str, t.Any]) -> None:
    """As the module would look at it, but for the host."""
    assert options.keys() <= task.SPEC.keys() and "path" in options
    assert options.get("state", "started") in task.SPEC["state"]["choices"]
    if "spec" in options:
        check_init_file(options["spec"])


def check_init_file(given: t.Any) -> None:
    steps = planned(given)
    for name in given["domains"]:
        assert f"domain {name}: start" in steps
    for name in given["nets"]:
        assert f"network {name}: start" in steps


def check_inventory(options: t.Mapping[str, t.Any]) -> None:
    from ansible_collections.fleet.hypervisor.plugins.inventory import lago

    known = yaml.safe_load(lago.DOCUMENTATION)["options"].keys()
    assert options.keys() <= {*known, "compose", "groups", "keyed_groups", "strict"}
    assert options["plugin"] == lago.InventoryModule.NAME and options["prefixes"]


def check_role(variables: t.Mapping[str, t.Any]) -> None:
    known = yaml.safe_load((ROOT / "roles" / "virtual_lab" / "meta" / "argument_specs.yml").read_text())
    assert variables.keys() <= known["argument_specs"]["main"]["options"].keys()
    check_init_file(variables["virtual_lab_spec"])


def check_become(variables: t.Mapping[str, t.Any]) -> None:
    assert all(name.startswith("ansible_become_") for name in variables)


def check_build(disk: t.Mapping[str, t.Any]) -> None:
    """Of a template's disk."""
    root = {"name": "root", "type": "template", "template_name": "el9", "dev": "vda", **disk}
    check_init_file({"domains": {"vm": {"nics": [{"net": "n"}], "disks": [root]}}, "nets": {"n": {}}})


CHECKS = {
    "fleet.hypervisor.lago_prefix": lambda found: check_task(found["fleet.hypervisor.lago_prefix"]),
    "plugin": check_inventory,
    "virtual_lab_spec": check_role,
    "domains": check_init_file,
    "templates": lambda found: [TemplateRepository(found).get_by_name(name) for name in found["templates"]],
    "ansible_become_exe": check_become,
    "build": check_build,
    "subnet_pools": lambda found: check_task({"path": "/lab", **found}),
    "copy": lambda found: check_task({"path": "/lab", **found}),
}


def check(found: t.Any) -> None:
    (kind,) = CHECKS.keys() & found.keys()
    CHECKS[kind](found)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_what_the_guide_shows(number: int) -> None:
    language, text = BLOCKS[number]
    text = text.replace(LEFT_OUT, DISK).replace("{{ pid }}", "7")
    found = json.loads(text) if language == "json" else yaml.safe_load(text)
    for one in found if isinstance(found, list) else [found]:
        check(one)


def test_the_guide_shows_each_kind() -> None:
    said = [kind for kind in CHECKS if any(kind in text for _language, text in BLOCKS)]
    assert {"fleet.hypervisor.lago_prefix", "plugin", "virtual_lab_spec", "domains", "templates"} <= {*said}


@pytest.mark.parametrize("example", yaml.safe_load(lago_prefix.EXAMPLES), ids=lambda example: example["name"])
def test_what_the_module_shows(example: t.Any) -> None:
    check(example)


@pytest.mark.parametrize("number", [0, 1])
def test_what_the_inventory_plugin_shows(number: int) -> None:
    from ansible_collections.fleet.hypervisor.plugins.inventory import lago

    check_inventory(list(yaml.safe_load_all(lago.EXAMPLES))[number])


@pytest.mark.parametrize("key, value", [("memmory", 1), ("memory", "2 GB"), ("nics", [{"net": "storrage"}])])
def test_a_wrong_one_would_be_seen(key: str, value: t.Any) -> None:
    (text,) = (text for _language, text in BLOCKS if text.startswith("domains:"))
    found = yaml.safe_load(text)
    found["domains"]["server"][key] = value
    with pytest.raises((AssertionError, InitFileError)):
        check(found)
