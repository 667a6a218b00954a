# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink import netns as namespaces
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.channel import NetlinkSocket
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.errors import NoSuchNamespace
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl import link


def names(sock):
    return [found["ifname"] for found in sock.dump(link.dump(), link.decode)]


def test_the_caller_stays_in_its_namespace(netns):
    before = os.readlink(namespaces.OWN)
    with NetlinkSocket(netns=netns) as sock:
        assert os.readlink(namespaces.OWN) == before
        assert names(sock) == ["lo"]


def test_iproute2_sees_what_is_made_here_and_the_other_way_round(netns):
    listed = subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True).stdout
    assert netns in [line.split()[0] for line in listed.splitlines()]
    other = f"{netns}-ip"
    subprocess.run(["ip", "netns", "add", other], check=True)
    try:
        assert namespaces.exists(other)
        with NetlinkSocket(netns=other) as sock:
            assert names(sock) == ["lo"]
    finally:
        namespaces.remove(other)
    assert not namespaces.exists(other)
    assert other not in namespaces.names()


def test_by_pid_and_by_path(netns):
    with NetlinkSocket(netns=netns) as sock:
        sock.ask(link.new("br0", "bridge"))
    with NetlinkSocket(netns=f"/run/netns/{netns}") as sock:
        assert names(sock) == ["lo", "br0"]
    with NetlinkSocket(netns=os.getpid()) as sock, NetlinkSocket() as own:
        assert names(sock) == names(own)


@pytest.mark.parametrize("wrong", ["no-such-namespace", "", "a/b", "..", "/etc/passwd", 2**22 + 1])
def test_what_does_not_exist_is_named(wrong):
    with pytest.raises(NoSuchNamespace, match="namespace"):
        NetlinkSocket(netns=wrong)


def test_a_path_that_is_no_namespace_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(NoSuchNamespace, match="^entering network namespace .*/fifo: setns: Invalid argument"):
        NetlinkSocket(netns=str(tmp_path / "fifo"))


def test_made_twice_is_refused(netns):
    with pytest.raises(FileExistsError):
        namespaces.create(netns)
