#!/usr/bin/python
# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kvm_domain_info
short_description: Guests of a hypervisor with live statistics
version_added: 0.1.0
author:
  - the fleet.hypervisor authors (@fleet-hypervisor)
description:
  - Reads all guests of a hypervisor, or some, with what they do at the moment, from one bulk call to libvirt and two
    lists, however many there are.
  - A guest that a long job has locked is reported with what is known without waiting for it.
notes:
  - Times and bytes are sums since the guest started. Take two readings and their difference for a rate.
  - Names end in their unit, C(_ns), C(_kib), C(_bytes), C(_s). Other numbers are counts and identifiers.
seealso:
  - module: fleet.hypervisor.kvm_node_facts
  - module: fleet.hypervisor.taskstats_info
extends_documentation_fragment:
  - fleet.hypervisor.attributes.info_module
  - fleet.hypervisor.libvirt
  - fleet.hypervisor.libvirt.readonly
options:
  names:
    description: The guests; all if empty. It is an error when one of them is not there.
    type: list
    elements: str
    default: []
  state:
    description: Only guests of that kind. Not together with O(names).
    type: str
    choices: [active, inactive, persistent, transient, running, paused, shutoff]
  gather:
    description:
      - What to return of each beside its name and state.
      - V(addresses) (what DHCP leases say) and V(configuration) (the whole document) take a call for each guest.
    type: list
    elements: str
    choices: [cpu, balloon, vcpu, interface, block, perf, iothread, memory, dirtyrate, addresses, configuration]
    default: [cpu, balloon, vcpu, interface, block]
  query:
    description:
      - A JMESPath expression, or a dictionary of them by name, evaluated on the managed host on C({domains} V([...]\)).
        RV(answer) is then returned in place of RV(domains).
    type: raw
"""

EXAMPLES = r"""
- name: Every guest that runs, with its statistics
  fleet.hypervisor.kvm_domain_info:
    state: running
  register: guests

- name: The five that wrote most
  fleet.hypervisor.kvm_domain_info:
    gather: [block]
    query: 'reverse(sort_by(domains[].{name: name, written: sum(block.each[].wr_bytes || `[]`)}, &written))[:5]'

- name: One guest as it is configured
  fleet.hypervisor.kvm_domain_info:
    names: [web1]
    gather: [configuration]
"""

RETURN = r"""
domains:
  description: The guests by name.
  returned: without O(query)
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
      sample: web1
    uuid:
      description: Its UUID.
      type: str
      sample: 6695eb01-f6a4-8304-79aa-97f2502e193f
    id:
      description: Its number while it is active, else V(null).
      type: int
      sample: 3
    state:
      description:
        - V(running), V(blocked), V(paused), V(shutdown) (going down), V(shutoff), V(crashed), V(pmsuspended) or
          V(none).
      type: str
      sample: running
    state_reason:
      description: libvirt's number of the reason for that state.
      type: int
      sample: 1
    persistent:
      description: Whether it is defined beyond its run.
      type: bool
      sample: true
    autostart:
      description: Whether it is started with the host.
      type: bool
      sample: false
    cpu:
      description: CPU time of the guest with its emulator.
      returned: always, in full with V(cpu) in O(gather)
      type: dict
      sample: {time_ns: 23000000000, user_ns: 11000000000, system_ns: 12000000000}
    balloon:
      description: Memory.
      returned: always, in full with V(balloon) in O(gather)
      type: dict
      sample: {current_kib: 2097152, maximum_kib: 2097152, rss_kib: 812345}
    vcpu:
      description: Virtual CPUs, and each of them.
      returned: always, in full with V(vcpu) in O(gather)
      type: dict
      sample: {current: 2, maximum: 4, each: [{state: running, time_ns: 4200000000, wait_ns: 0}]}
    interface:
      description: Interfaces, and each of them.
      returned: with V(interface) in O(gather)
      type: dict
      sample: {count: 1, each: [{name: vnet0, rx_bytes: 4210, tx_bytes: 7012}]}
    block:
      description: Disks, and each of them.
      returned: with V(block) in O(gather)
      type: dict
      sample: {count: 1, each: [{name: vda, rd_bytes: 8192, wr_bytes: 4096, capacity_bytes: 10737418240}]}
    addresses:
      description: Addresses by interface.
      returned: with V(addresses) in O(gather)
      type: list
      elements: dict
      sample: [{interface: vnet0, mac: "52:54:00:12:34:56", addresses: [192.168.122.10/24]}]
    configuration:
      description: The guest's document as a dictionary without loss, secrets left out.
      returned: with V(configuration) in O(gather)
      type: dict
      sample: {"@type": kvm, name: web1, vcpu: {"#text": 2}}
answer:
  description: What O(query) found.
  returned: with O(query)
  type: raw
  sample: [{name: db1, written: 99123200}]
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import quick_import, with_libvirt  # noqa: F401  # pylint: disable=unused-import
from ..module_utils.hypervisor.domains import show
from ..module_utils.hypervisor.errors import KvmError
from ..module_utils.hypervisor.task import CONNECTION, READONLY


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **CONNECTION,
            **READONLY,
            "names": {"type": "list", "elements": "str", "default": []},
            "state": {"type": "str", "choices": list(show.STATE_FLAGS)},
            "gather": {
                "type": "list",
                "elements": "str",
                "choices": [*list(show.GROUPS)[1:], *show.MORE],
                "default": list(show.DEFAULT),
            },
            "query": {"type": "raw"},
        },
        supports_check_mode=True,
    )
    with_libvirt.ensure()
    try:
        result = show.run(module.params)
    except KvmError as error:
        module.fail_json(msg=f"Reading the guests: {error}")
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
