# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module's result says of its parameters: nothing but with C(-vvv), which is where Ansible shows it.

Left to Ansible every result has every option of every item of a list, given or not: of a thousand bridges 400 of the
717 KB that come back. What was given is 154 KB, and goes through each step of Ansible's on its way.
"""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

SHOWN = 3  # the verbosity from which on callbacks show it


def invocation(module: AnsibleModule) -> dict[str, t.Any]:
    """For the key C(invocation) of a result: the options that were given, or have a default, where they are shown."""
    return {"module_args": _given(module.params)} if module._verbosity >= SHOWN else {}


def _given(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        return {name: _given(one) for name, one in value.items() if one is not None}
    if isinstance(value, list):
        return [_given(one) for one in value]
    return value
