# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Python's search for garbage, put off."""

from __future__ import annotations

import functools
import typing as t

from ..netlink import channel

Call = t.TypeVar("Call", bound=t.Callable[..., t.Any])


def uncollected(call: Call) -> Call:
    """`call` without looking for garbage meanwhile: it makes very many objects, none of which is any."""

    @functools.wraps(call)
    def run(*arguments: t.Any, **more: t.Any) -> t.Any:
        with channel.uncollected():
            return call(*arguments, **more)

    return t.cast(Call, run)
