# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Outcomes from the JUnit files that pytest and ansible-test write."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

from outcome import FAILED, PASSED, SKIPPED, Outcome

STATUS = {"failure": FAILED, "error": FAILED, "skipped": SKIPPED}


def outcomes(path: Path) -> list[Outcome]:
    return [_outcome(case) for case in ET.parse(path).iter("testcase")]


def _outcome(case: ET.Element) -> Outcome:
    name = f"{case.get('classname', '')}::{case.get('name', '')}".strip(":")
    told = next((child for child in case if child.tag in STATUS), None)
    if told is None:
        return Outcome(name, PASSED)
    return Outcome(name, STATUS[told.tag], _reason(told))


def _reason(told: ET.Element) -> str:
    """One line; pytest says it in the attribute, ansible-test in the text."""
    words = told.get("message") or told.text or ""
    return words.strip().split("\n")[0][:160]
