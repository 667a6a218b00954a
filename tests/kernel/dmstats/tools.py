# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks of dm_stats and dm_stats_info without Ansible, and the tools that know nothing of this collection."""

from __future__ import annotations

import os
import shlex
import subprocess
import typing as t

from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.stats import report, task

DISK = "/dev/vdb"
MIB = 2048  # sectors

TASK = {
    "devices": [],
    "all_devices": False,
    "files": [],
    "program_id": "fleet",
    "state": "present",
    "segments": False,
    "regions": [],
    "purge": False,
    **dict.fromkeys(("start", "length", "areas", "area_size", "precise", "bounds", "user_data", "alias", "group")),
}
INFO = {"devices": [], "program_id": None, "interval": None, "areas": False, "percentiles": None, "textfile": None}


def run(*words: str, stdin: str = "", good: bool = True) -> str:
    done = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False)
    assert not good or done.returncode == 0, f"{shlex.join(words)}: {done.stderr}"
    return done.stdout


def stats(check: bool = False, **given: t.Any) -> dict[str, t.Any]:
    return task.run(_filled(TASK, given), check)


def apply(**given: t.Any) -> dict[str, t.Any]:
    """Predicted, applied, applied again: the prediction is exact, and the second time nothing changes."""
    foretold = stats(check=True, **given)
    done = stats(**given)
    assert [foretold[key] for key in ("changed", "changes", "diff")] == [
        done[key] for key in ("changed", "changes", "diff")
    ]
    again = stats(**given)
    assert (again["changed"], again["changes"], again["diff"]) == (False, [], {"before": "", "after": ""})
    return done


def info(**given: t.Any) -> list[dict[str, t.Any]]:
    return report.run(_filled(INFO, given))["devices"]


def _filled(defaults: t.Mapping[str, t.Any], given: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    assert set(given) <= set(defaults), given
    options = dict.fromkeys(("start", "length", "areas", "area_size", "precise", "bounds", "user_data"))
    filled = {**defaults, **given}
    if "regions" in filled:
        filled["regions"] = [{**options, **row} for row in filled["regions"]]
    return filled


def listed(name: str) -> list[str]:
    """The kernel's own lines, by dmsetup."""
    return run("dmsetup", "message", name, "0", "@stats_list").splitlines()


def printed(name: str, region: int) -> list[list[int]]:
    """Start, length, counters and histogram of each area, by dmstats."""
    text = run("dmstats", "print", "--allprograms", "--regionid", str(region), name)
    return [[int(word) for word in line.replace("+", " ").replace(":", " ").split()] for line in text.splitlines()]


def write(path: str, mib: int = 1, at: int = 0) -> None:
    """To the disk itself, past the page cache; udev has looked at what was written when it ends."""
    device = ["dd", "if=/dev/zero", f"of={path}", "bs=64k", f"count={mib * 16}", f"seek={at * 16}", "oflag=direct"]
    run(*device, "conv=notrunc", "status=none")
    run("udevadm", "settle")


def read(path: str, count: int = 16, size: str = "4k") -> None:
    run("dd", f"if={path}", "of=/dev/null", f"bs={size}", f"count={count}", "iflag=direct", "status=none")


def node(name: str) -> str:
    path = f"/dev/mapper/{name}"
    assert os.path.exists(path)
    return path
