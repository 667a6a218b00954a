# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an init file says of VMs that nothing on the host shows: their groups, for one, or who logs in.

It is kept in the lab's file alone, which is written when all else is done.
"""

from __future__ import annotations

import json
import typing as t

from ..plan import Change
from .converge import CHANGE, Action
from .initfile.model import Domain
from .lab import Lab

KIND = "vm"
FIELDS = (
    "groups", "metadata", "distro", "service_provider", "vm_type", "ssh_user", "ssh_password", "boot_time_sec",
    "guest_agent", "skip_export", "artifacts",
)  # fmt: skip
SECRET = ("ssh_password",)
WAVE = 10  # behind those of things (converge.py)


def changes(before: Lab | None, after: Lab) -> list[Change]:
    """Of VMs that stay; what is said of a new one comes with it."""
    found = []
    for name, domain in after.domains.items():
        was = before.domains.get(name) if before else None
        differ = [field for field in FIELDS if was and getattr(was, field) != getattr(domain, field)]
        if was and differ:
            lines = _line(was, differ), _line(domain, differ)
            how = f"change {', '.join(differ)}"
            do, undo = Action(CHANGE, KIND, name, {}, after), Action(CHANGE, KIND, name, {}, before)
            more = "" if lines[0] != lines[1] else "  changed"  # a secret is
            found.append(Change(f"{KIND} {name}", how, lines[0], lines[1] + more, do, undo, WAVE))
    return found


def _line(domain: Domain, fields: t.Iterable[str]) -> str:
    shown = [(field, getattr(domain, field)) for field in fields if field not in SECRET]
    return "  ".join([f"{KIND} {domain.name}", *(f"{field} {_words(value)}" for field, value in shown)])


def _words(value: t.Any) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "none"
    if isinstance(value, (bool, dict)):
        return json.dumps(value, sort_keys=True, default=str)
    return str(value or "none")
