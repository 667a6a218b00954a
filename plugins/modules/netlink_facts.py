#!/usr/bin/python
# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: netlink_facts
short_description: The network part of Ansible's own facts, quickly
version_added: 0.1.0
author:
  - the fleet.hypervisor authors (@fleet-hypervisor)
description:
  - Gathers what M(ansible.builtin.setup) gathers with C(gather_subset=network) about links, addresses
    and default routes, under the same names and with the same values, so that playbooks need no
    change.
  - C(setup) runs three to five programs for each link; this module asks the kernel once for all
    links and once for all addresses. On a host with 1000 links that is the difference between
    seconds and a fraction of one.
  - Can stand in the list of facts modules that a play gathers its facts with, see the examples.
notes:
  - C(features), C(timestamping), C(hw_timestamp_filters) and C(phc_index) of an interface are left
    out; C(setup) takes them from ethtool, where that is installed.
  - Three differences are on purpose. An address with a metric has its broadcast address and its scope
    here, a gateway of the other family is its address, and a label (C(eth0:1)) that several addresses
    have keeps them all; C(setup) misreads the first two and drops all but one of the third.
  - Needs Linux 4.20 or newer and nothing else on the managed host, neither C(ip) nor C(ethtool).
extends_documentation_fragment:
  - fleet.hypervisor.attributes.facts_module
options:
  gather_subset:
    description:
      - As with C(setup), from which this option comes. This module has the subset V(network), with
        the other names that C(setup) knows for it (V(interfaces), V(default_ipv4),
        V(default_ipv6), V(all_ipv4_addresses), V(all_ipv6_addresses)).
      - Where the list does not ask for that, for instance V(!network) or V(!all), no facts are
        gathered.
    type: list
    elements: str
    default: [all]
  gather_timeout:
    description:
      - Seconds that the kernel may take for each answer.
    type: int
    default: 10
  filter:
    description:
      - Return only facts that match one of these shell-style patterns, with or without C(ansible_)
        before the name.
    type: list
    elements: str
    default: []
  netns:
    description:
      - The network namespace to read, by the name that C(ip netns) knows or by a path,
        C(/proc/PID/ns/net) for that of a process. Without it, the one that Ansible works in.
    type: str
seealso:
  - module: ansible.builtin.setup
  - module: fleet.hypervisor.netlink_info
"""

EXAMPLES = r"""
- name: Network facts as from setup
  fleet.hypervisor.netlink_facts:

- name: Show how the host reaches the outside
  ansible.builtin.debug:
    msg: "{{ ansible_facts.default_ipv4.interface | default('not at all') }}"

- name: Only the lists of addresses
  fleet.hypervisor.netlink_facts:
    filter: all_ipv*_addresses

# In place of setup's network subset, for a whole play: the other facts come from setup still.
- name: A play on hosts with very many links
  hosts: all
  gather_facts: true
  gather_subset: ["!network"]
  vars:
    ansible_facts_modules: [ansible.builtin.setup, fleet.hypervisor.netlink_facts]
    ansible_facts_parallel: false # in parallel, Ansible ends each of them after five seconds
  tasks:
    - name: Both are there
      ansible.builtin.debug:
        msg: "{{ ansible_facts.distribution }}, {{ ansible_facts.interfaces | length }} links"

# Or as the facts module of hosts that need nothing but network facts.
- name: A play that gathers network facts alone
  hosts: all
  vars:
    ansible_facts_modules: [fleet.hypervisor.netlink_facts]
  gather_facts: true
  tasks:
    - name: Show the names of the links
      ansible.builtin.debug:
        var: ansible_facts.interfaces
