# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules about labs are told of the host: options in place of Lago's settings there."""

from __future__ import annotations

import typing as t

SETTINGS = {"uri": "libvirt_url", "lease_dir": "lease_dir", "template_store": "template_store"}
HOST = {option: {"type": "str" if option == "uri" else "path"} for option in SETTINGS}


def settings(params: t.Mapping[str, t.Any]) -> dict[str, str]:
    """Those of Lago's that the task says, by their names there."""
    return {setting: params[option] for option, setting in SETTINGS.items() if params[option]}
