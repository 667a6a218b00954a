# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and addresses that all sides use."""

from __future__ import annotations

FIRST = 10  # the index of the first link made; the others follow
ROUTED = FIRST  # routes lead over this bridge
GATEWAY = "192.0.2.2"


def bridge_name(number: int) -> str:
    return f"br{number}"


def bridge_address(number: int) -> str:
    return f"10.{number >> 8}.{number & 255}.1/24"


def destination(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}/32"
