# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the facts of this collection differ from those of setup, for what both know."""

from __future__ import annotations

# What setup takes from ethtool.
LEFT_OUT = {"features", "timestamping", "hw_timestamp_filters", "phc_index"}


def _unordered(value):
    """Setup lists links in the order of a directory: no order is meant by it."""
    if isinstance(value, list):
        return sorted((_unordered(one) for one in value), key=str)
    if isinstance(value, dict):
        return {name: _unordered(one) for name, one in sorted(value.items())}
    return value


def _pairs(theirs, ours):
    """Every value that both have, by its path; a whole fact that one side lacks."""
    for name in sorted(set(theirs) | set(ours)):
        mine, other = ours.get(name), theirs.get(name)
        if isinstance(mine, dict) and isinstance(other, dict):
            for key in sorted(set(mine) | set(other) - LEFT_OUT):
                yield f"{name}.{key}", other.get(key), mine.get(key)
        else:
            yield name, other, mine


def differences(theirs, ours, only_ours=()):
    """`only_ours`: paths that setup has not, or not always."""
    return [
        f"{path}: setup has {other!r}, we have {mine!r}"
        for path, other, mine in _pairs(theirs, ours)
        if _unordered(other) != _unordered(mine) and not (other is None and path.split(".")[-1] in only_ours)
    ]


class FilterModule:
    def filters(self):
        return {"differences_from_setup": differences}
