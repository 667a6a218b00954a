#!/usr/bin/python
# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: xenstore
short_description: Nodes of XenStore, one or whole subtrees, in one transaction
version_added: 0.1.0
author:
  - the fleet.hypervisor authors (@fleet-hypervisor)
description:
  - Makes values, subtrees and permissions in XenStore as wanted, by speaking its protocol to the daemon over its socket
    or over XenBus. Nothing has to be installed on the managed host beyond Python.
  - Everything of one task happens in one transaction, which is repeated while other clients are in the way. Nobody ever
    sees half of it, whatever fails.
  - What is right already is not written, for a written value wakes everybody who watches it even when it is the same.
notes:
  - Works in dom0, and in a guest on what the guest may read and write.
  - XenStore lives in memory. What lies below a guest goes with the guest, and all of it with a reboot of the host.
seealso:
  - module: fleet.hypervisor.xenstore_info
  - module: fleet.hypervisor.xenstore_wait
  - module: fleet.hypervisor.xenstore_domain
extends_documentation_fragment:
  - fleet.hypervisor.attributes
  - fleet.hypervisor.xenstore
  - fleet.hypervisor.xenstore.timeout
options:
  path: &path
    description:
      - The node. Relative to the guest's own path with O(domid) or O(guest), which alone mean that path itself. Without
        these, a relative path is below the domain that the module runs in.
    type: str
  domid: &domid
    description: Number of a guest, below whose path O(path) is meant.
    type: int
  guest: &guest
    description: Name of a guest, below whose path O(path) is meant.
    type: str
  state: &state
    description:
      - V(present) makes the node, missing parents, and what is mentioned of it.
      - V(absent) removes the node and everything below. A guest that is not there has nothing below it.
    type: str
    choices: [present, absent]
    default: present
  value: &value
    description: The value. Without it an existing one stays, and a new node has an empty one.
    type: str
  encoding: &encoding
    description: How O(value) is written.
    type: str
    choices: [text, base64]
    default: text
  permissions: &permissions
    description:
      - Permissions of the node, each a letter and the number of a domain. The letters are V(n) (none), V(r) (read),
        V(w) (write) and V(b) (both). The first names the owner, and what all who are not listed may.
      - A new node takes over those of its parent.
    type: list
    elements: str
  tree: &tree
    description:
      - What is to be below the node, a nested dictionary. Text is the value of a leaf, a dictionary a node with
        children, V(null) a node whose value does not matter.
      - Names that begin with a dot are about the node itself, C(.value), C(.base64) (a value that is no text) and
        C(.permissions). No name in XenStore has a dot.
    type: dict
  restore: &restore
    description:
      - A snapshot as RV(fleet.hypervisor.xenstore_info#module:snapshot). Values and permissions become those of the
        snapshot, and what it does not have is removed.
      - It is restored to where it was taken, or to O(path), O(domid) or O(guest).
    type: dict
  purge: &purge
    description: Removes what is below the node and not in O(tree).
    type: bool
    default: false
  nodes:
    description: Many nodes or subtrees in one task and one transaction. Each takes the options that a single one takes.
    type: list
    elements: dict
    suboptions:
      path: *path
      domid: *domid
      guest: *guest
      state: *state
      value: *value
      encoding: *encoding
      permissions: *permissions
      tree: *tree
      restore: *restore
      purge: *purge
  secrets:
    description:
      - Patterns such as V(*/password) of paths whose values are secret. They show neither in the result or its
        difference nor in the host's log. A pattern fits a whole path or the end of one.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Tell a guest its role
  fleet.hypervisor.xenstore:
    guest: web1
    path: vm-data/role
    value: frontend

- name: All that a guest is told, and nothing else, readable for the guest
  fleet.hypervisor.xenstore:
    domid: 5
    path: vm-data
    permissions: [n0, r5]
    purge: true
    tree:
      role: frontend
      network:
        gateway: 192.0.2.254
        mtu: 9000
      token: "{{ vault_token }}"
      flags: {.base64: AAEC}
    secrets: [vm-data/token]

- name: Two guests in one transaction
  fleet.hypervisor.xenstore:
    nodes:
      - guest: web1
        path: vm-data
        tree: {peer: web2}
      - guest: web2
        path: vm-data
        tree: {peer: web1}

- name: Back to a snapshot
  fleet.hypervisor.xenstore:
    restore: "{{ taken_before.snapshot }}"

- name: Away with it
  fleet.hypervisor.xenstore:
    path: /tool/old-agent
    state: absent
"""

RETURN = r"""
changes:
  description: What was done, or with check mode would be done, in order.
  returned: success
  type: list
  elements: str
  sample: ["/local/domain/5/vm-data/role: change the value"]
path:
  description: The node that was meant; V(null) when its guest is not there and it is to be absent.
  returned: success, without O(nodes)
  type: str
  sample: /local/domain/5/vm-data
paths:
  description: The nodes that were meant, in the order of O(nodes).
  returned: success, with O(nodes)
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import quick_import  # noqa: F401  # pylint: disable=unused-import
from ..module_utils.xenstore.nodes import task
from ..module_utils.xenstore.nodes.place import CONNECTION, TIMEOUT
from ..module_utils.xenstore.nodes.wanted import NODE


def main() -> None:
    alone = [option for option, about in NODE.items() if "default" not in about]
    own_value = [["value", "restore"], ["tree", "restore"], ["permissions", "restore"], ["domid", "guest"]]
    module = AnsibleModule(
        argument_spec={
            **NODE,
            **CONNECTION,
            **TIMEOUT,
            "nodes": {
                "type": "list",
                "elements": "dict",
                "options": NODE,
                "mutually_exclusive": own_value,
                "required_one_of": [["path", "domid", "guest", "restore"]],
            },
            "secrets": {"type": "list", "elements": "str", "default": [], "no_log": False},
        },
        mutually_exclusive=[*own_value, ["socket", "xenbus"], *(["nodes", option] for option in alone)],
        required_one_of=[["path", "domid", "guest", "restore", "nodes"]],
        supports_check_mode=True,
    )
    module.no_log_values = set()  # all values were kept from the log; from the result, only the secret ones are
    try:
        result = task.run(module.params, module.check_mode, module.no_log_values.add)
    except task.FAILURES as error:
        module.fail_json(msg=str(error))
    diff = result.pop("diff")
    shown = {option: value for option, value in module.params.items() if option not in ("tree", "restore", "nodes")}
    result["invocation"] = {"module_args": shown}  # the trees, large or secret, need no way back to who sent them
    module.exit_json(**result, **({"diff": diff} if module._diff else {}))


if __name__ == "__main__":
    main()
