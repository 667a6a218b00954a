# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter `dm_percentiles`."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ..module_utils.devmapper.errors import DmError
from ..module_utils.devmapper.stats import histogram


def percentiles(given: t.Any, percents: t.Iterable[float] = histogram.PERCENTS) -> dict[str, t.Any]:
    try:
        return histogram.shown_percentiles(histogram.of(given), [float(percent) for percent in percents])
    except (DmError, TypeError, ValueError) as error:
        raise AnsibleFilterError(f"dm_percentiles: {error}") from None


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"dm_percentiles": percentiles}
