# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One measured run: enters a namespace, prepares, does the work under the clock, prints JSON.

    python side.py SMALL NETNS MODULE FUNCTION [ARGUMENT ...]

FUNCTION prepares and returns the work, a function without arguments; what that returns is the
result (mostly a number of things found or made), which has to be the same for all peers. Before
that the work is done once in the namespace SMALL, which has little of the same in it: code is
loaded then, and short work is done again and again under the clock. "-" is no namespace.

Each run is a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import sys
import time

CLONE_NEWNET = 0x40000000
LONG_ENOUGH = 0.2  # seconds; what is shorter is done again, and the median counts


def enter(netns: str) -> None:
    with open(f"/run/netns/{netns}") as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"entering {netns}")


def timed(work):
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def main(small: str, netns: str, module: str, function: str, *arguments: str) -> None:
    os.environ["BENCH_NETNS"] = netns
    values = [int(word) if word.isdigit() else word for word in arguments]
    work = getattr(importlib.import_module(module), function)(*values)
    if small != "-":
        enter(small)
        work()
    if netns != "-":
        enter(netns)
    found = [timed(work)]
    while small != "-" and sum(seconds for seconds, _unused in found) < LONG_ENOUGH:
        found.append(timed(work))
    found.sort()
    seconds, result = found[len(found) // 2]
    print(json.dumps({"seconds": seconds, "result": result}))


if __name__ == "__main__":
    main(*sys.argv[1:])
