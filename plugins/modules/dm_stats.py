#!/usr/bin/python
# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dm_stats
short_description: Statistics of device-mapper devices, started and ended
version_added: 0.1.0
author:
  - the fleet.hypervisor authors (@fleet-hypervisor)
description:
  - Has the kernel count the requests to regions of device-mapper devices (logical volumes, encrypted disks, multipath,
    ...) and how long they took, by speaking to the device-mapper itself. No program is run and nothing has to be
    installed on the managed host.
  - A region is known by its program id and its geometry, that is its place, its areas, its timestamps and its bounds.
    One that is there already is kept with what it has counted.
  - Regions, groups and user data are those of C(dmstats), which can read and end them, and the other way round.
notes:
  - Needs root. The kernel forgets statistics with their device, and at a reboot.
  - Each area takes some hundred bytes of the kernel's memory, more on hosts with many CPUs.
seealso:
  - module: fleet.hypervisor.dm_stats_info
extends_documentation_fragment:
  - fleet.hypervisor.attributes
options:
  devices:
    description:
      - The devices, each by its name, the path of its node, its V(major:minor) or its uuid.
      - One that is not there is an error, unless O(state=absent).
    type: list
    elements: str
    default: []
    aliases: [device, name]
  all_devices:
    description: Whether all devices of the host that have a table are meant.
    type: bool
    default: false
  files:
    description:
      - Paths of files. What is counted is the sectors that a file lies in now, with a region for each extent and a
        group of them with the file's name as its alias. The file's system must lie on a device-mapper device.
      - A file that has grown or moved gets other regions with the next run; those of its extents that stayed are kept.
      - With O(state=absent) a file that is gone is looked for by the alias, on all devices.
    type: list
    elements: str
    default: []
  program_id:
    description:
      - Whose regions these are. Regions of other programs are never touched. That of C(dmstats) is V(dmstats).
    type: str
    default: fleet
  state:
    description:
      - V(present) has the regions there be.
      - V(absent) ends them. V(cleared) sets their counters to 0.
      - V(absent) and V(cleared) mean the regions that the task describes, or if it tells no place, areas, bounds or
        group, all of the program id.
    type: str
    choices: [present, absent, cleared]
    default: present
  start:
    description: Where the region begins; sectors of 512 bytes, or with a unit, such as V(4k), V(1m), V(1g).
    type: str
  length:
    description: How long it is, written as O(start). Without it, up to the device's end.
    type: str
  segments:
    description: Whether to have a region for each target of the device's table.
    type: bool
    default: false
  regions:
    description: Several regions a device. What one does not say is taken from the task.
    type: list
    elements: dict
    default: []
    suboptions:
      start:
        description: As O(start).
        type: str
      length:
        description: As O(length).
        type: str
      areas:
        description: As O(areas).
        type: int
      area_size:
        description: As O(area_size).
        type: str
      precise:
        description: As O(precise).
        type: bool
      bounds:
        description: As O(bounds).
        type: list
        elements: str
      user_data:
        description: As O(user_data).
        type: str
  areas:
    description: Into how many areas of the same size a region is divided, each with counters of its own.
    type: int
  area_size:
    description: How large an area is, written as O(start). Without this and O(areas), a region is one area.
    type: str
  precise:
    description:
      - Whether times are counted in nanoseconds, not milliseconds. Without it, as O(bounds) need it.
    type: bool
  bounds:
    description:
      - Bounds of a latency histogram, ascending, each a number with V(ns), V(us), V(ms) or V(s), without one V(ms).
      - Without it, there is no histogram.
    type: list
    elements: str
  user_data:
    description: Text to keep with each region. Without it, that of regions that are there stays.
    type: str
  alias:
    description:
      - Name of a group that the regions of each device form. Other members that the group has had are ended, so that
        changed bounds, say, leave nothing behind.
      - Takes no blank, quote, colon or number sign.
    type: str
  group:
    description: Whether the regions form a group. Without it, those of O(files) do, and those with an O(alias).
    type: bool
  purge:
    description: Whether to end all other regions of the program id on these devices.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Count requests to every volume, with a latency histogram
  fleet.hypervisor.dm_stats:
    all_devices: true
    bounds: [100us, 500us, 1ms, 5ms, 10ms, 50ms, 100ms, 500ms]

- name: A volume in sixteen areas, to see where the load is
  fleet.hypervisor.dm_stats:
    devices: vg0-database
    areas: 16
    alias: database

- name: A file of a database
  fleet.hypervisor.dm_stats:
    files: /var/lib/mysql/ibdata1
    bounds: [1ms, 10ms, 100ms]

- name: Start over
  fleet.hypervisor.dm_stats:
    devices: vg0-database
    state: cleared

- name: Nothing is counted any more
  fleet.hypervisor.dm_stats:
    all_devices: true
    state: absent
"""

RETURN = r"""
changes:
  description: What was done, or with check mode would be done, in order.
  returned: success
  type: list
  elements: str
  sample: ["vg0-database: new region 1: create"]
regions:
  description: The regions of the program id on these devices. In check mode, as they are.
  returned: success
  type: list
  elements: dict
  contains:
    device:
      description: Name of the device.
      type: str
    region_id:
      description: Number that the kernel gave to the region, on this device.
      type: int
    start:
      description: First sector.
      type: int
    length:
      description: Sectors.
      type: int
    area_length:
      description: Sectors of an area; the last one may be shorter.
      type: int
    nr_areas:
      description: Areas.
      type: int
    precise:
      description: Whether times are counted in nanoseconds.
      type: bool
    bounds:
      description: Bounds of the histogram, in nanoseconds.
      type: list
      elements: int
    program_id:
      description: Whose region it is.
      type: str
    user_data:
      description: Text kept with it.
      type: str
    group_id:
      description: Number of the group that it is in, if any.
      type: int
groups:
  description: The groups on these devices.
  returned: success
  type: list
  elements: dict
  contains:
    device:
      description: Name of the device.
      type: str
    group_id:
      description: Number of the group, that is of its lowest region.
      type: int
    alias:
      description: Its name, or an empty text.
      type: str
    regions:
      description: Numbers of its regions.
      type: list
      elements: int
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import quick_import  # noqa: F401  # pylint: disable=unused-import
from ..module_utils.devmapper.stats import task
from ..module_utils.devmapper.stats.wanted import REGION


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **REGION,
            "devices": {"type": "list", "elements": "str", "default": [], "aliases": ["device", "name"]},
            "all_devices": {"type": "bool", "default": False},
            "files": {"type": "list", "elements": "str", "default": []},
            "program_id": {"type": "str", "default": "fleet"},
            "state": {"type": "str", "default": "present", "choices": ["present", "absent", "cleared"]},
            "segments": {"type": "bool", "default": False},
            "regions": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": REGION,
                "mutually_exclusive": [["areas", "area_size"]],
            },
            "alias": {"type": "str"},
            "group": {"type": "bool"},
            "purge": {"type": "bool", "default": False},
        },
        mutually_exclusive=[["areas", "area_size"]],
        supports_check_mode=True,
    )
    try:
        result = task.run(module.params, module.check_mode)
    except task.FAILURES as error:
        module.fail_json(msg=str(error))
    diff = result.pop("diff")
    module.exit_json(**result, **({"diff": diff} if module._diff else {}))


if __name__ == "__main__":
    main()
