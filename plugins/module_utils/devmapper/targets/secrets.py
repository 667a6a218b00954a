# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys in tables: where they are, and how a table looks without them."""

from __future__ import annotations

import typing as t

from ..errors import DmValueError
from . import grammar
from .equality import Line, spelt
from .registry import SECRET_OPTIONS, TARGETS, WITH_SECRETS

HIDDEN = "[hidden]"


def has_secrets(lines: t.Iterable[Line]) -> bool:
    """Whether the kernel has to wipe its copies of a request with these lines."""
    return any(kind in WITH_SECRETS for _start, _length, kind, _params in lines)


def keys(lines: t.Iterable[Line]) -> list[str]:
    """The keys themselves, for whoever has to keep them out of a log."""
    found: list[str] = []

    def note(kind: str, word: str) -> str:
        secret = _secret(kind, word)
        if secret:
            found.append(secret)
        return word

    for _start, _length, kind, params in lines:
        if kind in WITH_SECRETS:
            if _fits(kind, params):
                spelt(kind, params, note)
            else:
                found += [word for word in grammar.split(params) if len(word) > 8]
    return found


def given(item: t.Any) -> list[str]:
    """The keys in one item of a table as a task gives it, whether or not it is understood otherwise."""
    if isinstance(item, dict):
        options = [_secret("option", str(one)) for one in item.get("options") or () if item.get("type") in WITH_SECRETS]
        own = [_secret(grammar.KEY, str(item["key"]))] if item.get("key") else []
        return [one for one in [*own, *options] if one] + keys(
            [(0, 1, str(item.get("type")), str(item.get("args", "")))]
        )
    words = str(item).split(None, 3)
    return keys([(0, 1, words[2], words[3])]) if len(words) == 4 else []


def _secret(kind: str, word: str) -> str:
    """The secret part of a word: no reference to a keyring (`:32:logon:name`), no `-`."""
    if kind == grammar.KEY:
        return "" if word.startswith(":") or word == "-" else word
    if kind == "option":
        name, _colon, rest = word.partition(":")
        if name in SECRET_OPTIONS:
            return rest.partition(":")[2]
    return ""


def _hide(kind: str, word: str) -> str:
    secret = _secret(kind, word)
    if not secret:
        return word
    return HIDDEN if secret == word else f"{word[: -len(secret)]}{HIDDEN}"


def hidden(kind: str, params: str) -> str:
    """The arguments without keys; none at all where they cannot be told apart."""
    if kind not in WITH_SECRETS:
        return params
    return spelt(kind, params, _hide) if _fits(kind, params) else HIDDEN


def _fits(kind: str, params: str) -> bool:
    try:
        grammar.parse(TARGETS[kind], params)
    except DmValueError:
        return False
    return True
