# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which links carry the connection: the one it is routed by, and all that lies below and above."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.connection import carrying, ends
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.picture import Picture
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.errors import NetlinkError


def link(index, name, kind=None, master=0, below=0, **more):
    return index, {"ifindex": index, "ifname": name, "kind": kind, "master": master, "link": below, **more}


LINKS = dict(
    [
        link(1, "lo"),
        link(2, "eth1", master=10),
        link(3, "eth2", master=10),
        link(4, "eth3"),
        link(10, "bond0", "bond"),
        link(11, "bond0.10", "vlan", master=12, below=10),
        link(12, "br10", "bridge"),
        link(13, "bond0.20", "vlan", below=10),
        link(14, "tap0", "tun", master=12),
        link(20, "v0", "veth", below=2, link_netnsid=0),
    ]
)
PICTURE = Picture(LINKS, {}, {}, {}, {}, {}, {})


class Kernel:
    """Answers with one route."""

    def __init__(self, oif):
        self.oif, self.asked = oif, []

    def ask(self, request, _decode):
        self.asked.append(request.operation)
        if self.oif is None:
            raise NetlinkError(101, request.operation)
        return [{"oif": self.oif}]


@pytest.mark.parametrize(
    ("oif", "names"),
    [
        (12, {"br10", "bond0.10", "bond0", "eth1", "eth2", "tap0"}),
        (13, {"bond0.20", "bond0", "eth1", "eth2"}),
        (4, {"eth3"}),
        (20, {"v0"}),  # what it stands on lies in another namespace, where 2 is another link
        (99, set()),
        (None, set()),
    ],
)
def test_all_that_lies_below_and_above(oif, names):
    assert set(carrying(Kernel(oif), PICTURE, "192.0.2.7")) == names


def test_an_address_that_names_its_link_needs_no_route():
    kernel = Kernel(None)
    assert carrying(kernel, PICTURE, "fe80::1%eth3") == ["eth3"]
    assert kernel.asked == []


@pytest.mark.parametrize("address", ["", "nonsense"])
def test_who_does_not_come_by_ssh_has_nothing_to_spare(address):
    assert carrying(Kernel(4), PICTURE, address) == []


SCRIPT = "import sys; sys.path[:0] = {path!r}; from {module} import ends; print(*ends())"


def told(variable: str, through: str) -> str:
    """What a process below one with that environment says, which has lost its own on the way."""
    script = SCRIPT.format(path=sys.path, module=carrying.__module__)
    shell = f'{through} "$@"; exit $?'
    environment = {**os.environ, "SSH_CONNECTION": variable}
    argv = ["sh", "-c", shell, "sh", sys.executable, "-c", script]
    return subprocess.run(argv, env=environment, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize("through", ["env", "env -i", "env -u SSH_CONNECTION"])
def test_the_ends_are_found_though_the_environment_was_cleared(through):
    assert told("192.0.2.7 40000 192.0.2.1 22", through) == "192.0.2.7 192.0.2.1"


def test_what_is_no_connection_is_passed_by():
    assert told("nonsense", "env") == " ".join(ends()).strip()  # what the processes above the tests say
