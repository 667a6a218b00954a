# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The started guests as an Ansible inventory."""

from __future__ import annotations

import json
import shlex

from guest import Guest, private_key, ssh_options
from machine import WAYS_IN
from recipes import RECIPES


def variables(guest: Guest) -> dict[str, object]:
    """How Ansible reaches the guest, and which of its devices are there to be used up."""
    recipe = RECIPES[guest.name]
    return {
        "ansible_host": "127.0.0.1",
        "ansible_port": guest.port,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": private_key(guest),
        "ansible_ssh_common_args": shlex.join(ssh_options(guest)),
        "ansible_control_path_dir": guest.runtime,
        "ansible_pipelining": True,
        "ansible_python_interpreter": "/usr/bin/python3",
        "testbed_management_nic": "eth0",
        "testbed_ways_in": WAYS_IN,  # ansible_host: the address of the management NIC that it leads to
        "testbed_nics": [f"eth{index}" for index in range(1, len(recipe.wires) + 1)],
        "testbed_wired_nics": _wired(recipe.wires),
        "testbed_libvirt_uri": "test:///default",  # a node for want of a libvirtd
        "testbed_disks": [f"/dev/vd{letter}" for letter in "bcdefgh"[: len(recipe.disks_mib)]],
    }


def as_yaml(guests: list[Guest]) -> str:
    lines = ["---"]
    for group, hosts in _groups(guests).items():
        lines += [f"{group}:", "  hosts:" if hosts else "  hosts: {}"]
        for host, values in hosts.items():
            lines.append(f"    {host}:")
            lines += [f"      {name}: {json.dumps(value)}" for name, value in values.items()]
    return "\n".join(lines) + "\n"


def as_json(guests: list[Guest]) -> str:
    groups = {group: {"hosts": hosts} for group, hosts in _groups(guests).items()}
    return json.dumps(groups, indent=1) + "\n"


def _groups(guests: list[Guest]) -> dict[str, dict[str, dict[str, object]]]:
    """Each group there is, with the variables of its guests; of some groups no guest may run."""
    groups: dict[str, dict[str, dict[str, object]]] = {recipe.group: {} for recipe in RECIPES.values()}
    for guest in guests:
        groups[RECIPES[guest.name].group][guest.name] = variables(guest)
    return groups


def _wired(wires: tuple[int, ...]) -> list[str]:
    """NICs on a wire with another one: what one sends, the other receives."""
    return [f"eth{index}" for index, wire in enumerate(wires, 1) if wires.count(wire) > 1]
