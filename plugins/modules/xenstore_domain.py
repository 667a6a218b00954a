#!/usr/bin/python
# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: xenstore_domain
short_description: Introduce a domain to XenStore, release, resume or target it
version_added: 0.1.0
author:
  - the fleet.hypervisor authors (@fleet-hypervisor)
description:
  - Does what a toolstack does when it makes or ends a guest. It is for those who write one, and for repairs; C(xl) and
    C(xapi) do all of it by themselves.
notes:
  - Works in dom0 only.
seealso:
  - module: fleet.hypervisor.xenstore
  - module: fleet.hypervisor.xenstore_domain_info
extends_documentation_fragment:
  - fleet.hypervisor.attributes
  - fleet.hypervisor.xenstore
  - fleet.hypervisor.xenstore.timeout
attributes:
  idempotent:
    support: partial
    details:
      - O(resume) and O(target) cannot be read back, so they are done and reported as a change whenever they are given.
options:
  domid:
    description: Number of the domain, not 0.
    type: int
    required: true
  state:
    description:
      - V(introduced) has the daemon talk with the domain.
      - V(released) cuts the domain off from XenStore. The daemon does that by itself when a domain ends; a running one
        loses its disks and NICs at the next change.
    type: str
    choices: [introduced, released]
  frame:
    description: Machine frame number of the domain's XenStore page.
    type: int
  port:
    description: The domain's unbound event channel for XenStore.
    type: int
  force:
    description: Whether a domain may be released that the daemon talks with.
    type: bool
    default: false
  resume:
    description: Whether the daemon is to forget that the domain has shut down, so that its next shutdown is told.
    type: bool
    default: false
  target:
    description: Number of a domain, of which O(domid) gets all that it owns and may. Device models need it.
    type: int
"""

EXAMPLES = r"""
- name: A domain that a new toolstack has made
  fleet.hypervisor.xenstore_domain:
    domid: 7
    state: introduced
    frame: 983039
    port: 1

- name: The device model of domain 7 runs in domain 8
  fleet.hypervisor.xenstore_domain:
    domid: 8
    target: 7
"""

RETURN = r"""
changes:
  description: What was done, or with check mode would be done, in order.
  returned: success
  type: list
  elements: str
  sample: ["domain 7: introduce, frame 983039, port 1"]
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import quick_import  # noqa: F401  # pylint: disable=unused-import
from ..module_utils.xenstore.nodes import domain
from ..module_utils.xenstore.nodes.place import CONNECTION, TIMEOUT


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **CONNECTION,
            **TIMEOUT,
            "domid": {"type": "int", "required": True},
            "state": {"type": "str", "choices": ["introduced", "released"]},
            "frame": {"type": "int"},
            "port": {"type": "int"},
            "force": {"type": "bool", "default": False},
            "resume": {"type": "bool", "default": False},
            "target": {"type": "int"},
        },
        mutually_exclusive=[["socket", "xenbus"]],
        required_if=[["state", "introduced", ["frame", "port"]]],
        supports_check_mode=True,
    )
    try:
        result = domain.run(module.params, module.check_mode)
    except domain.FAILURES as error:
        module.fail_json(msg=str(error))
    diff = result.pop("diff")
    module.exit_json(**result, **({"diff": diff} if module._diff else {}))


if __name__ == "__main__":
    main()
