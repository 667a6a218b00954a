# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest has written to its serial console: a file, which grows."""

from __future__ import annotations

import os
import re
import typing as t

LAST = 1 << 16  # bytes from the end that are looked at for the last lines
CHUNK = 1 << 20
LONGEST = 4096  # bytes of a line that may have come in part

# ECMA-48: control sequences, and operating system commands; then what is no letter
ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_a-z]")
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def readable(raw: bytes) -> str:
    """Without what would move a terminal's cursor, or worse."""
    said = raw.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    return CONTROLS.sub("", ESCAPES.sub("", said))


def last_lines(path: str, count: int = 20, since: int = 0) -> list[str]:
    """The last lines with anything on them, behind the first `since` bytes; none where there is no file."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(since, size - LAST))
            raw = file.read(LAST)
    except OSError:
        return []
    lines = [line.rstrip() for line in readable(raw).split("\n")]
    return [line for line in lines if line][-count:]


class Watcher:
    """Looks for a pattern in what comes behind the first `since` bytes; each byte is read about once."""

    def __init__(self, path: str, pattern: str, since: int = 0) -> None:
        self._path, self._at, self._rest = path, since, b""
        self._pattern: t.Pattern[str] = re.compile(pattern, re.MULTILINE)

    def found(self) -> str:
        """The line with it, "" if it has not come yet."""
        for raw in self._new():
            said = readable(self._rest + raw)
            match = self._pattern.search(said)
            if match:
                before, behind = said[: match.start()].rpartition("\n")[2], said[match.end() :].partition("\n")[0]
                return (before + match.group() + behind).strip()
            self._rest = (self._rest + raw)[-LONGEST:]
        return ""

    def _new(self) -> t.Iterator[bytes]:
        try:
            with open(self._path, "rb") as file:
                file.seek(self._at)
                raw = file.read(CHUNK)
                while raw:
                    self._at += len(raw)
                    yield raw
                    raw = file.read(CHUNK)
        except OSError:  # it is not there yet
            return
