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
"""

RETURN = r"""
ansible_facts:
  description: x
  type: dict
  returned: always
"""

from fnmatch import fnmatch

from ansible.module_utils.basic import AnsibleModule

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


def asked_for(subset: list) -> bool:
    """Whether a gather_subset has the network in it; a name itself goes before its exclusion."""
    wanted = {name for name in subset if not name.startswith("!")}
    excluded = {name[1:] for name in subset} - wanted
    if wanted & SUBSETS:
        return True
    return not excluded & (SUBSETS | {"all"}) and (not wanted or "all" in wanted)


def chosen(facts: dict, patterns: list) -> dict:
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
