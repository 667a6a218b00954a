#!/usr/bin/python
# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: xenstore_wait
short_description: Wait until nodes of XenStore are as hoped for
version_added: 0.1.0
author:
  - the fleet.hypervisor authors (@fleet-hypervisor)
description:
  - Waits for nodes to appear, to go, or to have a value, such as a guest's answer. The daemon is not asked again and
    again, it tells when something changes.
  - Guests that are not there yet are waited for too.
seealso:
  - module: fleet.hypervisor.xenstore
extends_documentation_fragment:
  - fleet.hypervisor.attributes.info_module
  - fleet.hypervisor.xenstore
options:
  conditions:
    description: What is waited for.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: The node. Relative to the guest's own path with O(conditions[].domid) or O(conditions[].guest).
        type: str
      domid:
        description: Number of a guest, below whose path O(conditions[].path) is meant.
        type: int
      guest:
        description: Name of a guest, below whose path O(conditions[].path) is meant.
        type: str
      state:
        description: Whether the node is to be there.
        type: str
        choices: [present, absent]
        default: present
      value:
        description: The value that it is to have.
        type: str
      regex:
        description: A regular expression (of Python) that is to be found in the value.
        type: str
  guests:
    description: Names of guests. A condition with a relative path and no guest of its own is waited for in each.
    type: list
    elements: str
    default: []
  any_of:
    description: Whether one condition is enough. Otherwise all have to hold at the same time.
    type: bool
    default: false
  timeout:
    description: Seconds after which the task fails.
    type: float
    default: 300.0
"""

EXAMPLES = r"""
- name: Wait until both guests have said that they are ready
  fleet.hypervisor.xenstore_wait:
    timeout: 120
    guests: [web1, web2]
    conditions:
      - {path: data/ready, value: "1"}

- name: Wait until a disk has been let go
  fleet.hypervisor.xenstore_wait:
    conditions:
      - {path: /local/domain/0/backend/vbd/5/51712, state: absent}
"""

RETURN = r"""
values:
  description: The nodes that were waited for, in the order of O(conditions), as they were when the conditions held.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: The node.
      type: str
    exists:
      description: Whether it is there.
      type: bool
    value:
      description: Its value; V(null) when it is not there, or no text.
      type: str
    value_base64:
      description: Its value in base64, when it is no text (UTF-8).
      type: str
elapsed:
  description: Seconds that were waited.
  returned: success
  type: float
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import quick_import  # noqa: F401  # pylint: disable=unused-import
from ..module_utils.xenstore.nodes import hope
from ..module_utils.xenstore.nodes.place import CONNECTION


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **CONNECTION,
            "conditions": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": hope.CONDITION,
                "mutually_exclusive": [["value", "regex"], ["domid", "guest"]],
                "required_one_of": [["path", "domid", "guest"]],
            },
            "guests": {"type": "list", "elements": "str", "default": []},
            "any_of": {"type": "bool", "default": False},
            "timeout": {"type": "float", "default": 300.0},
        },
        mutually_exclusive=[["socket", "xenbus"]],
        supports_check_mode=True,
    )
    try:
        result = hope.run(module.params)
    except hope.FAILURES as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
