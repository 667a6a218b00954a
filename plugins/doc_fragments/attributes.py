# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all modules of the collection say about check mode, diff mode and platforms."""

from __future__ import annotations


class ModuleDocFragment:
    # A module that changes hosts.
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
    support: full
  diff_mode:
    description: Returns details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: full
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second run changes nothing.
    support: full
  platform:
    description: Systems that the module runs on.
    support: full
    platforms: Linux
  action_group:
    description: Use C(group/fleet.hypervisor.all) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - fleet.hypervisor.all
"""

    # A module that only reads.
    INFO_MODULE = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
    support: full
    details:
      - This module never changes anything.
  diff_mode:
    description: Returns details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: N/A
    details:
      - This module never changes anything.
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second run changes nothing.
    support: full
    details:
      - This module never changes anything.
  platform:
    description: Systems that the module runs on.
    support: full
    platforms: Linux
  action_group:
    description: Use C(group/fleet.hypervisor.all) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - fleet.hypervisor.all
"""

    # A module that only reads, and returns facts.
    FACTS_MODULE = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
    support: full
    details:
      - This module never changes anything.
  diff_mode:
    description: Returns details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: N/A
    details:
      - This module never changes anything.
  facts:
    description: Action returns an C(ansible_facts) dictionary that will update existing host facts.
    support: full
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second run changes nothing.
    support: full
    details:
      - This module never changes anything.
  platform:
    description: Systems that the module runs on.
    support: full
    platforms: Linux
  action_group:
    description: Use C(group/fleet.hypervisor.all) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - fleet.hypervisor.all
"""