"""

RETURN = r"""
ansible_facts:
  description:
    - The facts, as C(setup) returns them. Besides those below there is one for each link,
      C(ansible_) and its name, in which V(-) and V(:) become V(_).
  type: dict
  returned: always
  contains:
    ansible_interfaces:
      description: The names of all links; a label with a V(:) in it counts as one.
      type: list
      elements: str
      returned: always
      sample: [lo, eth0, br0]
    ansible_default_ipv4:
      description: The link and the address that a packet to the outside leaves by, and the gateway
        that it goes to. Empty where there is no such route.
      type: dict
      returned: always
      sample:
        interface: br0
        address: 192.0.2.10
        gateway: 192.0.2.1
        broadcast: 192.0.2.255
        netmask: 255.255.255.0
        network: 192.0.2.0
        prefix: "24"
        macaddress: "52:54:00:12:34:56"
        mtu: 1500
        type: bridge
        alias: br0
    ansible_default_ipv6:
      description: The same for IPv6.
      type: dict
      returned: always
      sample:
        interface: br0
        address: 2001:db8::10
        gateway: fe80::1
        prefix: "64"
        scope: global
        macaddress: "52:54:00:12:34:56"
        mtu: 1500
        type: bridge
    ansible_all_ipv4_addresses:
      description: All IPv4 addresses but those of 127.0.0.0/8.
      type: list
      elements: str
      returned: always
      sample: [192.0.2.10]
    ansible_all_ipv6_addresses:
      description: All IPv6 addresses but ::1.
      type: list
      elements: str
      returned: always
      sample: ["2001:db8::10", "fe80::5054:ff:fe12:3456"]
    ansible_locally_reachable_ips:
      description: Addresses and prefixes that the host answers for itself.
      type: dict
      returned: always
      sample:
        ipv4: [127.0.0.0/8, 127.0.0.1, 192.0.2.10]
        ipv6: ["::1", "2001:db8::10"]
    ansible_br0:
      description:
        - A link, here C(br0).
        - C(type) is V(ether), V(bridge), V(bonding), V(infiniband), V(loopback), V(ppp), V(tunnel) or
          V(unknown).
        - A bridge has its ports in C(interfaces), C(id) and C(stp); a bond has C(slaves), C(mode),
          C(miimon), C(lacp_rate), C(all_slaves_active) and perhaps C(primary); a port of a bond has
          C(perm_macaddress).
        - A NIC has C(pciid) (its name on its bus) and C(module), the kernel module of its driver.
        - C(speed) is in Mbit/s, V(-1) where it is not known.
        - More IPv4 addresses than the first one are in C(ipv4_secondaries).
      type: dict
      returned: when there is such a link
      sample:
        device: br0
        macaddress: "52:54:00:12:34:56"
        mtu: 1500
        active: true
        type: bridge
        promisc: false
        speed: 10000
        interfaces: [eth0, vnet0]
        id: 8000.525400123456
        stp: false
        ipv4:
          address: 192.0.2.10
          broadcast: 192.0.2.255
          netmask: 255.255.255.0
          network: 192.0.2.0
          prefix: "24"
        ipv6:
          - address: fe80::5054:ff:fe12:3456
            prefix: "64"
            scope: link
"""

from fnmatch import fnmatch

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import quick_import  # noqa: F401  # pylint: disable=unused-import
from ..module_utils.netlink.facts_read import read

SUBSETS = frozenset(
    (
        "network",
        "interfaces",
        "default_ipv4",
        "default_ipv6",
        "all_ipv4_addresses",
        "all_ipv6_addresses",
    )
)
ARGUMENTS = {
    "gather_subset": {"type": "list", "elements": "str", "default": ["all"]},
    "gather_timeout": {"type": "int", "default": 10},
    "filter": {"type": "list", "elements": "str", "default": []},
    "netns": {"type": "str"},
}


def asked_for(subset: list[str]) -> bool:
    """Whether a gather_subset has the network in it; a name itself goes before its exclusion."""
    wanted = {name for name in subset if not name.startswith("!")}
    excluded = {name[1:] for name in subset} - wanted
    if wanted & SUBSETS:
        return True
    return not excluded & (SUBSETS | {"all"}) and (not wanted or "all" in wanted)


def chosen(facts: dict[str, object], patterns: list[str]) -> dict[str, object]:
    """The facts that a filter leaves, under their names in `ansible_facts`."""
    named = {f"ansible_{name}": fact for name, fact in facts.items()}
    return {
        name: fact
        for name, fact in named.items()
        if not any(patterns) or any(fnmatch(name, one) or fnmatch(name, f"ansible_{one}") for one in patterns)
    }


def main() -> None:
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    options = module.params
    if not asked_for(options["gather_subset"]):
        module.exit_json(ansible_facts={})
    try:
        facts = read(options["netns"], float(options["gather_timeout"]))
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"Gathering network facts: {error}")
    module.exit_json(ansible_facts=chosen(facts, options["filter"]))


if __name__ == "__main__":
    main()
