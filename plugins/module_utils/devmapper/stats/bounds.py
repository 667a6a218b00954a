# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bounds of a latency histogram: ascending times, nanoseconds everywhere but in what people write and read."""

from __future__ import annotations

import re
import typing as t

from ..errors import DmValueError

Bounds = t.Tuple[int, ...]  # nanoseconds

UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9}
MILLISECOND = UNITS["ms"]
WRITTEN = re.compile(r"\s*([0-9]+)\s*(ns|us|ms|s)?\s*", re.ASCII)
LARGEST = (1 << 64) - 1


def parse(written: t.Union[str, t.Iterable[t.Union[str, int]]]) -> Bounds:
    """Bounds as `10ms,20ms` or a list of such; without a unit milliseconds are meant. Raises DmValueError."""
    words = written.split(",") if isinstance(written, str) else [str(word) for word in written]
    return checked(_one(word) for word in words)


def checked(bounds: t.Iterable[int]) -> Bounds:
    """The bounds, if they are above 0 and each above the one before. Raises DmValueError."""
    found = tuple(bounds)
    if any(low >= high for low, high in zip((0,) + found, found)):
        raise DmValueError(f"histogram bounds must ascend from above 0: {', '.join(map(render, found))}")
    if found and found[-1] > LARGEST:
        raise DmValueError(f"the histogram bound {render(found[-1])} is too large for the kernel")
    return found


def _one(word: str) -> int:
    found = WRITTEN.fullmatch(word)
    if not found:
        raise DmValueError(f"{word!r} is no histogram bound: a number, and one of {', '.join(UNITS)}")
    return int(found.group(1)) * UNITS[found.group(2) or "ms"]


def need_precise(bounds: Bounds) -> bool:
    """Whether some bound is no whole millisecond, which is what the kernel counts by itself."""
    return any(bound % MILLISECOND for bound in bounds)


def unit(precise: bool) -> int:
    """Nanoseconds in the unit in which the kernel counts the times of a region."""
    return 1 if precise else MILLISECOND


def render(nanoseconds: int) -> str:
    """`1500us`: in the largest unit that takes no fraction."""
    for name in ("s", "ms", "us"):
        if nanoseconds and nanoseconds % UNITS[name] == 0:
            return f"{nanoseconds // UNITS[name]}{name}"
    return f"{nanoseconds}ns"


def render_all(bounds: Bounds) -> str:
    return ",".join(render(bound) for bound in bounds)
