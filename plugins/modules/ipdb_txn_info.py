#!/usr/bin/python
# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ipdb_txn_info
short_description: Transactions of a host's network that are begun or wait to be confirmed
version_added: 0.1.0
author:
  - the fleet.hypervisor authors (@fleet-hypervisor)
description:
  - Lists what M(fleet.hypervisor.ipdb_txn) has begun, applied or left behind on a host and is not over yet, with the
    review of each.
notes:
  - Needs root, for the journals of transactions are for root alone.
seealso:
  - module: fleet.hypervisor.ipdb_txn
extends_documentation_fragment:
  - fleet.hypervisor.attributes.info_module
options:
  transaction:
    description: UUID of the one transaction to look at. It is an error if there is none of it.
    type: str
  netns:
    description: Network namespace, a name (as of C(ip netns)) or an absolute path.
    type: str
"""

EXAMPLES = r"""
- name: Is anything left behind, or not confirmed yet
  fleet.hypervisor.ipdb_txn_info:
  register: pending

- name: Take back what waits to be confirmed
  fleet.hypervisor.ipdb_txn:
    state: rolled_back
    transaction: "{{ item.transaction }}"
  loop: "{{ pending.transactions | selectattr('status', 'eq', 'pending') }}"
"""

RETURN = r"""
transactions:
  description: The transactions, those that were begun first in front.
  returned: success
  type: list
  elements: dict
  contains:
    transaction:
      description: UUID of the transaction.
      type: str
    status:
      description:
        - V(begun) is not committed yet, V(pending) waits to be confirmed, V(applying) is being applied,
          V(interrupted) was left behind by a task that was killed, V(failed) was undone, V(stuck) failed and could not
          be undone, V(rolled_back) was taken back, V(confirmed) and V(finished) are being cleared away.
      type: str
    begun_at:
      description: When it was begun, in seconds since 1970.
      type: float
    review:
      description: What was or would be done, as RV(fleet.hypervisor.ipdb_txn#module:review).
      type: list
      elements: str
    diff:
      description: Before and after, a line an object.
      type: dict
    plan_sha:
      description: SHA-256 of the plan.
      type: str
    seconds_left:
      description: Seconds until it rolls back by itself; V(null) where it does not.
      type: float
    guard:
      description:
        - What keeps the process that would roll it back, V(systemd) or V(session); V(null) if there is none.
      type: str
    error:
      description: Why it failed or was rolled back; V(null) where it was not.
      type: str
  sample:
    - transaction: 7a637a44-8935-4395-b5e7-0ce40d31d937
      status: pending
      begun_at: 1795240800.5
      review: ["br0: create bridge"]
      diff: {before: "", after: "br0  bridge  down  mtu 1500\n"}
      plan_sha: 0f5d2c4a7bb3a1f3a7a3e1c7c0b6f9f0a5a0e8a9ab0d7f2f2c1d1b2a3c4d5e6f
      seconds_left: 41.2
      guard: systemd
      error: null
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import quick_import  # noqa: F401  # pylint: disable=unused-import
from ..module_utils.ipdb import pending
from ..module_utils.netlink.legible import legible, visible


def main() -> None:
    module = AnsibleModule(
        argument_spec={"transaction": {"type": "str"}, "netns": {"type": "str"}}, supports_check_mode=True
    )
    try:
        found = pending.transactions(module.params["transaction"], module.params["netns"])
    except pending.FAILURES as error:
        module.fail_json(msg=visible(str(error)))
    module.exit_json(changed=False, transactions=[legible(one) for one in found])


if __name__ == "__main__":
    main()
