# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Identities for new guests."""

from __future__ import annotations

import secrets
import uuid

QEMU_PREFIX = "52:54:00"  # locally administered: the second bit of the first octet is set


def gen_uuid() -> str:
    """A random UUID (RFC 4122, version 4)."""
    return str(uuid.uuid4())


def gen_mac() -> str:
    """A random MAC address of QEMU's own."""
    return ":".join([QEMU_PREFIX, *(f"{octet:02x}" for octet in secrets.token_bytes(3))])
