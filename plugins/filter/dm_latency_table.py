# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter `dm_latency_table`."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ..module_utils.devmapper.errors import DmError
from ..module_utils.devmapper.stats import histogram, picture


def table(hosts: t.Any) -> str:
    if not isinstance(hosts, t.Mapping):
        raise AnsibleFilterError("dm_latency_table: a dictionary of hosts and their histograms is needed")
    try:
        return picture.table({str(name): histogram.of(one) if one else None for name, one in hosts.items()})
    except DmError as error:
        raise AnsibleFilterError(f"dm_latency_table: {error}") from None


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"dm_latency_table": table}
