# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An end to waiting: libvirt's calls have no timeout, and a daemon that is stopped never answers."""

from __future__ import annotations

import threading
import typing as t

from .errors import TimedOut

Result = t.TypeVar("Result")


def within(seconds: float, work: t.Callable[[], Result], doing: t.Callable[[], str]) -> Result:
    """What `work()` returns or raises. Raises TimedOut, with what it was `doing()`, when that takes too long.

    A call of libvirt cannot be broken off. The thread that waits in it is left behind; it ends with the process, which
    is soon in a task of Ansible.
    """
    outcome: list[t.Any] = []

    def run() -> None:
        try:
            outcome.extend((True, work()))
        except BaseException as error:  # raised again below, in the thread that waits
            outcome.extend((False, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if len(outcome) < 2:
        raise TimedOut(f"no answer within {seconds:g} s, while {doing()}")
    good, value = outcome
    if good:
        return value
    raise value
