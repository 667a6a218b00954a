#!/usr/bin/python
# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: netlink_route
short_description: Routes, one or many in one task
version_added: 0.1.0
author:
  - the fleet.hypervisor authors (@fleet-hypervisor)
description:
  - Adds, replaces and removes routes of IPv4 and IPv6 by speaking rtnetlink to the kernel. No program is run and
    nothing
    has to be installed on the managed host.
  - The kernel has one route for each destination, table and metric. This is the one that is looked for, compared in
    what
    the task mentions, and replaced in one step where it differs.
  - Many routes in one task (O(routes)) are sent in batches, routes without a gateway first, and read back in the end.
    When one fails, those before it are undone.
  - Changes are those of the running kernel and are gone with a reboot.
notes:
  - Needs root (C(CAP_NET_ADMIN) in the network namespace) and Linux 4.20 or newer.
seealso:
  - module: fleet.hypervisor.netlink_link
  - module: fleet.hypervisor.netlink_info
extends_documentation_fragment:
  - fleet.hypervisor.attributes
options:
  dst: &dst
    description: Destination, a network such as V(192.0.2.0/24), an address, or V(default).
    type: str
  state: &state
    description:
      - V(present) makes the route as the task says; what it does not mention of an existing one stays, but for the way
        that it goes.
      - V(absent) removes the route if everything that the task mentions fits it.
    type: str
    choices: [present, absent]
    default: present
  family: &family
    description: Family of a V(default) route, where no address in the task tells it; then V(inet) is meant.
    type: str
    choices: [inet, inet6]
  gateway: &gateway
    description: Address of the next hop.
    type: str
  dev: &dev
    description: Link to go out by.
    type: str
  table: &table
    description: Routing table, V(main), V(local), V(default) or a number. Without it, V(main).
    type: str
  metric: &metric
    description: The lower one wins among routes to the same destination. Without it, 0, or 1024 for IPv6.
    type: int
  type: &type
    description: What is done with packets. Without it, V(unicast).
    type: str
    choices: [unicast, blackhole, unreachable, prohibit, throw, local]
  protocol: &protocol
    description: Who made the route, a name known to iproute2 or a number. A new one is V(static).
    type: str
  scope: &scope
    description: Scope, such as V(global) or V(link). Without it, what fits the rest.
    type: str
  prefsrc: &prefsrc
    description: Source address for packets that have none yet.
    type: str
  mtu: &mtu
    description: Largest packet on this route, in bytes.
    type: int
  advmss: &advmss
    description: Segment size to advertise for TCP, in bytes.
    type: int
  onlink: &onlink
    description: Whether O(gateway) or O(routes[].gateway) is taken to be on the link, even if no address says so.
    type: bool
  nhid: &nhid
    description: Id of a next hop object to go by.
    type: int
  nexthops: &nexthops
    description: Several ways at once (multipath).
    type: list
    elements: dict
    suboptions:
      gateway:
        description: Address of the next hop.
        type: str
      dev:
        description: Link to go out by.
        type: str
      weight:
        description: Share of the packets, beside the weights of the others.
        type: int
        default: 1
  netns:
    description: Network namespace to work in, a name (as of C(ip netns)) or an absolute path.
    type: str
  routes:
    description: Many routes in one task. Each takes the options that a single one takes.
    type: list
    elements: dict
    suboptions:
      dst: *dst
      state: *state
      family: *family
      gateway: *gateway
      dev: *dev
      table: *table
      metric: *metric
      type: *type
      protocol: *protocol
      scope: *scope
      prefsrc: *prefsrc
      mtu: *mtu
      advmss: *advmss
      onlink: *onlink
      nhid: *nhid
      nexthops: *nexthops
"""

EXAMPLES = r"""
- name: The way out
  fleet.hypervisor.netlink_route:
    dst: default
    gateway: 192.0.2.254

- name: Storage networks in one task
  fleet.hypervisor.netlink_route:
    routes:
      - dst: 198.51.100.0/24
        gateway: 192.0.2.253
        mtu: 9000
      - dst: 203.0.113.0/24
        nexthops:
          - gateway: 192.0.2.253
          - gateway: 192.0.2.252
            weight: 2

- name: Nothing for this network leaves the host
  fleet.hypervisor.netlink_route:
    dst: 203.0.113.0/24
    type: blackhole
    metric: 4000

- name: A route that is no longer needed
  fleet.hypervisor.netlink_route:
    dst: 198.51.100.0/24
    state: absent
"""

RETURN = r"""
changes:
  description: What was done, or with check mode would be done, in order.
  returned: success
  type: list
  elements: str
  sample: ["route 198.51.100.0/24: add 198.51.100.0/24  via 192.0.2.253"]
route:
  description:
    - The route as read back from the kernel, in the keys and values of C(ip -d -json route show); V(null) when it is
      absent.
    - In check mode, the route as it is.
  returned: success, without O(routes)
  type: dict
  sample:
    type: unicast
    family: inet
    dst: 198.51.100.0/24
    table: main
    protocol: static
    scope: global
    gateway: 192.0.2.253
    dev: br0
    flags: []
routes:
  description: The routes of O(routes) that are there, each as in RV(route), in their order.
  returned: success, with O(routes)
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import quick_import  # noqa: F401  # pylint: disable=unused-import
from ..module_utils.invocation import invocation
from ..module_utils.netlink.legible import legible, visible
from ..module_utils.netlink.routes import spec, task


def main() -> None:
    alone = [option for option, about in spec.ROUTE.items() if "default" not in about]
    module = AnsibleModule(
        argument_spec={
            **spec.ROUTE,
            "netns": {"type": "str"},
            "routes": {"type": "list", "elements": "dict", "options": spec.ROUTE},
        },
        mutually_exclusive=[["routes", option] for option in alone],
        required_one_of=[["dst", "routes"]],
        supports_check_mode=True,
    )
    try:
        result = legible(task.run(module.params, module.check_mode))
    except task.FAILURES as error:
        module.fail_json(msg=visible(str(error)))
    diff = result.pop("diff")
    result["invocation"] = invocation(module)
    module.exit_json(**result, **({"diff": diff} if module._diff else {}))


if __name__ == "__main__":
    main()
