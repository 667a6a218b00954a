# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Statistics of guests: libvirt's flat names (src/libvirt-domain.c, virConnectGetAllDomainStats) as a tree with units.

{"vcpu.current": 2, "vcpu.0.time": 7}   ->   {"vcpu": {"current": 2, "each": [{"time_ns": 7}]}}
"""

from __future__ import annotations

import typing as t

STATES = ("none", "running", "blocked", "paused", "shutdown", "shutoff", "crashed", "pmsuspended")
VCPU_STATES = ("offline", "running", "blocked")

# group -> name in libvirt -> unit. A name without one is a count, or has its unit in it (`bytes`).
UNITS = {
    "cpu": dict.fromkeys(("time", "user", "system", "haltpoll.success.time", "haltpoll.fail.time"), "ns"),
    "balloon": {
        **dict.fromkeys(
            ("current", "maximum", "swap_in", "swap_out", "unused", "available", "usable", "rss", "disk_caches"), "kib"
        ),
        "last-update": "s",
    },
    "vcpu": dict.fromkeys(("time", "wait", "delay"), "ns"),
    "block": {
        **dict.fromkeys(("rd.times", "wr.times", "fl.times"), "ns"),
        **dict.fromkeys(("allocation", "capacity", "physical", "threshold"), "bytes"),
    },
    "iothread": {"poll-max-ns": "", "poll-grow": "", "poll-shrink": ""},
    "dirtyrate": {
        "calc_start_time": "s",
        "calc_period": "s",
        "megabytes_per_second": "",
    },
}


def tree(flat: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """By group; numbered parts are the list `each`, in the order of their numbers, with `index` if some are missing."""
    found: dict[str, t.Any] = {}
    for name, value in flat.items():
        group, _unused, rest = name.partition(".")
        into = found.setdefault(group, {})
        number, _unused, below = rest.partition(".")
        if number.isdigit() and below:
            into = into.setdefault("each", {}).setdefault(int(number), {})
            rest = below
        into[_named(group, rest)] = value
    for group in found.values():
        if "each" in group:
            group["each"] = _listed(group["each"])
    return _described(found)


def _named(group: str, name: str) -> str:
    unit = UNITS.get(group, {}).get(name, "")
    return name.replace(".", "_").replace("-", "_") + (f"_{unit}" if unit else "")


def _listed(numbered: dict[int, dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    gaps = sorted(numbered) != list(range(len(numbered)))
    return [{**({"index": number} if gaps else {}), **numbered[number]} for number in sorted(numbered)]


def _described(found: dict[str, t.Any]) -> dict[str, t.Any]:
    for vcpu in found.get("vcpu", {}).get("each", []):
        if isinstance(vcpu.get("state"), int):
            vcpu["state"] = word(VCPU_STATES, vcpu["state"])
    return found


def word(names: t.Sequence[str], number: int) -> str:
    return names[number] if 0 <= number < len(names) else str(number)
