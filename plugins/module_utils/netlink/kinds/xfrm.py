# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links that IPsec policies choose by their number: IFLA_XFRM_* (linux/if_link.h)."""

from __future__ import annotations

from ..attribute import scalar
from ..errors import NetlinkEncodeError
from .kind import LINK, Kind, Options
from .values import PRESENCE, Dict, Shaped, hexadecimal, whole


def _show(found: Dict) -> Dict:
    """An external link has neither number nor parent."""
    return {name: value for name, value in found.items() if value not in ("0", 0)}


TABLE = Shaped(((1, "link", LINK), (2, "if_id", hexadecimal(scalar("=I", 1))), (3, "external", PRESENCE)), show=_show)


def _check(options: Options) -> None:
    for name in ("if_id", "link"):
        if options.get("external") and options.get(name):
            raise NetlinkEncodeError(name, "contradicts external, where each packet's policy says it")


KINDS = {
    "xfrm": Kind(
        "xfrm",
        TABLE,
        "xfrm_interface",
        parent="optional",
        parent_option="link",
        required=("if_id",),
        fixed=frozenset(("link", "external")),
        check=_check,
        change=whole,
    )
}
