# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module that opens a connection to libvirt and does nothing: what no task about guests can cost less than."""

from __future__ import annotations

import libvirt
from ansible.module_utils.basic import AnsibleModule

if __name__ == "__main__":
    module = AnsibleModule({"uri": {"type": "str", "required": True}}, supports_check_mode=True)
    libvirt.open(module.params["uri"])
    module.exit_json(changed=False)
