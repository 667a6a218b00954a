# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far long work on a lab is, told to whoever follows a file.

One line of JSON a report, appended in one write, so that a reader sees whole ones and threads do not mix theirs:

    {"done": 3, "of": 8, "vm": "server", "what": "SSH answers", "percent": null}

`done` of the `of` steps that are known of; `percent` of the one that goes on, where it is known. The last line has
`"over": true`. A lab comes before its reports: one that cannot be written is left out.
"""

from __future__ import annotations

import json
import os
import threading
import typing as t

STEP = 5  # percent between two reports of one download


class Progress:
    """Reports into the new file `path`; "" reports nothing to nobody, so that callers need not ask."""

    def __init__(self, path: str = "") -> None:
        self._path = path
        self._lock = threading.Lock()
        self._done = self._of = 0

    def expect(self, steps: int) -> None:
        """So many more steps will be done."""
        with self._lock:
            self._of += steps

    def __call__(self, what: str, vm: str = "", percent: int | None = None) -> None:
        """A step is done, or with a percentage goes on."""
        with self._lock:
            if percent is None:
                self._done += 1
                self._of = max(self._of, self._done)
            self._write({"done": self._done, "of": self._of, "vm": vm, "what": what, "percent": percent})

    def of_bytes(self, what: str, vm: str = "") -> t.Callable[[int, int], None]:
        """A function that is told how many bytes are there, of how many (0: nobody knows), and reports some."""
        reported = -1

        def told(have: int, of: int) -> None:
            nonlocal reported
            percent = min(100, have * 100 // of // STEP * STEP) if of > 0 else reported
            if percent != reported:
                reported = percent
                self(what, vm, percent)

        return told

    def over(self) -> None:
        """There will be no more."""
        with self._lock:
            self._write({"over": True})

    def _write(self, report: dict[str, object]) -> None:
        if not self._path:
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            file = os.open(self._path, flags, 0o600)
            try:
                os.write(file, json.dumps(report).encode() + b"\n")
            finally:
                os.close(file)
        except OSError:  # a full disk, a folder that is gone
            pass
