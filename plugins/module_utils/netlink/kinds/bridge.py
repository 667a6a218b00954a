# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bridges: IFLA_BR_* (linux/if_link.h)."""

from __future__ import annotations

from ..attribute import BOOL, MAC, U8, U16, U32, U64, Table
from .registry import Kind

TABLE = Table(
    (1, "forward_delay", U32),
    (2, "hello_time", U32),
    (3, "max_age", U32),
    (4, "ageing_time", U32),
)
KINDS = {"bridge": Kind("bridge", TABLE, "bridge")}
