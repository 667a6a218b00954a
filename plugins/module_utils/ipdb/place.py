# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where in the task that stands which the kernel does not take: `interfaces[17].options.id`, `routes[3].gateway`.

The offset in the kernel's extended acknowledgement leads to an attribute of the request, and that to the option. Of
routes and rules the kernel mostly gives no offset, but words in which the name of the option is: those count too.
"""

from __future__ import annotations

import re

from ..netlink.errors import ExtAck, NetlinkError
from .step import Step

# By table: the option of the task by the path of the kernel's attribute, as far as that is not its first name.
OPTIONS = {
    "links": {"ifname": "name", "ifalias": "alias", "txqlen": "txqueuelen", "linkinfo": ""},
    "routes": {"oif": "dev", "metrics": "", "metrics.mtu": "mtu", "metrics.advmss": "advmss"},
    "rules": {},
    "neighbours": {"ifindex": "dev"},
}
PARTS = {"linkinfo.info_data": "options", "linkinfo.info_slave_data": "port_options"}
WORDS = {"routes": ("gateway", "prefsrc"), "rules": ("sport", "dport", "iif", "oif")}


def place_of(step: Step, error: Exception) -> str:
    """The place with a colon, as a sentence begins; only the item where nobody knows more, "" where there is none."""
    if not step.where:
        return ""
    option = _option(step, error.ack) if isinstance(error, NetlinkError) and step.table in OPTIONS else ""
    return f"{step.where}.{option}: " if option else f"{step.where}: "


def _option(step: Step, ack: ExtAck) -> str:
    path = ack.attribute or ack.missing
    for prefix, part in PARTS.items():
        if path.startswith(f"{prefix}."):
            return f"{part}.{path[len(prefix) + 1 :]}"
    named = OPTIONS[step.table]
    first = path.split(".")[0]
    return named.get(path, named.get(first, first)) if path else _said(step, ack.message)


def _said(step: Step, message: str) -> str:
    """The one option, of those that the object has, that the kernel's words name."""
    words = set(re.findall(r"[a-z]+", message.lower()))
    one = step.lines.after.table(step.table).get(step.key, {})
    found = [name for name in WORDS.get(step.table, ()) if name in words and (name in one or f"{name}_start" in one)]
    return found[0] if len(found) == 1 else ""
