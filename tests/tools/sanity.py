# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stage `sanity`: every test of `ansible-test sanity`, on every interpreter there is."""

from __future__ import annotations

import environment
import junit
import tree
from locks import held
from outcome import FAILED, Outcome, verdict
from paths import LOGS
from process import run

OPTIONS = ("sanity", "--junit", "--color", "no")


def sanity() -> list[Outcome]:
    with held("tree-sanity"):
        collection = tree.arrange("sanity")
        done = run(
            "ansible-test sanity",
            environment.ansible_test(*OPTIONS),
            LOGS / "sanity.log",
            cwd=collection,
            env=environment.tools(),
        )
        results = sorted((collection / "tests" / "output" / "junit").glob("*.xml"))
        found = [outcome for path in results for outcome in junit.outcomes(path)]
    if not done.good and not any(outcome.status == FAILED for outcome in found):
        found.append(verdict("ansible-test", False, f"it ended with status {done.status}"))
    return found
