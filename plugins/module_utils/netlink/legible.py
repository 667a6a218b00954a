# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines for people, in which a name cannot give orders to the terminal that shows them.

The kernel takes any byte in a link's name but blanks, '/' and ':' (net/core/dev.c: dev_valid_name), and whoever owns a
network namespace, a container too, makes links there.
"""

from __future__ import annotations

import typing as t

LISTS = ("changes", "review", "meanwhile")


def visible(text: str) -> str:
    """`text` with escapes in the place of all that cannot be printed, but for line breaks."""
    if text.replace("\n", " ").isprintable():
        return text
    return "".join(one if one.isprintable() or one == "\n" else repr(one)[1:-1] for one in text)


def legible(result: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """A task's result with its diff and its lists of lines made visible; names in its data stay as they are."""
    told = {name: [visible(line) for line in result[name]] for name in LISTS if result.get(name)}
    if not result.get("diff"):
        return {**result, **told}
    return {**result, **told, "diff": {side: visible(text) for side, text in result["diff"].items()}}
