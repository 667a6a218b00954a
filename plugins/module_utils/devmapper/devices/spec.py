# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of `dm_task`, once: the module takes those of one device or a list of devices."""

from __future__ import annotations

import typing as t

STATES = ["present", "absent", "suspended", "resumed", "renamed", "cleared"]

GEOMETRY: dict[str, t.Any] = {
    "cylinders": {"type": "int", "required": True},
    "heads": {"type": "int", "required": True},
    "sectors": {"type": "int", "required": True},
    "start": {"type": "int", "default": 0},
}

MESSAGE: dict[str, t.Any] = {
    "text": {"type": "str", "required": True},
    "sector": {"type": "int", "default": 0},
}

DEVICE: dict[str, t.Any] = {
    "name": {"type": "str"},
    "uuid": {"type": "str"},
    "state": {"type": "str", "choices": STATES, "default": "present"},
    "table": {"type": "list", "elements": "raw", "no_log": True},
    "readonly": {"type": "bool"},
    "geometry": {"type": "dict", "options": GEOMETRY},
    "owner": {"type": "str"},
    "group": {"type": "str"},
    "mode": {"type": "str"},
    "read_ahead": {"type": "int"},
    "new_name": {"type": "str"},
    "new_uuid": {"type": "str"},
    "deferred": {"type": "bool", "default": False},
    "retry": {"type": "float", "default": 5.0},
    "noflush": {"type": "bool", "default": False},
    "skip_lockfs": {"type": "bool", "default": False},
    "target_message": {"type": "dict", "options": MESSAGE, "no_log": True},
}

COMMON: dict[str, t.Any] = {
    "mangling": {"type": "str", "choices": ["auto", "hex", "none"], "default": "auto"},
    "timeout": {"type": "float", "default": 30.0},
}
