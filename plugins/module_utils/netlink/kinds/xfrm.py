# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links that IPsec policies choose by their number: IFLA_XFRM_* (linux/if_link.h)."""

from __future__ import annotations

from ..attribute import scalar
from .registry import LINK, Kind
from .values import PRESENCE, Shaped, hexadecimal, whole

TABLE = Shaped(
    (
        (1, "link", LINK),
        (2, "if_id", hexadecimal(scalar("=I", 1))),
        (3, "external", PRESENCE),
    )
)
KINDS = {
    "xfrm": Kind(
        "xfrm",
        TABLE,
        "xfrm_interface",
        parent="optional",
        parent_option="link",
        required=("if_id",),
        fixed=frozenset(("link", "external")),
        change=whole,
    )
}
