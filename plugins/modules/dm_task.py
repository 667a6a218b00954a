#!/usr/bin/python
# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dm_task
short_description: Device-mapper devices, one or a whole stack in one task
version_added: 0.1.0
author:
  - the fleet.hypervisor authors (@fleet-hypervisor)
description:
  - Creates, changes, suspends, resumes, renames and removes device-mapper devices by speaking to the kernel through
    C(/dev/mapper/control). No program is run and nothing has to be installed on the managed host.
  - A table is loaded into the inactive slot and read back before it goes live. A device is never suspended before the
    kernel has accepted its table.
  - Whatever happens, the kernel refuses or the module is killed, no device stays suspended that was not suspended
    before. A second process sees to that.
  - Tables are compared as the kernel would show them, a device by its number whatever path the task has for it. Where
    that leaves a doubt and the target types do nothing when they are set up, the kernel is asked, by way of the
    inactive slot.
  - Keys of C(crypt) and C(integrity) targets, in tables and in messages, show neither in the result or its difference
    nor in the host's log.
notes:
  - Needs root.
  - Tables are those of the running kernel and are gone with a reboot.
  - Works together with udev, and without it, where it makes the nodes in C(/dev/mapper) itself.
seealso:
  - module: fleet.hypervisor.dm_info
  - name: Device Mapper
    description: The target types and their arguments, in the kernel's documentation.
    link: https://docs.kernel.org/admin-guide/device-mapper/index.html
extends_documentation_fragment:
  - fleet.hypervisor.attributes
