# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `xenstore_wait` waits for."""

from __future__ import annotations

import re
import time
import typing as t

from .. import waiting
from ..client import Client
from ..errors import PyXSError, Timeout
from ..monitor import Monitor
from . import notation
from .notation import WrongNode, value_of
from .place import DOMAINS, NoSuchDomain, connect, resolve

FAILURES = (WrongNode, NoSuchDomain, PyXSError)

CONDITION: dict[str, t.Any] = {
    "path": {"type": "str"},
    "domid": {"type": "int"},
    "guest": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "value": {"type": "str"},
    "regex": {"type": "str"},
}


def run(params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """`values` and `elapsed`, seconds. Raises FAILURES."""
    began = time.monotonic()
    deadline = began + params["timeout"]
    items = _in_each_guest(params["conditions"], params["guests"])
    with connect(params) as client:
        conditions: dict[t.Union[bytes, str], waiting.Condition] = {}
        for where, item in items:
            path = _place(client, item, where, deadline)
            if path in conditions:
                raise WrongNode(f"{where}: {path.decode()} is waited for before")
            conditions[path] = _condition(item, where)
        left = max(0.0, deadline - time.monotonic())
        values = waiting.wait_for(client, conditions, left, params["any_of"])
    return {"values": [_shown(path, value) for path, value in values.items()], "elapsed": time.monotonic() - began}


def _in_each_guest(
    conditions: t.Sequence[t.Mapping[str, t.Any]], guests: t.Sequence[str]
) -> list[tuple[str, t.Mapping[str, t.Any]]]:
    """The conditions with their places in the task; those that name no guest of their own once for each of `guests`."""
    found: list[tuple[str, t.Mapping[str, t.Any]]] = []
    for number, item in enumerate(conditions):
        where = f"conditions[{number}]"
        common = guests and item["domid"] is None and item["guest"] is None and not item["path"].startswith("/")
        found += [(where, {**item, "guest": guest}) for guest in guests] if common else [(where, item)]
    return found


def _condition(item: t.Mapping[str, t.Any], where: str) -> waiting.Condition:
    if item["state"] == "absent":
        if item.get("value") is not None or item.get("regex") is not None:
            raise WrongNode(f"{where}: what is absent has no value")
        return waiting.absent
    if item.get("value") is not None:
        return waiting.equals(t.cast(bytes, notation.text(item["value"], f"{where}.value")))
    if item.get("regex") is None:
        return waiting.present
    try:
        return waiting.matches(item["regex"])
    except re.error as error:
        raise WrongNode(f"{where}.regex: {error}") from None


def _place(client: Client, item: t.Mapping[str, t.Any], where: str, deadline: float) -> bytes:
    """The path that is meant, once its guest is there."""
    with Monitor(client) as monitor:
        monitor.watch(DOMAINS, b"domains")
        while True:
            monitor.events.clear()
            try:
                return resolve(client, item, where)
            except NoSuchDomain as error:
                try:
                    client.router.wait_for_events(deadline)
                except Timeout:
                    raise NoSuchDomain(f"waited in vain for a guest: {error}") from None


def _shown(path: bytes, value: bytes | None) -> dict[str, t.Any]:
    written = {} if value is None else value_of(value)
    base64 = {"value_base64": written[notation.BASE64]} if notation.BASE64 in written else {}
    return {"path": path.decode(), "exists": value is not None, "value": written.get(notation.VALUE), **base64}
