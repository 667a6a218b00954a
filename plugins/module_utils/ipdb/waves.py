# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of steps, beside that of the links of `netlink_link` (links/waves.py), whose numbers it takes up."""

from __future__ import annotations

from ..netlink.links.waves import (
    ADD_ADDRESS,
    BUILD,
    DROP_ADDRESS,
    GO_DOWN,
    GO_UP,
    JOIN_MASTER,
    LOWER_MTU,
    PORT,
    RENAME,
    STAY_DOWN,
)
from ..netlink.links.waves import REMOVE_TO_RECREATE as REMOVE_FIRST

__all__ = [
    "ADD_ADDRESS", "BUILD", "DROP_ADDRESS", "GO_DOWN", "GO_UP", "JOIN_MASTER", "LOWER_MTU", "PORT", "REMOVE_FIRST",
    "RENAME", "STAY_DOWN",
]  # fmt: skip

FREE_NAMES = RENAME - 1  # alternative names that go, and names that are to be swapped
LEAVE_MASTER = RENAME + 10
VLANS = PORT + 1  # of bridges and ports
ENTRIES = 95  # of forwarding, and neighbours: links that go up or take another address forget some
ROUTE_DIRECT, ROUTE_VIA = 100, 101  # what has a gateway needs the routes that lead to it
ADD_RULE, DROP_RULE = 105, 106
DROP_VIA, DROP_DIRECT = 110, 111
REMOVE_LAST = 120