options:
  name: &name
    description: Name of the device, of up to 127 bytes as the kernel gets it.
    type: str
  uuid: &uuid
    description:
      - UUID of the device, any text. A new device gets it, and one that has none yet. The kernel changes no UUID.
      - Without O(name), the device that has it.
    type: str
  state: &state
    description:
      - V(present) makes the device as the task says, and active. What the task does not mention stays.
      - V(absent) removes it.
      - V(suspended) stops its input and output until it is resumed, V(resumed) goes on, with the inactive table where
        one waits.
      - V(renamed) gives it O(new_name), O(new_uuid) or both.
      - V(cleared) drops a table that waits in the inactive slot.
    type: str
    choices: [present, absent, suspended, resumed, renamed, cleared]
    default: present
  table: &table
    description:
      - Targets, from the first sector on and without gaps. Each is a line as C(dmsetup table) shows it, C(start length
        type arguments), or a dictionary.
      - A dictionary has C(type), C(length) and, where it does not begin at the end of the one before, C(start), all in
        sectors of 512 bytes. The other keys are the arguments by their names, as the guide C(docs/storage.md) lists
        them for each type, or C(args) with all of them as text.
      - A device is a path, among them C(/dev/mapper/NAME) of one that the same task makes, or C(major:minor).
    type: list
    elements: raw
  readonly: &readonly
    description: Whether the device can only be read. Without it, a new one can be written to.
    type: bool
  geometry: &geometry
    description: What the device tells programs that ask for cylinders.
    type: dict
    suboptions:
      cylinders:
        description: Number of cylinders, up to 65535.
        type: int
        required: true
      heads:
        description: Number of heads, up to 255.
        type: int
        required: true
      sectors:
        description: Sectors of a track, up to 255.
        type: int
        required: true
      start:
        description: First sector.
        type: int
        default: 0
  owner: &owner
    description: Owner of the node, a name or a number.
    type: str
  group: &group
    description: Group of the node, a name or a number.
    type: str
  mode: &mode
    description: Permissions of the node, an octal number in quotes such as V("0660").
    type: str
  read_ahead: &read_ahead
    description: Sectors that the kernel reads ahead. It takes whole pages.
    type: int
  new_name: &new_name
    description: With O(state=renamed), the name to give.
    type: str
  new_uuid: &new_uuid
    description: With O(state=renamed), the UUID to give to a device that has none.
    type: str
  deferred: &deferred
    description: Whether a device that is in use is removed later, when the last one who uses it lets go of it.
    type: bool
    default: false
  retry: &retry
    description: Seconds to try a removal again while the device is in use. udev often looks at a device for a moment.
    type: float
    default: 5.0
  noflush: &noflush
    description: Whether suspending for the change leaves requests waiting in the queue instead of finishing them.
    type: bool
    default: false
  skip_lockfs: &skip_lockfs
    description: Whether suspending for the change does not freeze a file system on the device.
    type: bool
    default: false
  target_message: &target_message
    description:
      - A message for a target, sent after everything else, and not in check mode. A task with one is always changed,
        but for C(@stats_list) and C(@stats_print).
      - It is not called C(message), a name of options that Ansible keeps for itself.
    type: dict
    suboptions:
      text:
        description: The message.
        type: str
        required: true
      sector:
        description: A sector of the target that is meant.
        type: int
        default: 0
  devices:
    description:
      - Many devices in one task, in any order. They are made from the lowest up, those that belong together go live
        together, and removals begin at the top. When one fails, what was done is undone.
      - Each takes the options that a single one takes.
    type: list
    elements: dict
    suboptions:
      name: *name
      uuid: *uuid
      state: *state
      table: *table
      readonly: *readonly
      geometry: *geometry
      owner: *owner
      group: *group
      mode: *mode
      read_ahead: *read_ahead
      new_name: *new_name
      new_uuid: *new_uuid
      deferred: *deferred
      retry: *retry
      noflush: *noflush
      skip_lockfs: *skip_lockfs
      target_message: *target_message
  mangling:
    description:
      - How names get to the kernel, of which udev and other tools cannot bear every byte. V(auto) and V(hex) write what
        is no letter, digit or one of C(#+-.:=@_) as C(\xNN), as libdevmapper does. V(auto) takes a name that is
        written so already as it is.
      - V(none) changes nothing, and a name that it should have changed breaks C(dmsetup ls) for everybody.
    type: str
    choices: [auto, hex, none]
    default: auto
  timeout:
    description: Seconds that udev has for its rules. After that nodes are made without it, and the task fails.
    type: float
    default: 30.0
"""

EXAMPLES = r"""
- name: Two disks as one device
  fleet.hypervisor.dm_task:
    name: data
    table:
      - {type: linear, length: 204800, device: /dev/vdb, offset: 0}
      - {type: linear, length: 204800, device: /dev/vdc, offset: 0}

- name: The same in lines
  fleet.hypervisor.dm_task:
    name: data
    table:
      - 0 204800 linear /dev/vdb 0
      - 204800 204800 linear /dev/vdc 0

- name: A stack, swapped together
  fleet.hypervisor.dm_task:
    devices:
      - name: slow
        table:
          - {type: delay, length: 204800, device: /dev/mapper/fast, offset: 0, delay: 20}
      - name: fast
        uuid: example-fast
        mode: "0640"
        read_ahead: 1024
        table:
          - type: striped
            length: 204800
            chunk_size: 128
            stripes:
              - {device: /dev/vdb, offset: 204800}
              - {device: /dev/vdc, offset: 204800}

- name: Names may have blanks and letters of any language
  fleet.hypervisor.dm_task:
    name: slow
    state: renamed
    new_name: Müllers Platte

- name: What a target has to say
  fleet.hypervisor.dm_task:
    name: fast
    target_message: {text: "@stats_list"}
  register: told

- name: Away with all of it
  fleet.hypervisor.dm_task:
    devices:
      - {name: data, state: absent}
      - {name: fast, state: absent}
      - {name: Müllers Platte, state: absent}
"""

RETURN = r"""
changes:
  description: What was done, or with check mode would be done, in order.
  returned: success
  type: list
  elements: str
  sample: ["data: load the table", "data: swap the table in"]
device:
  description:
    - The device as it is in the end, in the keys of RV(fleet.hypervisor.dm_info#module:devices); V(null) when it is
      absent.
    - In check mode, the device as it is.
  returned: success, without O(devices)
  type: dict
  sample:
    name: data
    uuid: null
    path: /dev/mapper/data
    dev: "253:0"
    state: active
    readonly: false
    open_count: 0
    event_nr: 0
    deferred_remove: false
    live_table: true
    inactive_table: false
    table:
      - {start: 0, length: 204800, type: linear, args: /dev/vdb 0}
devices:
  description: The devices that are there, in the order of O(devices).
  returned: success, with O(devices)
  type: list
  elements: dict
response:
  description: What the target answered to O(target_message).
  returned: success, with O(target_message)
  type: str
responses:
  description: What targets answered to messages of O(devices), by the names of the devices.
  returned: success, with O(devices) of which one has a message
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import quick_import  # noqa: F401  # pylint: disable=unused-import
from ..module_utils.devmapper.devices import task
from ..module_utils.devmapper.devices.spec import COMMON, DEVICE


def main() -> None:
    alone = [option for option, about in DEVICE.items() if "default" not in about]
    module = AnsibleModule(
        argument_spec={
            **DEVICE,
            **COMMON,
            "devices": {
                "type": "list",
                "elements": "dict",
                "options": DEVICE,
                "required_one_of": [["name", "uuid"]],
            },
        },
        mutually_exclusive=[["devices", option] for option in alone],
        required_one_of=[["name", "uuid", "devices"]],
        supports_check_mode=True,
    )
    module.no_log_values = set()  # all tables were kept from the log; from the result, only keys are
    try:
        result = task.run(module.params, module.check_mode, module.no_log_values.add)
    except task.FAILURES as error:
        module.fail_json(msg=str(error))
    diff = result.pop("diff")
    module.exit_json(**result, **({"diff": diff} if module._diff else {}))


if __name__ == "__main__":
    main()
