# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting until paths hold what is hoped for, woken by watches."""

from __future__ import annotations

import errno
import re
import time
import typing as t

from .errors import PyXSError, Timeout
from .monitor import Monitor
from .paths import AnyPath, check_node

if t.TYPE_CHECKING:
    from .client import Client

Value = t.Optional[bytes]  # None: there is no such node
Condition = t.Callable[[Value], bool]


def present(value: Value) -> bool:
    return value is not None


def absent(value: Value) -> bool:
    return value is None


def equals(*wanted: bytes) -> Condition:
    return lambda value: value in wanted


def matches(pattern: str) -> Condition:
    """A regular expression found anywhere in the value, taken as UTF-8. Raises re.error."""
    compiled = re.compile(pattern)
    return lambda value: value is not None and bool(compiled.search(value.decode("utf-8", "replace")))


class NotYet(Timeout):
    """The deadline came first. `values`: those of the last look, `missing`: paths whose condition does not hold."""

    def __init__(self, sentence: str, values: dict[bytes, Value], missing: list[bytes]) -> None:
        super().__init__(sentence)
        self.values, self.missing = values, missing


def wait_for(
    client: Client, conditions: t.Mapping[AnyPath, Condition], timeout: float | None = None, any_of: bool = False
) -> dict[bytes, Value]:
    """The values of the paths once all conditions hold at the same time, or with `any_of` one of them.

    Each path is watched and read again when its watch fires, so lost time is never more than one answer of the daemon,
    and an event too many or too early does no harm. `timeout`: seconds, by default the client's.
    Raises NotYet, PyXSError.
    """
    seconds = client.timeout if timeout is None else timeout
    deadline = time.monotonic() + seconds
    checked = {check_node(path): condition for path, condition in conditions.items()}
    values: dict[bytes, Value] = {}
    with Monitor(client) as monitor:
        tokens = {b"wait-%d" % number: path for number, path in enumerate(checked)}
        for token, path in tokens.items():
            monitor.watch(path, token)
            values[path] = _read(client, path)
        while True:
            missing = [path for path, condition in checked.items() if not condition(values[path])]
            if not missing or (any_of and len(missing) < len(checked)):
                return values
            for path in _changed(monitor, tokens, deadline, seconds, values, missing):
                values[path] = _read(client, path)


def _changed(
    monitor: Monitor,
    tokens: dict[bytes, bytes],
    deadline: float,
    seconds: float,
    values: dict[bytes, Value],
    missing: list[bytes],
) -> set[bytes]:
    """The paths whose watches fired since. Raises NotYet."""
    if not monitor.events:
        try:
            monitor.client.router.wait_for_events(deadline)
        except Timeout:
            state = ", ".join(f"{path.decode()} is {_state(values[path])}" for path in missing)
            raise NotYet(f"waited {seconds:.3g} s in vain: {state}", values, missing) from None
    fired = {tokens[token] for _unused, token in monitor.events if token in tokens}
    monitor.events.clear()
    return fired


def _state(value: Value) -> str:
    """Without the value, which may be secret."""
    return "absent" if value is None else f"there, with a value of {len(value)} bytes"


def _read(client: Client, path: bytes) -> Value:
    try:
        return client.read(path)
    except PyXSError as error:
        if error.errno != errno.ENOENT:
            raise
        return None
