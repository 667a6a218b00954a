# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The device-mapper of the guest: this machine's kernel may have none.

Every test has names of its own and ends with the host as it was: no device, no suspended device, no cookie is left.
"""

from __future__ import annotations

import itertools
import os
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper import constants as c
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper import udev
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.devices.mapper import Mapper

from tests.kernel.devmapper.host import Host

_count = itertools.count(1)


@pytest.fixture
def host(device_mapper: None) -> t.Iterator[Host]:
    """Tasks and names of this test's own."""
    before = set(udev.leaked())
    made = Host(f"fleet-{os.getpid()}-{next(_count)}-")
    yield made
    made.clean()
    with Mapper() as mapper:
        left = [one.name for one in mapper.devices() if one.name.startswith(made.prefix)]
        suspended = [one.name for one in mapper.devices() if mapper.status(one.name).flags & c.SUSPEND]
    assert not left
    assert not suspended
    assert set(udev.leaked()) <= before
