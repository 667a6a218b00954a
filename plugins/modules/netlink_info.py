#!/usr/bin/python
# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: netlink_info
short_description: Links, addresses, routes and what else the kernel's network stack has
version_added: 0.1.0
author:
  - the fleet.hypervisor authors (@fleet-hypervisor)
description:
  - Reads what one network namespace has, straight from the kernel over rtnetlink, each kind of object
    in one consistent pass.
  - Keys and values are those of C(ip -j -d) and C(bridge -j); where they are not, the return values
    say so. Neither program has to be installed on the managed host.
  - Filters are handed to the kernel, so that a small question has a small and quick answer on a host
    with very many links or routes too.
notes:
  - A link has some thirty keys, a bridge seventy. On a host with thousands of links ask for those
    that you need; everything that is registered stays in memory until the play ends.
  - Groups, tables, protocols and the like have the names that iproute2 was built with. Names that
    were added to the files in C(/etc/iproute2) on a host are not read; their objects show the number.
  - Needs Linux 4.20 or newer. Reading needs no privilege, but entering another network namespace
    with O(netns) does.
extends_documentation_fragment:
  - fleet.hypervisor.attributes.info_module
options:
  gather:
    description:
      - What to read.
      - V(fdb) are the forwarding entries of bridges and VXLANs, V(vlans) the VLANs of bridges and
        their ports.
    type: list
    elements: str
    choices: [links, addresses, routes, rules, neighbours, fdb, vlans]
    default: [links, addresses]
  name:
    description:
      - Only this link, by its name or an alternative name, and addresses, routes, neighbours,
        forwarding entries and VLANs of this link.
      - Without such a link all lists are empty.
    type: str
    aliases: [dev]
  kind:
    description:
      - Only links of this kind, for instance V(bridge), V(vlan) or V(vxlan).
    type: str
  master:
    description:
      - Only links that are ports of this one (a bridge, bond or VRF), and neighbours, forwarding
        entries and VLANs of its ports.
      - Without such a link all lists are empty.
    type: str
  family:
    description:
      - Only addresses, routes, rules and neighbours of this family.
    type: str
    choices: [inet, inet6]
  table:
    description:
      - Only routes of this table, V(main), V(local), V(default) or a number; V(all) for every one.
    type: str
    default: main
  protocol:
    description:
      - Only routes of this origin, by name (V(kernel), V(boot), V(static), V(bird) and so on) or
        number.
    type: str
  netns:
    description:
      - The network namespace to read, by the name that C(ip netns) knows or by a path,
        C(/proc/PID/ns/net) for that of a process. Without it, the one that Ansible works in.
    type: str
seealso:
  - module: fleet.hypervisor.netlink_link
  - module: fleet.hypervisor.netlink_facts
"""

EXAMPLES = r"""
- name: Everything about one link
  fleet.hypervisor.netlink_info:
    name: lo
  register: loopback

- name: What is it like?
  ansible.builtin.debug:
    msg: "State {{ loopback.links[0].operstate }}, MTU {{ loopback.links[0].mtu }}"

- name: All bridges
  fleet.hypervisor.netlink_info:
    gather: [links]
    kind: bridge
  register: bridges

- name: Ports of each bridge, asked for by their master
  fleet.hypervisor.netlink_info:
    gather: [links, vlans]
    master: "{{ item }}"
  loop: "{{ bridges.links | map(attribute='ifname') }}"
  register: ports

- name: IPv4 routes that somebody set, from all tables
  fleet.hypervisor.netlink_info:
    gather: [routes]
    family: inet
    table: all
    protocol: static
  register: static

- name: All IPv4 addresses as one list
  fleet.hypervisor.netlink_info:
    gather: [addresses]
    family: inet
  register: found

- name: Show them
  ansible.builtin.debug:
    msg: "{{ found.addresses | map(attribute='addr_info') | flatten | map(attribute='local') }}"
"""

RETURN = r"""
links:
  description:
    - Links with the keys of C(ip -j -d link).
    - Besides those, C(carrier) says whether there is a signal, and C(num_vf) how many virtual
      functions a NIC has. Of tun links C(user) and C(group) are numbers, not names, and a bond's
      C(arp_validate) is V(none) where C(ip) prints V(null).
    - Statistics are left out, and the options of kinds that this collection does not know.
  type: list
  elements: dict
  returned: when O(gather) has V(links)
  contains:
    ifindex:
      description: Its number.
      type: int
      returned: always
    ifname:
      description: Its name.
      type: str
      returned: always
    link:
      description: The link that it stands on, or for C(veth) its peer; V(null) for a tunnel on none.
      type: str
      returned: when there is one, in the same network namespace
    link_index:
      description: The number of that link, where it is in another network namespace.
      type: int
      returned: when there is one
    link_netnsid:
      description: That other namespace, by the id that this one knows it by.
      type: int
      returned: with C(link_index)
    master:
      description: The bridge, bond or VRF that it is a port of.
      type: str
      returned: when there is one
    flags:
      description: What holds for it; C(NO-CARRIER) and C(M-DOWN) mean a missing signal and a C(link)
        that is down.
      type: list
      elements: str
      returned: always
    mtu:
      description: Largest packet, in bytes.
      type: int
      returned: always
    operstate:
      description: Whether it can carry traffic, V(UP), V(DOWN), V(LOWERLAYERDOWN), V(UNKNOWN) and so
        on.
      type: str
      returned: always
    link_type:
      description: What is on the wire.
      type: str
      returned: always
    address:
      description: Its link-layer address.
      type: str
      returned: when it has one
    altnames:
      description: Alternative names.
      type: list
      elements: str
      returned: when it has any
    ifalias:
      description: Its description.
      type: str
      returned: when it has one
    linkinfo:
      description: The kind (C(info_kind)) with its own options (C(info_data)), and for a port the
        kind of its master (C(info_slave_kind)) with the port's options (C(info_slave_data)).
      type: dict
      returned: unless it is a NIC or C(lo)
  sample:
    - ifindex: 4
      link: eth1
      ifname: eth1.20
      flags: [BROADCAST, MULTICAST, UP, LOWER_UP]
      mtu: 1500
      qdisc: noqueue
      master: br20
      operstate: UP
      linkmode: DEFAULT
      group: default
      txqlen: 1000
      link_type: ether
      address: "52:54:00:12:34:56"
      broadcast: ff:ff:ff:ff:ff:ff
      carrier: true
      promiscuity: 1
      min_mtu: 0
      max_mtu: 65535
      linkinfo:
        info_kind: vlan
        info_data: {protocol: 802.1Q, id: 20, flags: [REORDER_HDR]}
        info_slave_kind: bridge
        info_slave_data: {state: forwarding, priority: 32, cost: 100}
