# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stage `lint`: ruff, mypy, ansible-lint, yamllint, and antsibull for documentation and changelog."""

from __future__ import annotations

import environment
from outcome import Outcome, verdict
from paths import LOGS, ROOT
from process import run

TYPES = ["mypy", "--cache-dir", ".cache/mypy"]
SCRIPTS = "tests/tools:tests/testbed:tests/testbed/libvirt"  # which import what lies beside them

LINTERS = {
    "ruff check": ["ruff", "check", "--no-cache", "."],
    "ruff format": ["ruff", "format", "--no-cache", "--check", "."],
    "types": [*TYPES, "plugins"],
    "types of tools": ["env", f"MYPYPATH={SCRIPTS}", *TYPES, "tests/tools", "tests/testbed"],
    "yamllint": ["yamllint", "--strict", "."],
    "ansible-lint": ["ansible-lint", "--offline", "--nocolor"],
    "changelog": ["antsibull-changelog", "lint"],
    "documentation": [
        "antsibull-docs",
        "lint-collection-docs",
        "--plugin-docs",
        "--validate-collection-refs=all",
        ".",
    ],
}


def lint() -> list[Outcome]:
    return [_lint(name, argv) for name, argv in LINTERS.items()]


def _lint(name: str, argv: list[str]) -> Outcome:
    log = LOGS / f"lint-{name.replace(' ', '-')}.log"
    return verdict(name, run(name, argv, log, cwd=ROOT, env=environment.tools()).good)
