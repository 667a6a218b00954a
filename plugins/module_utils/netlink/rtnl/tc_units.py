# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units of traffic control: rates, sizes and times as people write them, times as the kernel counts them.

The kernel counts in ticks of 64 ns (PSCHED_SHIFT is 6 since Linux 2.6.31; /proc/net/psched says so too).
"""

from __future__ import annotations

import math
import re
import typing as t

TICK = 64e-9  # s
MOST = 0xFFFFFFFF

_BITS = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
RATES = {f"{prefix}bit": scale / 8 for prefix, scale in _BITS.items()}
RATES.update({f"{prefix}bps": scale for prefix, scale in _BITS.items()})
SIZES: dict[str, float] = {"": 1, "b": 1, "k": 2**10, "kb": 2**10, "m": 2**20, "mb": 2**20, "g": 2**30, "gb": 2**30}
SIZES.update({"kbit": 2**10 / 8, "mbit": 2**20 / 8, "gbit": 2**30 / 8})
TIMES = {"s": 1.0, "sec": 1.0, "ms": 1e-3, "msec": 1e-3, "us": 1e-6, "usec": 1e-6, "ns": 1e-9}

_NUMBER = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*")


def _scaled(value: t.Any, units: t.Mapping[str, float], bare: float, example: str) -> float:
    """`value` times its unit; a bare number is of the unit `bare`."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf:
        return value * bare
    match = _NUMBER.fullmatch(value) if isinstance(value, str) else None
    unit = match.group(2).lower() if match else None
    if match is None or (unit and unit not in units):
        raise ValueError(f"takes a number, or one with a unit like {example}, not {value!r}")
    return float(match.group(1)) * (units[unit] if unit else bare)


def rate(value: t.Any) -> int:
    """Bytes a second, of a number of them or of text like "10mbit" (bits) or "1mbps" (bytes)."""
    return round(_scaled(value, RATES, 1, "10mbit"))


def size(value: t.Any) -> int:
    """Bytes, of a number of them or of text like "32kb"."""
    return round(_scaled(value, SIZES, 1, "32kb"))


def seconds(value: t.Any) -> float:
    """Seconds, of a number of them or of text like "50ms"."""
    return _scaled(value, TIMES, 1, "50ms")


def microseconds(value: t.Any) -> float:
    """Microseconds, of a number of them or of text like "50ms"."""
    return _scaled(value, TIMES, 1e-6, "50ms") * 1e6


def ticks(duration: float) -> int:
    """Of `duration` seconds, at least one, so that something small does not become nothing."""
    counted = math.ceil(duration / TICK - 1e-6)  # the millionth is the error of the division
    if counted > MOST:
        raise ValueError(f"takes at most {MOST * TICK:.0f} s, not {duration} s")
    return counted


def ticks_of(amount: int, per_second: int) -> int:
    """How long `amount` bytes take at a rate."""
    return ticks(amount / per_second)


def bytes_in(counted: int, per_second: int) -> int:
    """How many bytes go at a rate in so many ticks."""
    return int(counted * TICK * per_second + 1e-6)
