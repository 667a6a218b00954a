# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of the cores against the real kernel, each in network namespaces of its own.

They run on the machine that builds and, with FLEET_KERNEL=guest, inside the testbed's guest, whose kernel has every
kind of link: there a missing kind is a failure, here it is a skip that says so.
"""

from __future__ import annotations

import itertools
import os
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink import netns as namespaces
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.channel import NetlinkSocket

_count = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.geteuid() != 0:
        raise pytest.UsageError("tests/kernel need root: they make network namespaces")


@pytest.fixture
def make_netns() -> t.Iterator[t.Callable[[], str]]:
    """Makes named namespaces that end with the test."""
    made: list[str] = []

    def make() -> str:
        name = f"fleet-test-{os.getpid()}-{next(_count)}"
        namespaces.create(name)
        made.append(name)
        return name

    yield make
    for name in made:
        namespaces.remove(name)


@pytest.fixture
def netns(make_netns: t.Callable[[], str]) -> str:
    """The name of a fresh network namespace."""
    return make_netns()


@pytest.fixture
def rtnl(netns: str) -> t.Iterator[NetlinkSocket]:
    """A rtnetlink socket in a fresh network namespace."""
    with NetlinkSocket(netns=netns) as sock:
        yield sock


@pytest.fixture
def lacking() -> t.Callable[[str], None]:
    """`lacking("dummy")` says that this kernel has no such thing: a skip here, a failure in the guest."""

    def say(what: str) -> None:
        if os.environ.get("FLEET_KERNEL") == "guest":
            pytest.fail(f"the guest's kernel has no {what}")
        pytest.skip(f"this machine's kernel has no {what}; the guest's is tested")

    return say


@pytest.fixture
def device_mapper(lacking: t.Callable[[str], None]) -> None:
    """For tests that need one. A node alone says nothing: packages leave one behind on kernels without it."""
    try:
        os.close(os.open("/dev/mapper/control", os.O_RDWR))
    except OSError:
        if not os.path.exists("/sys/class/misc/device-mapper"):
            lacking("device-mapper")
