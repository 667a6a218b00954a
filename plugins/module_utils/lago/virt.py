# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Lago's users import from `lago.virt`; each class has a file of its own here."""

from __future__ import annotations

from .network import BridgeNetwork, NATNetwork, Network
from .services import ServiceState
from .virt_env import VirtEnv
from .vm import VM

__all__ = ["BridgeNetwork", "NATNetwork", "Network", "ServiceState", "VM", "VirtEnv"]
