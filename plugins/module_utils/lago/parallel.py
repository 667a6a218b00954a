# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same for several things at a time, each in a thread of its own."""

from __future__ import annotations

import functools
import threading
import time
import typing as t

from .errors import LagoError

Target = t.Callable[[], t.Any]


class VectorThread:
    """A thread for each of `targets`. After join_all, `errors` has what each raised, None for those that did not."""

    def __init__(self, targets: t.Iterable[Target]) -> None:
        self._targets = list(targets)
        self.errors: list[BaseException | None] = [None] * len(self._targets)
        self._results: list[t.Any] = [None] * len(self._targets)
        self._threads: list[threading.Thread] = []

    def start_all(self) -> None:
        self._threads = [
            threading.Thread(target=self._run, args=(number,), daemon=True) for number in range(len(self._targets))
        ]
        for thread in self._threads:
            thread.start()

    def _run(self, number: int) -> None:
        try:
            self._results[number] = self._targets[number]()
        except BaseException as error:  # it is raised in the thread that joins
            self.errors[number] = error

    def join_all(self, raise_exceptions: bool = True, timeout: float | None = None) -> list[t.Any]:
        """What each returned, in their order, None where it raised; all have ended then.

        Raises the first error by order of the targets, and LagoError when one has not ended after `timeout` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        for thread in self._threads:
            thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
        alive = sum(thread.is_alive() for thread in self._threads)
        if alive:
            raise LagoError(f"{alive} of {len(self._threads)} parallel calls have not ended within {timeout:g} s")
        failed = [error for error in self.errors if error is not None]
        if failed and raise_exceptions:
            raise failed[0]
        return list(self._results)


def func_vector(target: t.Callable[..., t.Any], args_sequence: t.Iterable[t.Sequence[t.Any]]) -> list[Target]:
    """A call for each tuple of arguments."""
    return [functools.partial(target, *args) for args in args_sequence]


def invoke_in_parallel(func: t.Callable[..., t.Any], *args_sequences: t.Iterable[t.Any]) -> list[t.Any]:
    """As `map` does, all at the same time."""
    vector = VectorThread(func_vector(func, zip(*args_sequences)))
    vector.start_all()
    return vector.join_all()
