#!/usr/bin/python
# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dm_info
short_description: Device-mapper devices with tables, status and what they stand on
version_added: 0.1.0
author:
  - the fleet.hypervisor authors (@fleet-hypervisor)
description:
  - Reads the state of device-mapper devices, their tables, what their targets say, and what they stand on, in one pass
    through C(/dev/mapper/control). No program is run and nothing has to be installed on the managed host.
  - Can wait for events first, such as a failed leg of a mirror or a pool that fills up.
  - Keys in tables are hidden.
notes:
  - Needs root.
seealso:
  - module: fleet.hypervisor.dm_task
extends_documentation_fragment:
  - fleet.hypervisor.attributes.info_module
options:
  name:
    description: Names of the devices to read. One that is not there is left out. Without it, all devices.
    type: list
    elements: str
  name_prefix:
    description: Only devices whose names begin so.
    type: str
    default: ""
  uuid_prefix:
    description: Only devices whose UUIDs begin so, such as V(LVM-).
    type: str
    default: ""
  gather:
    description:
      - What to read beside the state. V(table) is the live table, and one that waits to go live; V(status) what each
        target says; V(deps) the devices below.
      - V(tree) is all devices of the host from the topmost down, V(targets) the versions of loaded target types.
    type: list
    elements: str
    choices: [table, status, deps, tree, targets]
    default: [table, status, deps]
  target_types:
    description: Target types to ask the kernel for, which it loads if it can. They are in RV(targets).
    type: list
    elements: str
    default: []
  events:
    description:
      - Names of devices with the numbers of the last event that is known of each. Before anything is read, an event
        after that is waited for, of any of them.
    type: dict
  mangling:
    description: How names get to the kernel, as O(fleet.hypervisor.dm_task#module:mangling).
    type: str
    choices: [auto, hex, none]
    default: auto
  timeout:
    description: Seconds to wait for O(events). When none has come, the task fails.
    type: float
    default: 30.0
"""

EXAMPLES = r"""
- name: All devices
  fleet.hypervisor.dm_info:
  register: before

- name: What LVM has made, and what stands on what
  fleet.hypervisor.dm_info:
    uuid_prefix: LVM-
    gather: [table, tree]

- name: Does this kernel have thin provisioning
  fleet.hypervisor.dm_info:
    gather: []
    target_types: [thin-pool]

- name: Wait until something happens to the pool
  fleet.hypervisor.dm_info:
    name: [pool]
    gather: [status]
    events:
      pool: "{{ before.devices | selectattr('name', 'eq', 'pool') | map(attribute='event_nr') | first }}"
    timeout: 600
"""

RETURN = r"""
devices:
  description: The devices.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name, as people write it.
      type: str
      returned: always
      sample: data
    uuid:
      description: UUID, V(null) where there is none.
      type: str
      returned: always
    path:
      description: Its node.
      type: str
      returned: always
      sample: /dev/mapper/data
    dev:
      description: Major and minor number.
      type: str
      returned: always
      sample: "253:0"
    state:
      description: V(active) or V(suspended).
      type: str
      returned: always
    readonly:
      description: Whether it can only be read.
      type: bool
      returned: always
    open_count:
      description: How many times it is open.
      type: int
      returned: always
    event_nr:
      description: Number of its last event.
      type: int
      returned: always
    deferred_remove:
      description: Whether it goes when nobody has it open any more.
      type: bool
      returned: always
    live_table:
      description: Whether it has a table that is live.
      type: bool
      returned: always
    inactive_table:
      description: Whether a table waits in the inactive slot.
      type: bool
      returned: always
    table:
      description: The live table, with C(start) and C(length) in sectors, C(type), and C(args) with paths of devices.
      type: list
      elements: dict
      returned: with table in O(gather)
    waiting:
      description: The table in the inactive slot.
      type: list
      elements: dict
      returned: with table in O(gather), where there is one
    status:
      description:
        - What each target says. C(text) is what the kernel says, C(read) the same by names where the target type is
          known, such as C(data_blocks_used) and C(data_blocks_total) of a thin pool.
      type: list
      elements: dict
      returned: with status in O(gather)
    deps:
      description: Paths of the devices that it stands on.
      type: list
      elements: str
      returned: with deps in O(gather)
tree:
  description: Topmost devices, each with C(device), C(dev) and, where it stands on others, C(below), which are alike.
  returned: with tree in O(gather)
  type: list
  elements: dict
targets:
  description: Versions of target types; V(null) where the kernel has no such type.
  returned: with targets in O(gather), or with O(target_types)
  type: dict
  sample: {linear: 1.4.0}
driver_version:
  description: Version of the kernel's device-mapper interface.
  returned: success
  type: str
  sample: 4.47.0
events:
  description: The devices of O(events) to which something happened, and the numbers of their last events.
  returned: with O(events)
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import quick_import  # noqa: F401  # pylint: disable=unused-import
from ..module_utils.devmapper.devices import info


def main() -> None:
    module = AnsibleModule(argument_spec=info.PARAMS, supports_check_mode=True)
    try:
        result = info.run(module.params, module.no_log_values.add)
    except info.FAILURES as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
