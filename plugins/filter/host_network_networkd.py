# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter `host_network_networkd`."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ..plugin_utils.host_network.network import WrongNetwork
from ..plugin_utils.host_network.networkd import files


def host_network_networkd(config: t.Mapping[str, t.Any]) -> t.Any:
    try:
        return files(config)
    except WrongNetwork as error:
        raise AnsibleFilterError(f"host_network_config.{error}") from None


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"host_network_networkd": host_network_networkd}
