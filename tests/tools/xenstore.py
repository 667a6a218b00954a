# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stages `xenstore` and `xenstore-guest`: tests/xenstore against the stock daemons.

They are run here without Xen, and in dom0 of a real Xen, where the playbook for Xen hosts is played as well, twice.
"""

from __future__ import annotations

from pathlib import Path

import environment
import pytests
from carried import Tests, inside
from guests import Guests, running
from outcome import Outcome, verdict
from paths import CACHE, LOGS, ROOT, VENV
from prepare import GUEST, XENSTORE, packages
from process import last_lines, run

TESTS = "tests/xenstore"
FILES = ("test_seed.py", "test_store.py", "test_transactions.py", "test_task.py", "test_dom0.py")
IN_DOM0 = Tests(
    "xenstore dom0",
    (f"{TESTS}/", "tests/testbed/xen/"),
    tuple(f"{TESTS}/{name}" for name in FILES),
    "FLEET_XENSTORE=dom0",
)
PLAYBOOK = ROOT / "playbooks" / "quickstart_xen.yml"


def xenstore() -> list[Outcome]:
    packages(XENSTORE)
    return pytests.here("xenstore", [str(VENV / "bin" / "python")], TESTS)


def xenstore_guest() -> list[Outcome]:
    packages(GUEST)
    with running("xen") as guests:
        return inside(guests, "xen", IN_DOM0) + _played(guests)


def _played(guests: Guests) -> list[Outcome]:
    inventory, env = CACHE / f"inventory-{guests.session}.yml", environment.tools()
    run("inventory", guests.command("inventory"), inventory, cwd=ROOT, env=env)
    return [_run(title, inventory, demand) for title, demand in (("told to a domU", ""), ("told again", "changed=0"))]


def _run(title: str, inventory: Path, demand: str) -> Outcome:
    """The playbook's run; its last line, the one host's recap, has to hold `demand`."""
    log = LOGS / f"xenstore-{title.replace(' ', '-')}.log"
    argv = ["ansible-playbook", "-i", str(inventory), "--diff", str(PLAYBOOK)]
    done = run(title, argv, log, cwd=ROOT, env=environment.tools())
    recap = last_lines(log, 2)
    good = done.good and any("ok=" in line and demand in line for line in recap)
    return verdict(f"{PLAYBOOK.stem}, {title}", good, "" if good else f"{' '.join(recap).strip()}; see {log}")
