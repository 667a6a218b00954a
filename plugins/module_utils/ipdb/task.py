# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An `ipdb_txn` task from its parameters to its result.

Most tasks find everything as it should be: what carries out, confirms or takes back is only loaded where that is due.
"""

from __future__ import annotations

import errno
import os
import typing as t

from ..netlink.channel import NetlinkSocket
from ..netlink.errors import NoSuchNamespace
from .collecting import uncollected
from .committing import committed
from .failures import Impossible, NotRolledBack, Refused, TransactionFailed
from .lock import BASE
from .planning import LISTS, Params, Result, Task

FAILURES = (Refused, Impossible, TransactionFailed, NotRolledBack, LookupError, OSError, ValueError)

LONGEST = 86400  # seconds; nobody waits a day to see whether a change was right
# By option: the states that it says something to.
SAYS_TO = {
    **dict.fromkeys([*LISTS, "protect"], ("committed", "begun")),
    **dict.fromkeys(["plan_sha", "confirm_timeout", "confirm_host"], ("committed",)),
    "transaction": ("committed", "begun", "confirmed", "dropped", "rolled_back"),
    "proof": ("confirmed",),
}


def _decided(task: Task) -> Result:
    from .deciding import STATES as others

    return others[task.params["state"]](task)


STATES: dict[str, t.Callable[[Task], Result]] = {
    "committed": committed,
    **dict.fromkeys(("begun", "confirmed", "dropped", "rolled_back", "recovered"), _decided),
}


@uncollected
def run(params: Params, check: bool) -> Result:
    """The result of the task, with its `diff`. Raises FAILURES."""
    _check_sense(params)
    check = check or params["mode"] == "snapshot"
    try:
        with NetlinkSocket(netns=params.get("netns")) as channel:
            return STATES[params["state"]](Task(params, check, channel))
    except (PermissionError, NoSuchNamespace) as error:
        if not os.geteuid() or error.errno not in (errno.EPERM, errno.EACCES):
            raise
        what = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
        raise Refused(f"root is needed (CAP_NET_ADMIN, and {BASE} for transactions): {what}") from None


def _check_sense(params: Params) -> None:
    """Options that would be ignored, and times. Raises Refused."""
    state, timeout = params["state"], params.get("confirm_timeout")
    for option, states in SAYS_TO.items():
        if state not in states and params.get(option):
            raise Refused(f"{option}: says nothing to state {state}, only to {', '.join(states)}")
    for option in ("confirm_host", "confirm"):
        if timeout is None and params.get(option) not in (None, "", "reconnected"):
            raise Refused(f"{option}: nothing is to be confirmed without confirm_timeout")
    if params["verify_timeout"] < 0:
        raise Refused(f"verify_timeout: takes 0 and more seconds, not {params['verify_timeout']}")
    if timeout is not None and not 1 <= timeout <= LONGEST:
        raise Refused(f"confirm_timeout: takes 1 to {LONGEST} seconds, not {timeout}")
    if timeout is not None and params["mode"] == "direct":
        raise Refused("confirm_timeout: mode direct keeps no way back that could be taken")
