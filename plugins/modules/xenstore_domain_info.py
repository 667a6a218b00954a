#!/usr/bin/python
# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: xenstore_domain_info
short_description: Domains in XenStore, and what they use of their quotas
version_added: 0.1.0
author:
  - the fleet.hypervisor authors (@fleet-hypervisor)
description:
  - Lists the domains that have a place in XenStore, with how many nodes, watches and transactions the daemon counts for
    each, beside the quota. A domain at its quota cannot attach a disk or a NIC any more, and nothing else tells.
notes:
  - Works in dom0. Which numbers there are depends on the daemon; oxenstored tells of nodes only.
seealso:
  - module: fleet.hypervisor.xenstore_info
extends_documentation_fragment:
  - fleet.hypervisor.attributes.info_module
  - fleet.hypervisor.xenstore
  - fleet.hypervisor.xenstore.timeout
"""

EXAMPLES = r"""
- name: Ask for all domains
  fleet.hypervisor.xenstore_domain_info:
  register: found

- name: Nobody is near the quota
  ansible.builtin.assert:
    that: item.nodes is none or item.nodes < item.nodes_quota * 0.9
  loop: "{{ found.domains | rejectattr('domid', 'equalto', 0) }}"
  loop_control:
    label: "{{ item.name }}"
"""

RETURN = r"""
domains:
  description: The domains, by number.
  returned: success
  type: list
  elements: dict
  contains:
    domid:
      description: The domain's number.
      type: int
    name:
      description: Its name, V(null) when it has none in XenStore.
      type: str
    path:
      description: Where its nodes lie.
      type: str
      sample: /local/domain/5
    introduced:
      description: Whether the daemon talks with it.
      type: bool
    nodes:
      description: Nodes that it owns; V(null) when the daemon does not tell.
      type: int
    nodes_quota:
      description: Nodes that it may own; V(null) when the daemon does not tell. Dom0 may own more.
      type: int
    used:
      description: All that the daemon counts for it, in the daemon's words.
      type: dict
      sample: {nodes: 63, watches: 12, transactions: 0, outstanding: 0, memory: 9216}
    quota:
      description: The quotas that hold for it, in the daemon's words.
      type: dict
      sample: {nodes: 1000, watches: 128, transactions: 10, outstanding: 20, memory: 2621440}
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import quick_import  # noqa: F401  # pylint: disable=unused-import
from ..module_utils.xenstore.nodes import show
from ..module_utils.xenstore.nodes.place import CONNECTION, TIMEOUT


def main() -> None:
    module = AnsibleModule(
        argument_spec={**CONNECTION, **TIMEOUT},
        mutually_exclusive=[["socket", "xenbus"]],
        supports_check_mode=True,
    )
    try:
        result = show.domain_info(module.params)
    except show.FAILURES as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
