#!/usr/bin/python
# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lago_prefix_info
short_description: Virtual labs of a host, and what is left of others
version_added: 0.1.0
author:
  - the fleet.hypervisor authors (@fleet-hypervisor)
description:
  - Reads what state labs are in, what subnets and templates are in use and by whom, and what libvirt still has of labs
    whose folders are gone.
  - Takes no lock. A lab is also seen while another task works on it.
notes:
  - Needs root, as the folders of labs are root's.
seealso:
  - module: fleet.hypervisor.lago_prefix
extends_documentation_fragment:
  - fleet.hypervisor.attributes.info_module
  - fleet.hypervisor.lago
options:
  paths:
    description:
      - Folders of labs, or folders that have some in them, as wildcards too.
      - Labs that lease a subnet are found without it.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: All labs of the host
  fleet.hypervisor.lago_prefix_info:
    paths: [/var/lib/lago/labs]
  register: labs

- name: None is half made, and nothing is left of others
  ansible.builtin.assert:
    that:
      - labs.prefixes | map(attribute='unfinished') | select | length == 0
      - labs.orphans | length == 0
"""

RETURN = r"""
prefixes:
  description: The labs, by path.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: Its folder.
      type: str
      sample: /var/lib/lago/labs/web
    uuid:
      description: What ids and names of all its things follow from.
      type: str
      sample: efc1df27b7d04c9d9a4f5c2f0f7f4d1e
    state:
      description:
        - V(started) or V(stopped), V(partly) where some VMs run, V(initialized) where it has not been described yet.
      type: str
      sample: started
    unfinished:
      description: What a task was at that was cut off, or is at now; empty where nothing is.
      type: str
      sample: ""
    error:
      description: Why nothing more can be said of it.
      returned: when it cannot be read
      type: str
      sample: /var/lib/lago/labs/web/virt/env is not as it was written
    vms:
      description: Its virtual machines.
      type: list
      elements: dict
      contains:
        name:
          description: Its name in the init file.
          type: str
          sample: server
        state:
          description: As C(virsh) says it, V(running) or V(paused) for example; V(missing) when it is stopped.
          type: str
          sample: running
        ip:
          description: Its address in the management network.
          type: str
          sample: 192.168.200.2
        uuid:
          description: Its id in libvirt.
          type: str
          sample: 3d2c9a31-006b-5356-825a-1d29247ddca8
        libvirt_name:
          description: Its name in libvirt.
          type: str
          sample: efc1df27-server
        groups:
          description: Groups that the init file says it is in.
          type: list
          elements: str
          sample: [servers]
        nics:
          description: Its interfaces in their order.
          type: list
          elements: dict
          sample: [{net: mgmt, mac: "52:0c:1a:5b:72:9e", ip: 192.168.200.2, ip6: ""}]
        console:
          description: The file with all that it wrote to its console.
          type: str
          sample: /var/lib/lago/labs/web/logs/server.console
    networks:
      description: Its networks.
      type: list
      elements: dict
      contains:
        name:
          description: Its name in the init file.
          type: str
          sample: mgmt
        type:
          description: V(nat) or V(bridge).
          type: str
          sample: nat
        state:
          description: V(active) or V(inactive).
          type: str
          sample: active
        uuid:
          description: Its id in libvirt.
          type: str
          sample: 5f1b9a0c-b1a8-5a3e-9a0e-4f6f2d1f3c11
        libvirt_name:
          description: Its name in libvirt.
          type: str
          sample: efc1df27b7d04c9d9a4f5c2f0f7f4d1e-mgmt
        bridge:
          description: Its link on the host.
          type: str
          sample: lgq3fkz5u2xwhtd
        subnets:
          description: Of IPv4, and of IPv6.
          type: list
          elements: str
          sample: [192.168.200.0/24]
        gw:
          description: The host's address in it, empty where it has none.
          type: str
          sample: 192.168.200.1
        management:
          description: Whether VMs are managed by way of it.
          type: bool
          sample: true
    snapshots:
      description: Names of its snapshots, sorted.
      type: list
      elements: str
      sample: [fresh]
    snapshot:
      description: The one that it goes on from, empty where there is none.
      type: str
      sample: fresh
leases:
  description: Subnets that are leased.
  returned: success
  type: list
  elements: dict
  contains:
    subnet:
      description: The network.
      type: str
      sample: 192.168.200.0/24
    path:
      description: Folder of the lab that has it.
      type: str
      sample: /var/lib/lago/labs/web
    network:
      description: The lab's network that it is for.
      type: str
      sample: mgmt
templates:
  description: Images in the store.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Repository, template and version.
      type: str
      sample: debian:debian12:v1
    sha256:
      description: Of what is in it.
      type: str
      sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    format:
      description: V(qcow2) or V(raw).
      type: str
      sample: qcow2
    size_bytes:
      description: Size of the file.
      type: int
      sample: 402653184
    used_by:
      description: Folders of labs that use it.
      type: list
      elements: str
      sample: [/var/lib/lago/labs/web]
orphans:
  description: Guests and networks in libvirt that were a lab's whose folder is not there any more.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(domain) or V(network).
      type: str
      sample: domain
    name:
      description: Its name in libvirt.
      type: str
      sample: 4b1d0f2e-server
    uuid:
      description: Its id in libvirt.
      type: str
      sample: 9d5b7a50-5a0e-5f54-8d39-0f2f7b9f9a10
    prefix:
      description: The uuid of the lab.
      type: str
      sample: 4b1d0f2e1c3d4f5a8b9c0d1e2f3a4b5c
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import quick_import, with_libvirt  # noqa: F401  # pylint: disable=unused-import
from ..module_utils.lago import show


def main() -> None:
    module = AnsibleModule(argument_spec=show.SPEC, supports_check_mode=True)
    with_libvirt.ensure()
    try:
        result = show.run(module.params)
    except show.FAILURES as error:
        module.fail_json(msg=f"Reading the labs: {error}")
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
