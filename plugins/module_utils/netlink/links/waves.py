# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of changes. Changes of one wave are sent together; a later wave may build on an earlier one.

Within a wave number, `depth` counts the links that a link stands on: a VLAN on a bond has 1, the bond 0.
"""

from __future__ import annotations

REMOVE_TO_RECREATE = 10  # before anything takes the name; what stands on top goes first
LOST_TO_RECREATE = 11  # what goes along with those
STEP_ASIDE = 20  # names that are to be swapped
RENAME = 21
RENAME_LATER = 22  # to names that others just gave up
MOVE = 30
LOST_TO_MOVE = 31
LOWER_MTU = 40  # what stands on top first
BUILD = 50  # creations, and changes in place; what stands on top last
LEAVE_MASTER = 60
JOIN_MASTER = 61
PORT = 62  # settings that only a port has, MTUs of masters that follow their ports
GO_DOWN = 65  # before the addresses: down takes those of IPv6 along
DROP_ADDRESS = 70
ADD_ADDRESS = 71
KEYS = 75  # of WireGuard: before it goes up, so that no packet leaves unencrypted by them
GO_UP = 81
STAY_DOWN = 85  # VLANs, which go up with the link below them
REMOVE = 90
LOST = 91  # what goes along
