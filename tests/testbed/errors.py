# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The testbed's one error: a sentence on what was wanted and why it cannot be had."""


class TestbedError(Exception):
    """Told to the person at the terminal as it stands."""

    __test__ = False  # no test class, whatever pytest makes of its name
