# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long each task of a playbook took, told between the lines that ansible-playbook prints."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator

HEADING = re.compile(r"(?:\x1b\[[0-9;]*m)*(TASK|RUNNING HANDLER|PLAY)\b")


def timed(lines: Iterable[str], clock: Callable[[], float] = time.monotonic) -> Iterator[str]:
    """`lines`, each as it comes but for empty ones; the duration of a task stands behind its last line."""
    since, empty = None, ""
    for line in lines:
        if not line.strip():
            empty += line
            continue
        heading = HEADING.match(line)
        if heading and since is not None:
            yield f"  {clock() - since:.1f} s\n"
        if heading:
            since = None if heading[1] == "PLAY" else clock()
        yield empty + line
        empty = ""
    yield empty
