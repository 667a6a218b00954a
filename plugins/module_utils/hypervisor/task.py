# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks of the modules: from parameters to a result, within a time."""

from __future__ import annotations

import typing as t

from .connection import SYSTEM, Connection
from .deadline import within
from .errors import KvmError

Result = t.TypeVar("Result")

CONNECTION = {
    "uri": {"type": "str", "default": SYSTEM},
    "timeout": {"type": "float", "default": 30.0},
}
READONLY = {"readonly": {"type": "bool", "default": True}}


def connected(params: t.Mapping[str, t.Any], work: t.Callable[[Connection], Result]) -> Result:
    """What `work` returns of a connection that is closed in the end. Raises KvmError, TimedOut among them."""
    if params["timeout"] <= 0:
        raise KvmError(f"timeout: {params['timeout']} is no time")
    doing = [f"opening {params['uri']}"]
    held: list[Connection] = []

    def run() -> Result:
        with Connection(params["uri"], params.get("readonly", False)) as connection:
            held.append(connection)
            return work(connection)

    return within(params["timeout"], run, lambda: held[0].doing if held else doing[0])
