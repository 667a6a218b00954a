# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: lago
short_description: VMs of virtual labs
version_added: 0.1.0
author:
  - the fleet.hypervisor authors (@fleet-hypervisor)
description:
  - The VMs of labs that M(fleet.hypervisor.lago_prefix) raised, on this host or on managed hosts, as hosts that can be
    connected to at once, with the key of their lab.
  - Reads the files of prefixes alone, so it also answers while a lab is being raised, and asks neither libvirt nor VMs.
  - All VMs are in the group C(lago), and in those of O(group_by).
  - A prefix or a hypervisor that cannot be read is passed over with a warning, unless O(strict) is set.
  - The source's name has to end in C(lago.yml) or C(lago.yaml).
extends_documentation_fragment:
  - ansible.builtin.constructed
options:
  plugin:
    description: Says that the source is this plugin's.
    type: str
    required: true
    choices: [fleet.hypervisor.lago]
  prefixes:
    description:
      - Folders of prefixes, or folders that have some in them, as wildcards too. One that is not there has no VMs.
    type: list
    elements: str
    required: true
  hypervisors:
    description:
      - Hosts of an inventory source before this one, whose prefixes are read. Without it, those of this host.
      - They are reached by SSH as that source says (variables of theirs and of their groups, also in C(host_vars) and
        C(group_vars) beside it, as they stand there, without templates), and their VMs through them.
        C(ansible_become) there makes the folders be read by C(sudo -n python3).
    type: list
    elements: str
    default: []
  hostname:
    description:
      - Name of a VM in the inventory, as an expression of its variables.
      - With several labs whose VMs have the same names, something like V(lago_name ~ '.' ~ lago_lab).
    type: str
    default: lago_name
  group_by:
    description:
      - What VMs are put in groups by.
      - V(groups) are those that the init file says of a VM. The others are C(lab_NAME) (the name of the prefix's
        folder), C(state_started) or C(state_stopped), C(network_NAME), C(template_NAME) and C(snapshot_NAME).
    type: list
    elements: str
    choices: [groups, lab, state, network, template, snapshot]
    default: [groups, lab, state, network, template, snapshot]
  keys:
    description: Folder of this host for private keys of labs on O(hypervisors).
    type: path
    default: ~/.ansible/lago
"""

EXAMPLES = r"""
# labs.lago.yml: all labs of this host
plugin: fleet.hypervisor.lago
prefixes:
  - /var/lib/lago/labs

---
# hv.lago.yml, behind an inventory source that has kvm1 and kvm2: their labs, each VM by way of its hypervisor
plugin: fleet.hypervisor.lago
hypervisors: [kvm1, kvm2]
prefixes:
  - /var/lib/lago/labs
hostname: lago_name ~ '.' ~ lago_lab
keyed_groups:
  - key: lago_distro
    prefix: distro
compose:
  rack: lago_metadata.rack
"""

import shlex
import typing as t

from ansible.errors import AnsibleParserError
from ansible.inventory.helpers import get_group_vars
from ansible.plugins.inventory import BaseInventoryPlugin, Constructable
from ansible.vars.plugins import get_vars_from_inventory_sources

from ..module_utils.lago import prefixes
from ..module_utils.lago.errors import LagoError
from ..plugin_utils.lago.machines import Machine, machines
from ..plugin_utils.lago.ways import UNKNOWN_HOST, Jump, keep_key

GROUP = "lago"


class InventoryModule(BaseInventoryPlugin, Constructable):
    NAME = "fleet.hypervisor.lago"

    def verify_file(self, path: str) -> bool:
        return super().verify_file(path) and path.endswith(("lago.yml", "lago.yaml"))

    def parse(self, inventory: t.Any, loader: t.Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        self.inventory.add_group(GROUP)
        self.where: dict[str, str] = {}  # inventory host -> the prefix that it is of
        for jump in self._jumps():
            for prefix in self._tried(self._prefixes, jump):
                for machine in self._tried(machines, prefix):
                    self._add(machine, self._connection(machine, prefix, jump))

    def _prefixes(self, jump: Jump | None) -> list[prefixes.Prefix]:
        patterns = self.get_option("prefixes")
        return jump.find(patterns) if jump else prefixes.find(patterns)

    def _tried(self, function: t.Callable[..., list[t.Any]], *arguments: t.Any) -> list[t.Any]:
        """What it returns; nothing, with a warning, of a host or a prefix that cannot be read."""
        try:
            return function(*arguments)
        except (LagoError, OSError) as error:
            if self.get_option("strict"):
                raise AnsibleParserError(str(error)) from error
            self.display.warning(f"fleet.hypervisor.lago: {error}")
            return []

    def _jumps(self) -> list[Jump | None]:
        """The managed hosts to be asked; None is this host."""
        names = self.get_option("hypervisors")
        unknown = [name for name in names if name not in self.inventory.hosts]
        if unknown:
            raise AnsibleParserError(f"hypervisors: no inventory source before this one has {', '.join(unknown)}")
        return [Jump.of(name, self._variables(self.inventory.hosts[name])) for name in names] or [None]

    def _variables(self, host: t.Any) -> dict[str, t.Any]:
        """What the sources before this one say of a host: the nearer to it, the more it counts."""
        groups, sources = host.get_groups(), self.inventory.processed_sources
        return {
            **get_group_vars(groups),
            **get_vars_from_inventory_sources(self.loader, sources, groups, "all"),
            **host.get_vars(),
            **get_vars_from_inventory_sources(self.loader, sources, [host], "all"),
        }

    def _connection(self, machine: Machine, prefix: prefixes.Prefix, jump: Jump | None) -> dict[str, t.Any]:
        key = f"{prefix['path']}/id_rsa"
        words = list(UNKNOWN_HOST)
        variables: dict[str, t.Any] = {}
        if jump:
            key = keep_key(self.get_option("keys"), prefix, machine.variables["lago_uuid"])
            words += jump.proxy()
            variables["lago_hypervisor"] = jump.name
        return {
            **variables,
            "ansible_connection": "ssh",
            "ansible_host": machine.address,
            "ansible_user": machine.user,
            "ansible_ssh_private_key_file": key,
            "ansible_ssh_common_args": shlex.join(words),
        }

    def _add(self, machine: Machine, connection: dict[str, t.Any]) -> None:
        variables = {**machine.variables, **connection}
        host = str(self._compose(self.get_option("hostname"), variables))
        place = f"{variables.get('lago_hypervisor', '')}:{variables['lago_prefix']}".lstrip(":")
        if host in self.where:
            raise AnsibleParserError(f"hostname: {host} is the name of VMs in {self.where[host]} and in {place}")
        self.where[host] = place
        self.inventory.add_host(host, GROUP)
        for name, value in variables.items():
            self.inventory.set_variable(host, name, value)
        for kind in self.get_option("group_by"):
            for group in machine.groups[kind]:
                self.inventory.add_host(host, self.inventory.add_group(self._sanitize_group_name(group)))
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), variables, host, strict)
        self._add_host_to_composed_groups(self.get_option("groups"), variables, host, strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, host, strict)
