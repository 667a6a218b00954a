#!/usr/bin/python
# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dm_stats_info
short_description: What the statistics of device-mapper devices have counted
version_added: 0.1.0
author:
  - the fleet.hypervisor authors (@fleet-hypervisor)
description:
  - Reads counters and latency histograms of regions of device-mapper devices, at one moment or for an interval, with
    rates, mean times and percentiles, for each region, each group, and as wanted each area.
  - Regions are those that M(fleet.hypervisor.dm_stats) or C(dmstats) made. Reading clears nothing, so that several may
    read them at the same time.
notes:
  - Needs root.
seealso:
  - module: fleet.hypervisor.dm_stats
  - plugin: fleet.hypervisor.dm_histogram_merge
    plugin_type: filter
  - plugin: fleet.hypervisor.dm_percentiles
    plugin_type: filter
extends_documentation_fragment:
  - fleet.hypervisor.attributes.info_module
attributes:
  check_mode:
    details:
      - This module never changes anything but the file O(textfile), which is not written in check mode.
options:
  devices:
    description:
      - The devices, each by its name, the path of its node, its V(major:minor) or its uuid. Without it, all.
    type: list
    elements: str
    default: []
    aliases: [device, name]
  program_id:
    description: Whose regions to read. Without it, everybody's.
    type: str
  interval:
    description:
      - Seconds after which to read a second time. Counters are then those of the interval, and rates are known.
      - Without it, counters are those since the region was made or cleared.
    type: float
  areas:
    description: Whether to tell about each area too in which there was a request.
    type: bool
    default: false
  percentiles:
    description: Percentages to find the latencies of.
    type: list
    elements: float
    default: [50, 90, 99, 99.9]
  textfile:
    description:
      - Path of a file, such as V(/var/lib/prometheus/node-exporter/dm_stats.prom), to write the counters to in the
        format of Prometheus, for the textfile collector of C(node_exporter).
      - It is replaced in one step. Its folder has to be there. C(changed) tells whether its content is another now.
    type: path
"""

EXAMPLES = r"""
- name: How busy is everything during ten seconds?
  fleet.hypervisor.dm_stats_info:
    interval: 10
  register: busy

- name: A volume is slow when one in a hundred requests takes 20 ms
  fleet.hypervisor.dm_stats_info:
    devices: vg0-database
    program_id: fleet
  register: database
  failed_when: database.devices[0].regions[0].percentiles.p99.at_least >= 20000000

- name: For Prometheus
  fleet.hypervisor.dm_stats_info:
    program_id: fleet
    textfile: /var/lib/prometheus/node-exporter/dm_stats.prom
"""

RETURN = r"""
devices:
  description: The devices, by name.
  returned: success
  type: list
  elements: dict
  contains:
    device:
      description: Name.
      type: str
    number:
      description: Major and minor number.
      type: str
      sample: "253:0"
    regions:
      description: Its regions.
      type: list
      elements: dict
      contains:
        device:
          description: Name of the device.
          type: str
        region_id:
          description: Number of the region on this device.
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
        interval_nsecs:
          description: Nanoseconds between the two readings, V(null) where there is only one.
          type: int
        counters:
          description:
            - What the kernel has counted, times in nanoseconds, sizes in sectors. V(io_in_progress) is that of now.
          type: dict
          sample:
            reads: 1200
            reads_merged: 14
            read_sectors: 76800
            read_nsecs: 2460000000
            writes: 0
            writes_merged: 0
            write_sectors: 0
            write_nsecs: 0
            io_in_progress: 0
            io_nsecs: 1980000000
            weighted_io_nsecs: 2460000000
            total_read_nsecs: 1980000000
            total_write_nsecs: 0
        metrics:
          description:
            - What follows. Times in nanoseconds, V(utilization) in percent, V(throughput) in requests a second.
            - With an interval all of the sample, else V(average_request_size) and the mean times to wait.
          type: dict
          sample:
            average_request_size: 64.0
            average_wait_time: 2050000.0
            average_rd_wait_time: 2050000.0
            average_wr_wait_time: 0.0
            rd_merges_per_sec: 1.4
            wr_merges_per_sec: 0.0
            reads_per_sec: 120.0
            writes_per_sec: 0.0
            read_sectors_per_sec: 7680.0
            write_sectors_per_sec: 0.0
            average_queue_size: 0.246
            service_time: 1650000.0
            throughput: 120.0
            utilization: 19.8
        histogram:
          description: Requests by the time that they took. The first bin is below the first bound.
          returned: where the region has bounds
          type: dict
          sample: {bounds: [1000000, 5000000], counts: [10, 1180, 10]}
        percentiles:
          description:
            - Latencies in nanoseconds that so many percent of the requests did not exceed, V(null) without requests.
            - The histogram tells for sure that it is V(at_least) this and V(below) that. V(estimate) is a place between
              them, as if the bin were filled evenly. In the last bin V(below) is V(null).
          returned: where the region has bounds
          type: dict
          sample:
            p50: {estimate: 2000000, at_least: 1000000, below: 5000000}
            p99_9: {estimate: 5000000, at_least: 5000000, below: null}
        areas:
          description:
            - Each area that has counted anything, with V(area_id), V(start), V(length) and counters as here.
          returned: with O(areas)
          type: list
          elements: dict
    groups:
      description:
        - Its groups whose regions were all read, with V(group_id), V(alias), the numbers of their V(regions), and the
          sums of what these have counted.
        - There is a histogram where all regions have one, by the bounds that they have in common.
      type: list
      elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import quick_import  # noqa: F401  # pylint: disable=unused-import
from ..module_utils.devmapper.stats import report


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "devices": {"type": "list", "elements": "str", "default": [], "aliases": ["device", "name"]},
            "program_id": {"type": "str"},
            "interval": {"type": "float"},
            "areas": {"type": "bool", "default": False},
            "percentiles": {"type": "list", "elements": "float", "default": [50, 90, 99, 99.9]},
            "textfile": {"type": "path"},
        },
        supports_check_mode=True,
    )
    try:
        result = report.run(module.params, module.check_mode)
    except report.FAILURES as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
