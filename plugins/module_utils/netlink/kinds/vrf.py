# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VRFs and their ports: IFLA_VRF_*, IFLA_VRF_PORT_* (linux/if_link.h)."""

from __future__ import annotations

from ..attribute import U32, Table, scalar
from .kind import Kind

TABLE = Table((1, "table", scalar("=I", 1)))
KINDS = {
    "vrf": Kind("vrf", TABLE, "vrf", required=("table",), fixed=frozenset(("table",))),
    "vrf port": Kind("vrf port", Table((1, "table", U32)), "vrf", read_only=frozenset(("table",))),
}
