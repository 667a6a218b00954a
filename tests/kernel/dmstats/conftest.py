# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices of a test's own, made with dmsetup; at the end neither device nor region nor file system is left."""

from __future__ import annotations

import itertools
import os
import subprocess
import time
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.control import ControlDevice
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.stats import device

from tests.kernel.dmstats.tools import run

_count = itertools.count(1)

Make = t.Callable[..., str]


@pytest.fixture
def make(device_mapper: None) -> t.Iterator[Make]:
    """`make("0 2048 linear /dev/vdb 0")` makes a device of these target lines and tells its name."""
    made: list[str] = []

    def make(*lines: str, name: str = "") -> str:
        name = name or f"fleet-stats-{os.getpid()}-{next(_count)}"
        run("dmsetup", "create", name, stdin="\n".join(lines))
        made.append(name)
        return name

    yield make
    for name in reversed(made):
        _remove(name)


def _remove(name: str) -> None:
    """udev may look into a device for a moment."""
    for _unused in range(20):
        if subprocess.run(["dmsetup", "remove", name], capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.2)
    raise AssertionError(f"{name} cannot be removed")


@pytest.fixture
def channel(make: Make) -> t.Iterator[ControlDevice]:
    with ControlDevice() as channel:
        yield channel


@pytest.fixture
def find(channel: ControlDevice) -> t.Callable[[str], device.Device]:
    return lambda name: device.must_find(device.every(channel), name)
