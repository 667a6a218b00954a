# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The canonical line of a link: what --diff shows, the documentation quotes and tests compare.

br0  bridge  up  mtu 9000  addr 10.0.0.1/24
"""

from __future__ import annotations

import typing as t

from ..attribute import ip_bytes
from ..rtnl.address import FOREVER, SETTABLE


def line(name: str, netns: str | None, fields: t.Mapping[str, t.Any]) -> str:
    """`fields` in their order; those that are None (not known, not there) are left out."""
    parts = [name, *((f"netns {netns}",) if netns else ())]
    for field, value in fields.items():
        if field in ("kind", "admin"):
            parts += [value] if value else []
        elif isinstance(value, (list, tuple)):
            parts += [f"{field} {one}" for one in value]
        elif value is not None:
            parts.append(f"{field} {show(value)}")
    return "  ".join(parts)


def show(value: t.Any) -> str:
    """A value without blanks at its ends and without line breaks, whatever it holds."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, dict):
        return ",".join(f"{key}={show(one)}" for key, one in value.items())
    if isinstance(value, (list, tuple)):
        return ",".join(show(one) for one in value) or "none"
    text = str(value)
    return text if text and text.isprintable() and " " not in text else repr(text)


WORDS = {"address": "peer", "broadcast": "brd", "label": "label", "metric": "metric"}
FLAGS = frozenset(SETTABLE)


def address(found: t.Mapping[str, t.Any], names: t.Container[t.Any] = ()) -> str:
    """One address: `10.0.0.1/24 peer 10.0.0.2 metric 5`; scope, label and lifetimes only where they are unusual.

    `names` are the link's: they make no unusual label.
    """
    parts = [f"{found['local']}/{found['prefixlen']}"]
    if not WORDS.keys().isdisjoint(found):
        parts += [
            f"{word} {found[field]}"
            for field, word in WORDS.items()
            if found.get(field) and not (field == "label" and found[field] in names)
        ]
    scope = found.get("scope") or _usual_scope(found["local"])
    if scope not in ("global", "universe"):
        parts.append(f"scope {scope}")
    if not FLAGS.isdisjoint(found):
        parts += [flag for flag in SETTABLE if found.get(flag)]
    valid = found.get("valid_life_time", FOREVER)
    preferred = found.get("preferred_life_time", valid)
    if valid != FOREVER:
        parts.append(f"valid {valid}s")
    if preferred != valid:
        parts.append(f"preferred {preferred}s")
    return " ".join(parts)


def in_line(found: t.Iterable[t.Mapping[str, t.Any]], names: t.Container[t.Any] = ()) -> list[str]:
    """Addresses in the order of their bytes, IPv4 first, whatever order they were given in."""
    return [address(one, names) for one in sorted(found, key=_order)]


def _order(found: t.Mapping[str, t.Any]) -> tuple[t.Any, ...]:
    raw = ip_bytes(found["local"])
    return len(raw), raw, found["prefixlen"], found.get("address") or ""


def _usual_scope(local: str) -> str:
    """The scope that an address gets where none is asked for."""
    if local.startswith("127.") or local == "::1":
        return "host"
    return "link" if local.startswith(("fe8", "fe9", "fea", "feb")) else "global"
