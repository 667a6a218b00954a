# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Step `run`: the collection's main job on a real guest, then a lab of VMs here; each twice, the second for nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import environment
import process
from durations import timed
from guests import Guests, running
from paths import CACHE, ROOT
from process import Stop, say

PLAYBOOKS = ROOT / "playbooks"
PLAYBOOK = PLAYBOOKS / "quickstart.yml"
LAB = PLAYBOOKS / "quickstart_lab.yml"
LAB_INVENTORY = PLAYBOOKS / "inventory" / "quickstart_lab.lago.yml"
LAB_FOLDER = "/var/lib/lago/quickstart"  # as the playbook has it
LAB_TOOL = ROOT / "tests" / "testbed" / "libvirt" / "embedded.py"
LAB_PREFIX, OWN_LIBVIRTD = Path(LAB_FOLDER, "lab"), Path(LAB_FOLDER, "libvirtd")
RECAP = re.compile(r"^\S+\s+: ok=\d+ +changed=(\d+) +unreachable=(\d+) +failed=(\d+)")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
SESSION = "quickstart"


def quickstart(names: list[str], keep: bool) -> None:
    """Raise Stop when a playbook fails or its second run changes anything."""
    with running(*names, session=SESSION, keep=keep) as guests:
        _twice(PLAYBOOK, "-i", str(_inventory(guests)))
    try:
        _twice(LAB, "-i", "localhost,", "-i", str(LAB_INVENTORY))
    finally:
        if not keep:
            _end_lab()
    _farewell(names, keep)


def _twice(playbook: Path, *words: str) -> None:
    for number, demand in ((1, None), (2, 0)):
        say(f"\n== {playbook.name}, run {number} of 2")
        _judge(playbook, number, _play(playbook, *words), demand)


def _end_lab() -> None:
    """The lab, and the libvirtd that was started for it where the machine runs none."""
    if LAB_PREFIX.exists() and not OWN_LIBVIRTD.exists():
        words = ["-e", "lab_hosts=localhost", "-e", f"virtual_lab_path={LAB_PREFIX}"]
        _play(PLAYBOOKS / "lab_down.yml", "-i", "localhost,", "-c", "local", *words)
    subprocess.run([sys.executable, str(LAB_TOOL), "down", LAB_FOLDER], check=True, stdout=subprocess.DEVNULL)


def _inventory(guests: Guests) -> Path:
    path = CACHE / f"inventory-{guests.session}.yml"
    told = subprocess.run(guests.command("inventory"), stdout=subprocess.PIPE, check=True).stdout
    path.write_bytes(told)
    return path


def _play(playbook: Path, *words: str) -> list[str]:
    """Run a playbook with its diff; what it prints, and how long each task took, is shown and returned."""
    argv = ["ansible-playbook", *words, "--diff", str(playbook)]
    more = {"ANSIBLE_FORCE_COLOR": "True"} if sys.stdout.isatty() else {}
    child = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env=environment.tools(**more),
        start_new_session=True,
    )
    lines = []
    try:
        for line in timed(child.stdout or ()):
            sys.stdout.write(line)
            sys.stdout.flush()
            lines.append(COLOUR.sub("", line))
        child.wait()
    finally:
        process.end_group(child)
    if child.returncode != 0:
        raise Stop(f"{playbook.name} failed with status {child.returncode}")
    return lines


def _judge(playbook: Path, number: int, lines: list[str], demand: int | None) -> None:
    recaps = [match for line in lines if (match := RECAP.match(line))]
    if not recaps:
        raise Stop(f"run {number} of {playbook.name} reached no host")
    changed = sum(int(recap[1]) for recap in recaps)
    if demand is not None and changed != demand:
        raise Stop(f"run {number} of {playbook.name} changed {changed} things where nothing was due")
    say(f"run {number}: {changed} changed on {len(recaps)} host(s)")


def _farewell(names: list[str], keep: bool) -> None:
    say("\nDone: the first runs converged the guest and raised the lab, the second ones found nothing to change.")
    say(f"  what they do            {PLAYBOOK.relative_to(ROOT)}, {LAB.relative_to(ROOT)}")
    say("  what each module takes  make docs, then docs of every option in .cache/docs/html")
    say("  all checks              make test")
    if keep:
        say(f"  the guest still runs    make guest-enter SESSION={SESSION} GUESTS={names[0]}")
        say(f"  and is stopped by       make guest-stop SESSION={SESSION}")
        say(f"  the lab is ended by     python3 {LAB_TOOL.relative_to(ROOT)} down {LAB_FOLDER}")
    else:
        say("  keep the guest next time  make run KEEP=1")
