# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a template's bytes sum up to, computed as they come."""

from __future__ import annotations

import hashlib
import typing as t

from ..errors import TemplateError

BY_LENGTH = {40: "sha1", 64: "sha256", 128: "sha512"}  # hexadecimal digits; Lago's own repositories have sha1
CHUNK = 1 << 20  # bytes


class Digests:
    """sha256, by which templates are kept, and what `expected` is of. Raises TemplateError where that is no digest."""

    def __init__(self, expected: str = "") -> None:
        self.expected = expected.strip().lower()
        self._names = {"sha256"}
        if self.expected:
            kind = BY_LENGTH.get(len(self.expected))
            if kind is None or set(self.expected) - set("0123456789abcdef"):
                raise TemplateError(f"{self.expected[:140]!r} is no sha1, sha256 or sha512 in hexadecimal digits")
            self._names.add(kind)
        self.reset()

    def reset(self) -> None:
        self.size = 0
        self._sums = {name: hashlib.new(name) for name in self._names}

    def update(self, data: bytes) -> None:
        self.size += len(data)
        for one in self._sums.values():
            one.update(data)

    def read(self, file: t.BinaryIO) -> None:
        """All that is left of a file."""
        for data in iter(lambda: file.read(CHUNK), b""):
            self.update(data)

    @property
    def sha256(self) -> str:
        return self._sums["sha256"].hexdigest()

    def check(self, what: str) -> None:
        """Raises TemplateError where the bytes are not those that were expected."""
        if not self.expected:
            return
        kind = BY_LENGTH[len(self.expected)]
        found = self._sums[kind].hexdigest()
        if found != self.expected:
            raise TemplateError(f"{what}: its {kind} is {found}, and should be {self.expected}; it was thrown away")
