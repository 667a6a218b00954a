# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter `dm_histogram_merge`."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ..module_utils.devmapper.errors import DmError
from ..module_utils.devmapper.stats import histogram


def merge(given: t.Any) -> dict[str, t.Any]:
    if isinstance(given, (str, t.Mapping)) or not isinstance(given, t.Iterable):
        raise AnsibleFilterError("dm_histogram_merge: a list of histograms is needed")
    try:
        return histogram.shown(histogram.merged(histogram.of(_within(one)) for one in given))
    except DmError as error:
        raise AnsibleFilterError(f"dm_histogram_merge: {error}") from None


def _within(one: t.Any) -> t.Any:
    """A histogram, or the area, region or group that has it."""
    return one["histogram"] if isinstance(one, t.Mapping) and "histogram" in one else one


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"dm_histogram_merge": merge}
