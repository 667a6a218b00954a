# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to go when a lab is to be absent; nothing is changed."""

from __future__ import annotations

import os
import typing as t

from ..plan import Change, Plan
from .converge import REMOVE, Action
from .planning import refuse
from .standing import to_remove
from .wanted import line

if t.TYPE_CHECKING:
    from .prefix import Prefix


def plan_absent(prefix: Prefix) -> Plan:
    """Of all that is there: it goes."""
    if not os.path.isdir(prefix.paths.prefix()) or not os.path.exists(prefix.paths.journal()):
        return Plan([], refuse)
    found = [
        Change(
            f"{thing.kind} {thing.name}",
            REMOVE,
            line((thing.kind, thing.name), thing.detail),
            "",
            Action(REMOVE, thing.kind, thing.name, thing.detail, None),
        )
        for thing in to_remove(prefix.standing())
    ]
    folder = prefix.paths.prefix()
    return Plan([*found, Change(f"folder {folder}", REMOVE, f"folder {folder}", "", None)], refuse)
