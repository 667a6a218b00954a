#!/usr/bin/python
# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kvm_node
short_description: Memory settings of a hypervisor node, and its suspend
version_added: 0.1.0
author:
  - the fleet.hypervisor authors (@fleet-hypervisor)
description:
  - Sets how eagerly the kernel merges equal pages of guests (KSM) and how many huge pages each cell of NUMA has, by way
    of libvirt. What is not mentioned stays as it is.
  - What was changed is read back. The task fails when the kernel gives fewer pages than were asked for. A change that
    fails takes back those before it.
  - Changes are those of the running kernel and are gone with a reboot.
notes:
  - Needs a connection that may write, as root or a member of the group C(libvirt) has.
seealso:
  - module: fleet.hypervisor.kvm_node_facts
extends_documentation_fragment:
  - fleet.hypervisor.attributes
  - fleet.hypervisor.libvirt
attributes:
  idempotent:
    support: partial
    details:
      - O(suspend) suspends the node every time.
options:
  ksm:
    description: Kernel samepage merging. Whether it runs at all is not libvirt's to say.
    type: dict
    suboptions:
      pages_to_scan:
        description: How many pages are scanned before the scanner sleeps.
        type: int
      sleep_millisecs:
        description: How long it sleeps.
        type: int
      merge_across_nodes:
        description: Whether pages of different cells are merged. The kernel changes that only while nothing is merged.
        type: bool
  huge_pages:
    description: How many pages of which size a cell has.
    type: list
    elements: dict
    suboptions:
      size_kib:
        description: Size of a page in KiB, one of those that M(fleet.hypervisor.kvm_node_facts) tells of the cell.
        type: int
        required: true
      count:
        description: How many.
        type: int
        required: true
      cell:
        description: The cell; if not given, each has that many.
        type: int
  suspend:
    description: Suspends the node, which wakes up by its clock. Refused for what the node cannot do.
    type: dict
    suboptions:
      target:
        description: Suspend to RAM, to disk, or to both.
        type: str
        choices: [mem, disk, hybrid]
        required: true
      duration_s:
        description: Seconds, at least 60.
        type: int
        required: true
"""

EXAMPLES = r"""
- name: Merge eagerly, and within each cell only
  fleet.hypervisor.kvm_node:
    ksm:
      pages_to_scan: 1000
      sleep_millisecs: 10
      merge_across_nodes: false

- name: 8 GiB of huge pages on each cell
  fleet.hypervisor.kvm_node:
    huge_pages:
      - size_kib: 2048
        count: 4096

- name: Spare power for an hour
  fleet.hypervisor.kvm_node:
    suspend:
      target: mem
      duration_s: 3600
"""

RETURN = r"""
changes:
  description: What was done, or with check mode would be done, in order.
  returned: success
  type: list
  elements: str
  sample: ["ksm: set shm_pages_to_scan 1000", "cell 0 pages 2048 KiB: 0 -> 4096"]
ksm:
  description: The settings as they are in the end, in check mode as they are.
  returned: success; empty without O(ksm)
  type: dict
  sample: {pages_to_scan: 1000, sleep_millisecs: 10, merge_across_nodes: 0}
huge_pages:
  description: Pages of the sizes and cells that the task is about, as there are in the end.
  returned: success
  type: list
  elements: dict
  sample: [{cell: 0, size_kib: 2048, count: 4096}]
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import quick_import, with_libvirt  # noqa: F401  # pylint: disable=unused-import
from ..module_utils.hypervisor.task import CONNECTION
from ..module_utils.hypervisor.tuning import task

PAGES = {
    "size_kib": {"type": "int", "required": True},
    "count": {"type": "int", "required": True},
    "cell": {"type": "int"},
}
SUSPEND = {
    "target": {"type": "str", "choices": ["mem", "disk", "hybrid"], "required": True},
    "duration_s": {"type": "int", "required": True},
}
KSM = {
    "pages_to_scan": {"type": "int"},
    "sleep_millisecs": {"type": "int"},
    "merge_across_nodes": {"type": "bool"},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **CONNECTION,
            "ksm": {"type": "dict", "options": KSM},
            "huge_pages": {"type": "list", "elements": "dict", "options": PAGES},
            "suspend": {"type": "dict", "options": SUSPEND},
        },
        required_one_of=[["ksm", "huge_pages", "suspend"]],
        supports_check_mode=True,
    )
    with_libvirt.ensure()
    try:
        result = task.run(module.params, module.check_mode)
    except task.FAILURES as error:
        module.fail_json(msg=f"Setting the node: {error}")
    diff = result.pop("diff")
    module.exit_json(**result, **({"diff": diff} if module._diff else {}))


if __name__ == "__main__":
    main()
