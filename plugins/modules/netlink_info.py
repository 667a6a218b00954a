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
  - Reads what one network namespace has, straight from the kernel over rtnetlink, in one consistent
    pass for each kind of object.
  - Keys and values are those of C(ip -j -d) and C(bridge -j); where they are not, RV(ignore:RETURN)
    says so. Neither program has to be installed on the managed host.
  - Filters are handed to the kernel, so that a small question has a small answer on a host with
    very many links or routes as well.
notes:
  - A dictionary of a link has some thirty keys. On a host with thousands of links ask for those
    that you need; every later task of the play carries what was registered.
  - An option that filters does so for the kinds of objects that its description names, and for no
    others.
  - Needs Linux 4.20 or newer. Reading needs no privilege, but entering another network namespace
    with O(netns) does.
extends_documentation_fragment:
  - fleet.hypervisor.attributes.info_module
options:
  gather:
    description:
      - What to read.
    type: list
    elements: str
    choices: [links, addresses, routes]
    default: [links, addresses]
  name:
    description:
      - Only this link, by its name or an alternative name, and addresses and routes of this link.
      - Without such a link all lists are empty.
    type: str
    aliases: [dev]
  kind:
    description:
      - Only links of this kind, for instance V(bridge), V(vlan) or V(vxlan).
    type: str
  master:
    description:
      - Only links that are ports of this one, a bridge, bond or VRF.
      - Without such a link all lists are empty.
    type: str
  family:
    description:
      - Only addresses and routes of this family.
    type: str
    choices: [inet, inet6]
  table:
    description:
      - Only routes of this table, V(main), V(local), V(default) or a number; V(all) for every one.
    type: str
    default: main
  protocol:
    description:
      - Only routes of this origin, by name (V(kernel), V(boot), V(static), V(bird), ...) or number.
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
  register: found

- name: What is it like?
  ansible.builtin.debug:
    msg: "{{ found.links[0].operstate }}, MTU {{ found.links[0].mtu }}"
"""

RETURN = r"""
links:
  description: x
  type: list
  elements: dict
  returned: x
"""

from ansible.module_utils.basic import AnsibleModule

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


def filters(options: dict) -> dict:
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
