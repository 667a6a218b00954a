# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Device-mapper devices read by dm_info's and dm_task's core, and by dmsetup: runs in the guest, prints JSON.

Peers take turns. Ours is timed in one process that has its code loaded, and once more as a process of its own, start of
Python and imports included; dmsetup's processes are what a playbook without the collection would start.
"""

from __future__ import annotations

import gc
import importlib
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
importlib.import_module("tests.conftest")  # makes the collection importable

from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.devices import info  # noqa: E402
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.devices.mapper import Mapper  # noqa: E402
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.devices.runner import bring_up  # noqa: E402
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.targets.equality import same_table  # noqa: E402

DISK = "/dev/vdb"
DEVICES, TARGETS, ROUNDS = 300, 4000, 7
PREFIX = f"fleet-bench-{os.getpid()}-"
ASKED = {
    "name": None,
    "name_prefix": "",
    "uuid_prefix": "",
    "gather": ["table", "status"],
    "target_types": [],
    "events": None,
    "mangling": "auto",
    "timeout": 30.0,
}

Call = t.Callable[[], t.Any]


def all_devices() -> int:
    return len(info.run(ASKED, lambda _key: None)["devices"])


def all_by_dmsetup() -> None:
    for words in (["info", "-c"], ["table"], ["status"]):
        subprocess.run(["dmsetup", *words], stdout=subprocess.DEVNULL, check=True)


def alone() -> None:
    """As a process of its own."""
    subprocess.run([sys.executable, __file__, "alone"], stdout=subprocess.DEVNULL, check=True)


def compared(name: str, wanted: list[t.Any]) -> bool:
    with Mapper() as mapper:
        _answer, live = mapper.table(name)
        return same_table(wanted, live)


def read_by_dmsetup(name: str) -> None:
    subprocess.run(["dmsetup", "table", name], stdout=subprocess.DEVNULL, check=True)


def timed(call: Call) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def by_turns(**peers: Call) -> dict[str, float]:
    """The median of each, in seconds; the first round does not count."""
    rounds = [{name: timed(call) for name, call in peers.items()} for _unused in range(ROUNDS + 1)][1:]
    return {name: statistics.median(one[name] for one in rounds) for name in peers}


def main() -> None:
    gc.disable()  # as quick_import does in each module
    big = f"{PREFIX}big"
    wanted = [(n * 8, 8, "linear", f"{DISK} {n * 8}") for n in range(TARGETS)]
    names = [f"{PREFIX}{number}" for number in range(DEVICES)]
    try:
        with Mapper(timeout=120) as mapper:
            for number, name in enumerate(names):
                bring_up(mapper, name, f"uuid-{name}", [(0, 8, "linear", f"{DISK} {number * 8}")], False)
        found = {"devices": by_turns(ours=all_devices, dmsetup=all_by_dmsetup, process=alone)}
        with Mapper(timeout=120) as mapper:
            bring_up(mapper, big, "", wanted, False)
        if not compared(big, wanted):
            raise SystemExit("the table that was just made is not the same")
        found["table"] = by_turns(ours=lambda: compared(big, wanted), dmsetup=lambda: read_by_dmsetup(big))
    finally:
        with Mapper(timeout=120) as mapper:
            for one in mapper.devices():
                if one.name.startswith(PREFIX):
                    mapper.remove(one.name, retry=10)
    print(json.dumps(found))


if __name__ == "__main__":
    if sys.argv[1:] == ["alone"]:
        print(json.dumps(info.run(ASKED, lambda _key: None)))
    else:
        main()
