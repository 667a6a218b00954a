# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Step `run`: the collection's main job on a real guest, twice; the second time nothing changes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import environment
import process
from guests import Guests, running
from paths import CACHE, ROOT
from process import Stop, say

PLAYBOOK = ROOT / "playbooks" / "quickstart.yml"
RECAP = re.compile(r"^\S+\s+: ok=\d+ +changed=(\d+) +unreachable=(\d+) +failed=(\d+)")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
SESSION = "quickstart"


def quickstart(names: list[str], keep: bool) -> None:
    """Raise Stop when the playbook fails or its second run changes anything."""
    if not PLAYBOOK.exists():
        raise Stop(f"there is no {PLAYBOOK.relative_to(ROOT)}")
    with running(*names, session=SESSION, keep=keep) as guests:
        inventory = _inventory(guests)
        for number, demand in ((1, None), (2, 0)):
            say(f"\n== {PLAYBOOK.name}, run {number} of 2")
            _judge(number, _play(inventory), demand)
    _farewell(names, keep)


def _inventory(guests: Guests) -> Path:
    path = CACHE / f"inventory-{guests.session}.yml"
    told = subprocess.run(guests.command("inventory"), stdout=subprocess.PIPE, check=True).stdout
    path.write_bytes(told)
    return path


def _play(inventory: Path) -> list[str]:
    """Run the playbook with its diff; what it prints goes to the terminal, and is returned."""
    argv = ["ansible-playbook", "-i", str(inventory), "--diff", str(PLAYBOOK)]
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
        for line in child.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            lines.append(COLOUR.sub("", line))
        child.wait()
    finally:
        process.end_group(child)
    if child.returncode != 0:
        raise Stop(f"{PLAYBOOK.name} failed with status {child.returncode}")
    return lines


def _judge(number: int, lines: list[str], demand: int | None) -> None:
    recaps = [match for line in lines if (match := RECAP.match(line))]
    if not recaps:
        raise Stop(f"run {number} of {PLAYBOOK.name} reached no host")
    changed = sum(int(recap[1]) for recap in recaps)
    if demand is not None and changed != demand:
        raise Stop(f"run {number} of {PLAYBOOK.name} changed {changed} things where nothing was due")
    say(f"run {number}: {changed} changed on {len(recaps)} host(s)")


def _farewell(names: list[str], keep: bool) -> None:
    say("\nDone: the first run converged the guest, the second found nothing to change.")
    say(f"  what it does            {PLAYBOOK.relative_to(ROOT)}")
    say("  what each module takes  make docs, then docs of every option in .cache/docs/html")
    say("  all checks              make test")
    if keep:
        say(f"  the guest still runs    make guest-enter SESSION={SESSION} GUESTS={names[0]}")
        say(f"  and is stopped by       make guest-stop SESSION={SESSION}")
    else:
        say("  keep the guest next time  make run KEEP=1")
