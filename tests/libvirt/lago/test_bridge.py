# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab's network on a bridge that the host has."""

from __future__ import annotations

import json
import subprocess
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.wish import Wish
from ansible_collections.fleet.hypervisor.plugins.module_utils.plan import ChangeFailed

from tests.libvirt.lago.conftest import Host, lab

BRIDGE = "br-lab"
NET = {"type": "bridge", "bridge": BRIDGE, "management": True, "subnet": "203.0.113.0/24", "gw": "203.0.113.1"}
Inside = t.Callable[..., str]


@pytest.fixture
def inside(host: Host) -> Inside:
    """`inside(words...)`: what a command prints in the host's network."""

    def run(*argv: str) -> str:
        return subprocess.run(host.daemon.enter(*argv), check=True, capture_output=True, text=True, timeout=30).stdout

    return run


@pytest.fixture
def bridge(host: Host, inside: Inside) -> t.Iterator[None]:
    """One with an address, so that its subnet has a route."""
    inside("ip", "link", "add", BRIDGE, "up", "type", "bridge")
    inside("ip", "address", "add", "203.0.113.1/24", "dev", BRIDGE)
    try:
        yield
        for prefix in host.prefixes:
            prefix.destroy()
        assert json.loads(inside("ip", "-j", "link", "show", BRIDGE)), "it is the host's"
    finally:
        inside("ip", "link", "delete", BRIDGE)


def on_bridge(*names: str) -> dict[str, t.Any]:
    return {**lab(*names, nics=[{"net": "mgmt"}]), "nets": {"mgmt": NET}}


def test_its_vms_are_plugged_into_it(host: Host, bridge: None, inside: Inside) -> None:
    prefix = host.prefix()
    prefix.converge(Wish("started", on_bridge("one")))
    (port,) = json.loads(inside("ip", "-j", "link", "show", "master", BRIDGE))
    vm = prefix.virt_env.get_vm("one")
    assert port["ifname"] == vm.nics()[0]["tap"] and vm.ip() == "203.0.113.2"
    assert prefix.virt_env.get_net().bridge == BRIDGE
    assert not prefix.plan(Wish("started", on_bridge("one")))
    assert prefix.plan(Wish("started", on_bridge("one", "two"))).review(), "another VM comes while this one runs"
    prefix.stop()
    assert json.loads(inside("ip", "-j", "link", "show", "master", BRIDGE)) == []


def test_one_that_is_not_there_is_named_and_nothing_is_left(host: Host) -> None:
    prefix = host.prefix()
    with pytest.raises(ChangeFailed, match=BRIDGE):
        prefix.converge(Wish("started", on_bridge("one")))
    assert host.daemon.virsh("list", "--all", "--name").stdout.split() == []
    assert host.daemon.virsh("net-list", "--all", "--name").stdout.split() == []
