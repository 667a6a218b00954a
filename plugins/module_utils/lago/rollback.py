# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be done when a block is left."""

from __future__ import annotations

import typing as t

Undo = t.Tuple[t.Callable[..., t.Any], t.Tuple[t.Any, ...], t.Dict[str, t.Any]]


class RollbackContext:
    """Runs what was deferred at the end of the block, however it ends: `clear()` as its last line keeps all.

        with RollbackContext() as rollback:
            os.mkdir(path)
            rollback.prependDefer(os.rmdir, path)
            ...
            rollback.clear()

    All are run, also when some fail. What failed first is raised, the block's own error before any of an undo; the
    others are in `errors`. It does not survive a kill: the journal is for that.
    """

    def __init__(self, *args: Undo) -> None:
        self._deferred: list[Undo] = list(args)
        self.errors: list[Exception] = []

    def __enter__(self) -> RollbackContext:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_unused: object) -> None:
        while self._deferred:
            function, args, kwargs = self._deferred.pop(0)
            try:
                function(*args, **kwargs)
            except Exception as error:  # whatever it is, the others are still to be run
                self.errors.append(error)
        if self.errors and kind is None:
            raise self.errors[0]

    def clear(self) -> None:
        self._deferred.clear()

    def defer(self, func: t.Callable[..., t.Any], *args: t.Any, **kwargs: t.Any) -> None:
        """Runs it behind all that were deferred before."""
        self._deferred.append((func, args, kwargs))

    def prependDefer(self, func: t.Callable[..., t.Any], *args: t.Any, **kwargs: t.Any) -> None:
        """Runs it before all that were deferred before: the last done is the first undone."""
        self._deferred.insert(0, (func, args, kwargs))
