# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report of 10,000 areas with histograms by dm_stats_info's core and by dmstats: runs in the guest, prints JSON.

Peers take turns on the same counters. dmstats clears what it has reported, so it comes last, and all areas are written
to again before the next round.
"""

from __future__ import annotations

import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
import typing as t

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT))

import tests.conftest  # noqa: E402, F401  # pylint: disable=unused-import  # makes the collection importable

# isort: split
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.stats import report, task  # noqa: E402

DISK, AREA, AREAS, ROUNDS = "/dev/vdb", 20, 10000, 3
NAME = f"fleet-bench-{os.getpid()}"
ASKED = {"devices": [NAME], "program_id": None, "interval": None, "areas": True, "percentiles": None, "textfile": None}
WANTED = {
    **dict.fromkeys(("start", "length", "area_size", "user_data", "alias", "group")),
    "devices": [NAME],
    "all_devices": False,
    "files": [],
    "regions": [],
    "segments": False,
    "purge": True,
    "program_id": "dmstats",
    "state": "present",
    "areas": AREAS,
    "bounds": ["1ms", "5ms", "10ms", "50ms", "100ms", "500ms"],
}


def ours() -> t.Any:
    return report.run(ASKED)["devices"][0]["regions"][0]


def alone() -> None:
    """As a process of its own, with what Ansible does of it: the result as JSON."""
    subprocess.run([sys.executable, __file__, "alone", NAME], stdout=subprocess.DEVNULL, check=True)


def theirs() -> None:
    subprocess.run(["dmstats", "report", "--histogram", NAME], stdout=subprocess.DEVNULL, check=True)


def load() -> None:
    """A request to each area."""
    size = AREA * 512
    words = ["dd", "if=/dev/zero", f"of=/dev/mapper/{NAME}", f"bs={size}", f"count={AREAS}"]
    subprocess.run([*words, "oflag=direct", "conv=notrunc", "status=none"], check=True)
    subprocess.run(["udevadm", "settle"], check=True)
    busy = len(ours()["areas"])
    if busy != AREAS:
        raise SystemExit(f"{busy} of {AREAS} areas have counted something")


def seconds(call: t.Callable[[], t.Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def rounds(before: t.Callable[[], None]) -> dict[str, float]:
    taken: dict[str, list[float]] = {"ours": [], "process": [], "dmstats": []}
    for _unused in range(ROUNDS):
        before()
        for peer, call in (("ours", ours), ("process", alone), ("dmstats", theirs)):
            taken[peer].append(seconds(call))
    return {peer: statistics.median(times) for peer, times in taken.items()}


def main() -> None:
    table = f"0 {AREA * AREAS} linear {DISK} 0"
    subprocess.run(["dmsetup", "create", NAME, "--table", table], check=True)
    try:
        subprocess.run(["udevadm", "settle"], check=True)
        task.run({**WANTED, "precise": False}, False)
        result = {"busy": rounds(load), "idle": rounds(lambda: None)}
        task.run({**WANTED, "precise": True}, False)  # nanoseconds, which are others in each area
        result["precise"] = rounds(load)
    finally:
        subprocess.run(["dmsetup", "remove", "--retry", NAME], check=True)
    print(json.dumps(result))


if __name__ == "__main__":
    if sys.argv[1:2] == ["alone"]:
        print(json.dumps(report.run({**ASKED, "devices": [sys.argv[2]]})))
    else:
        main()
