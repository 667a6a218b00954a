# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guide says where Lago's names are: they are there."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

LAGO = "ansible_collections.fleet.hypervisor.plugins.module_utils.lago"
GUIDE = (Path(__file__).parents[3] / "docs" / "labs.md").read_text(encoding="utf-8")
SECTION = GUIDE.partition("## From Python\n")[2].partition("\n## ")[0]
# By module: what the guide lists, and of modules of Lago's own names what Lago 0.3 had in them.
NAMES = {
    "prefix": ("Prefix",),
    "virt": ("VM", "Network", "NATNetwork", "BridgeNetwork", "ServiceState", "VirtEnv"),
    "templates.store": ("TemplateStore",),
    "templates.repository": ("TemplateRepository", "Template", "TemplateVersion", "find_repo_by_name"),
    "templates.providers": ("HttpTemplateProvider", "FileSystemTemplateProvider"),
    "utils": ("EggTimer", "CommandStatus", "run_command", "service_is_enabled", "json_dump"),
    "parallel": ("VectorThread", "func_vector", "invoke_in_parallel"),
    "rollback": ("RollbackContext",),
    "paths": ("Paths",),
    "config": ("get",),
    "dirlock": ("lock", "trylock", "unlock"),
    "subnet_lease": ("acquire", "release", "is_leasable_subnet"),
    "sysprep": (
        *("sysprep", "add_ssh_key", "config_net_interface_dhcp", "set_hostname", "set_iscsi_initiator_name"),
        *("set_root_password", "set_selinux_mode"),
    ),
    "brctl": ("create", "destroy", "exists"),
}


@pytest.mark.parametrize("module", NAMES)
def test_a_module_has_its_names(module: str) -> None:
    found = importlib.import_module(f"{LAGO}.{module}")
    assert [name for name in NAMES[module] if not hasattr(found, name)] == []


def test_the_guide_names_these_and_no_others() -> None:
    told = set(
        re.findall(r"\b(?:[A-Z]\w+|\w+_\w+)\b", " ".join(re.findall(r"`([^`]+)`", SECTION.partition("\n\n`VM")[0])))
    )
    known = {name for names in NAMES.values() for name in names} | {
        "virt_env",
        "virt_conf",
        "module_utils",
        "subnet_lease",
    }
    assert told - known == set()
