# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The canonical line of a node: what --diff shows, in the words of `xenstore-ls -f -p`.

/local/domain/5/data/role = "db"   (n0,r5)
"""

from __future__ import annotations

import base64
import fnmatch
import typing as t

from .notation import BASE64, VALUE, value_of

HIDDEN, HIDDEN_NEW = "(secret)", "(secret, changed)"


class Secrets:
    """Which values are not shown: those of nodes whose path, whole or below where a task begins, matches a pattern."""

    def __init__(self, patterns: t.Iterable[str] = ()) -> None:
        self.patterns = list(patterns)

    def __bool__(self) -> bool:
        return bool(self.patterns)

    def __contains__(self, path: bytes) -> bool:
        text = path.decode("utf-8", "replace")
        return any(fnmatch.fnmatchcase(text, one) or fnmatch.fnmatchcase(text, f"*/{one}") for one in self.patterns)

    def tell(self, values: t.Iterable[tuple[bytes, bytes | None]], hide: t.Callable[[str], None]) -> None:
        """Tells `hide` the secret ones, in each way that they may be written."""
        for path, value in values if self else ():
            if value and path in self:
                hide(value.decode("utf-8", "replace"))
                hide(base64.b64encode(value).decode())


def line(path: bytes, value: bytes | None, permissions: t.Sequence[bytes] | None) -> str:
    """None: what is not known of the node, and not shown."""
    return _line(path, None if value is None else quoted(value), permissions)


def hidden_line(path: bytes, permissions: t.Sequence[bytes] | None, changed: bool) -> str:
    return _line(path, HIDDEN_NEW if changed else HIDDEN, permissions)


def _line(path: bytes, value: str | None, permissions: t.Sequence[bytes] | None) -> str:
    shown = path.decode("utf-8", "replace")
    if value is not None:
        shown += f" = {value}"
    if permissions:
        shown += f"   ({b','.join(permissions).decode()})"
    return shown


def quoted(value: bytes) -> str:
    """On one line, whatever the value."""
    shown = value_of(value)
    if BASE64 in shown:
        return f"base64 {shown[BASE64]}"
    return '"' + "".join(_escaped(one) for one in shown[VALUE]) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else repr(character)[1:-1]
