# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel cannot filter in a dump is filtered here, while it is decoded."""

from __future__ import annotations

import typing as t

Decode = t.Callable[[bytes, int, int], t.Optional[t.Dict[str, t.Any]]]


def only(decode: Decode, **wanted: t.Any) -> Decode:
    """`decode`, with None for an object whose keys are not as `wanted` (a None there wants nothing).

    Where an object has a list, the wanted value has to be in it.
    """
    wanted = {name: value for name, value in wanted.items() if value is not None}

    def fits(found: t.Any, value: t.Any) -> bool:
        return value in found if isinstance(found, list) else found == value

    def pick(data: bytes, start: int, end: int) -> dict[str, t.Any] | None:
        found = decode(data, start, end)
        if found and all(fits(found.get(name), value) for name, value in wanted.items()):
            return found
        return None

    return pick