addresses:
  description:
    - Addresses by link, in the shape of C(ip -j addr); but an item has nothing of its link beyond
      number and name, and links without addresses are left out.
    - Lifetimes are seconds, V(4294967295) for ever. Each flag that is set is a key with the value
      V(true) (C(secondary), C(dynamic), C(tentative), C(deprecated), C(noprefixroute) and others).
    - C(protocol) (who set it, Linux 5.18 and newer) is there with old versions of C(ip) too, which do
      not show it.
  type: list
  elements: dict
  returned: when O(gather) has V(addresses)
  sample:
    - ifindex: 1
      ifname: lo
      addr_info:
        - family: inet
          local: 127.0.0.1
          prefixlen: 8
          scope: host
          label: lo
          valid_life_time: 4294967295
          preferred_life_time: 4294967295
routes:
  description:
    - Routes with the keys of C(ip -j -d route), of both families unless O(family) is given.
    - Besides those, C(family). The next hop object of a route with C(nhid) is not spelled out as
      C(nh_info).
  type: list
  elements: dict
  returned: when O(gather) has V(routes)
  sample:
    - type: unicast
      family: inet
      dst: default
      gateway: 192.0.2.1
      dev: br20
      table: main
      protocol: static
      scope: global
      metric: 100
      flags: []
rules:
  description:
    - Rules of policy routing with the keys of C(ip -j -d rule), of both families unless O(family) is
      given.
    - Besides those, C(family). What C(ip) shows as V(null) (C(not), C(nop), C(l3mdev) and others) is
      V(true).
  type: list
  elements: dict
  returned: when O(gather) has V(rules)
  sample:
    - family: inet
      priority: 100
      src: 10.0.0.0
      srclen: 8
      table: "77"
      protocol: static
neighbours:
  description:
    - Neighbours with the keys of C(ip -j neigh), so without those that need no resolution (NOARP).
    - Besides those, C(family), and C(master) where the link has one.
  type: list
  elements: dict
  returned: when O(gather) has V(neighbours)
  sample:
    - dst: 192.0.2.1
      dev: br20
      family: inet
      lladdr: "52:54:00:00:00:01"
      state: [REACHABLE]
fdb:
  description:
    - Forwarding entries with the keys of C(bridge -j fdb).
  type: list
  elements: dict
  returned: when O(gather) has V(fdb)
  sample:
    - mac: 52:54:00:aa:bb:cc
      ifname: vnet0
      vlan: 20
      flags: []
      master: br20
      state: ""
vlans:
  description:
    - VLANs of bridges and ports with the keys of C(bridge -j -compressvlans vlan), ranges with C(vlanEnd).
    - Besides those, C(master), the bridge of the port; of a bridge itself that is its own name.
  type: list
  elements: dict
  returned: when O(gather) has V(vlans)
  sample:
    - ifname: vnet0
      master: br20
      vlans:
        - vlan: 1
          flags: [PVID, Egress Untagged]
        - vlan: 20
          vlanEnd: 29
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import quick_import  # noqa: F401  # pylint: disable=unused-import
from ..module_utils.netlink.channel import NetlinkSocket
from ..module_utils.netlink.show_read import READERS, gather

ARGUMENTS = {
    "gather": {
        "type": "list",
        "elements": "str",
        "choices": list(READERS),
        "default": ["links", "addresses"],
    },
    "name": {"type": "str", "aliases": ["dev"]},
    "kind": {"type": "str"},
    "master": {"type": "str"},
    "family": {"type": "str", "choices": ["inet", "inet6"]},
    "table": {"type": "str", "default": "main"},
    "protocol": {"type": "str"},
    "netns": {"type": "str"},
}


def filters(options: dict[str, object]) -> dict[str, object]:
    """The options that narrow what is read, as the core names them."""
    return {
        "link": options["name"],
        "table": None if options["table"] == "all" else options["table"],
        **{name: options[name] for name in ("kind", "master", "family", "protocol")},
    }


def main() -> None:
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    options = module.params
    try:
        with NetlinkSocket(netns=options["netns"]) as sock:
            module.exit_json(changed=False, **gather(sock, options["gather"], filters(options)))
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"Reading the network: {error}")


if __name__ == "__main__":
    main()
