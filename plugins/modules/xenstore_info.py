#!/usr/bin/python
# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: xenstore_info
short_description: Nodes of XenStore, read
version_added: 0.1.0
author:
  - the fleet.hypervisor authors (@fleet-hypervisor)
description:
  - Reads a node of XenStore, its permissions and children, and as wanted everything below it, by speaking the daemon's
    protocol. Subtrees are read level by level with many requests on their way at once.
notes:
  - Works in dom0, and in a guest on what the guest may read.
seealso:
  - module: fleet.hypervisor.xenstore
  - module: fleet.hypervisor.xenstore_domain_info
extends_documentation_fragment:
  - fleet.hypervisor.attributes.info_module
  - fleet.hypervisor.xenstore
  - fleet.hypervisor.xenstore.timeout
options:
  path:
    description:
      - The node. Relative to the guest's own path with O(domid) or O(guest), which alone mean that path itself. Without
        these, a relative path is below the domain that the module runs in.
    type: str
  domid:
    description: Number of a guest, below whose path O(path) is meant.
    type: int
  guest:
    description: Name of a guest, below whose path O(path) is meant.
    type: str
  subtree:
    description: Whether to read all that is below the node too. What may not be read is left out.
    type: bool
    default: false
  snapshot:
    description:
      - Whether to take a snapshot that M(fleet.hypervisor.xenstore) can restore, all of it from one moment.
    type: bool
    default: false
  secrets:
    description:
      - Patterns such as V(*/password) of paths whose values are secret. Ansible replaces them in the result, so that a
        snapshot with secrets cannot be restored. A pattern fits a whole path or the end of one.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: What a guest was told
  fleet.hypervisor.xenstore_info:
    guest: web1
    path: vm-data
    subtree: true
  register: told

- name: Remember how it was
  fleet.hypervisor.xenstore_info:
    path: /tool
    snapshot: true
  register: taken_before
"""

RETURN = r"""
exists:
  description: Whether there is such a node.
  returned: success
  type: bool
path:
  description: The node that was meant.
  returned: when its guest is there
  type: str
  sample: /local/domain/5/vm-data
value:
  description: The value; V(null) when it is no text, and then RV(value_base64) has it.
  returned: when the node exists
  type: str
value_base64:
  description: The value in base64.
  returned: when the value is no text (UTF-8)
  type: str
children:
  description: Names of the children.
  returned: when the node exists
  type: list
  elements: str
permissions:
  description: The permissions, the owner's first.
  returned: when the node exists
  type: list
  elements: str
  sample: [n0, r5]
tree:
  description: The subtree, as O(fleet.hypervisor.xenstore#module:tree) takes it.
  returned: when the node exists, with O(subtree)
  type: dict
  sample:
    role: frontend
    network: {gateway: 192.0.2.254, mtu: "9000"}
snapshot:
  description: The subtree with all values and permissions, as O(fleet.hypervisor.xenstore#module:restore) takes it.
  returned: when the node exists, with O(snapshot)
  type: dict
  contains:
    path:
      description: Where it was taken.
      type: str
    tree:
      description: The nodes.
      type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import quick_import  # noqa: F401  # pylint: disable=unused-import
from ..module_utils.xenstore.nodes import show
from ..module_utils.xenstore.nodes.place import CONNECTION, TIMEOUT


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **CONNECTION,
            **TIMEOUT,
            "path": {"type": "str"},
            "domid": {"type": "int"},
            "guest": {"type": "str"},
            "subtree": {"type": "bool", "default": False},
            "snapshot": {"type": "bool", "default": False},
            "secrets": {"type": "list", "elements": "str", "default": [], "no_log": False},
        },
        mutually_exclusive=[["socket", "xenbus"], ["domid", "guest"]],
        required_one_of=[["path", "domid", "guest"]],
        supports_check_mode=True,
    )
    try:
        result = show.node_info(module.params, module.no_log_values.add)
    except show.FAILURES as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
