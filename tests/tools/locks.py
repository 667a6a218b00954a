# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time in what runs share: the environment, the tree copy, one stage's output."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import Iterator

from paths import LOCKS
from process import say


@contextmanager
def held(name: str) -> Iterator[None]:
    """Hold the checkout's lock of that name; the kernel drops it with the process."""
    LOCKS.mkdir(parents=True, exist_ok=True)
    with (LOCKS / name).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            say(f"  {name}: waiting for process {lock.read().strip() or 'unknown'}, which is at it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
