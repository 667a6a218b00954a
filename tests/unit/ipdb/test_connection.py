# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What carries the connection: the links that it may be routed by, all that lies below and above, and the rules."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.connection import carrying, ends
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.picture import Picture, keyed
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


THEIRS, OURS = "192.0.2.7", "198.51.100.1"


class Kernel:
    """Routes by one link, or by another one where our address is told; `holders` have our address."""

    def __init__(self, oif, from_ours=None, holders=()):
        self.oif, self.from_ours, self.asked = oif, from_ours or oif, []
        self.addresses = [{"index": index, "local": OURS} for index in holders] + [{"index": 13, "local": "10.0.0.1"}]

    def dump(self, request, _decode):
        self.asked.append(request.operation)
        return self.addresses

    def ask(self, request, _decode):
        self.asked.append(request.operation)
        oif = self.from_ours if socket.inet_aton(OURS) in request.body else self.oif
        if oif is None:
            raise NetlinkError(101, request.operation)
        return [{"oif": oif}]


def rule(**given):
    return {"family": "inet", "priority": 100, "src": "all", "table": 100, **given}


def with_rules(*rules, routes=()):
    return PICTURE._replace(rules=keyed("rules", rules), routes=keyed("routes", routes))


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
    assert set(carrying(Kernel(oif), PICTURE, THEIRS, OURS).links) == names


def test_where_our_address_decides_both_ways_are_spared():
    assert set(carrying(Kernel(4, from_ours=20), PICTURE, THEIRS, OURS).links) == {"eth3", "v0"}


def test_the_link_that_has_our_address_is_spared():
    assert set(carrying(Kernel(4, holders=[20]), PICTURE, THEIRS, OURS).links) == {"eth3", "v0"}


@pytest.mark.parametrize(
    "given",
    [
        {"src": OURS},
        {"src": "198.51.100.0", "srclen": 24},
        {"dst": "192.0.0.0", "dstlen": 8},
        {"fwmark": 7},  # whose mark it is only the firewall knows
        {"src": OURS, "iif": "lo"},
        {"src": OURS, "iif": "red"},
        {"src": "10.0.0.1", "not": True},
        {"src": OURS, "goto": 5},
    ],
)
def test_rules_that_may_lead_there_are_spared_with_the_links_of_their_tables(given):
    by = {"family": "inet", "dst": "default", "table": 100, "oif": 20}
    elsewhere = {**by, "dst": "203.0.113.0/24", "oif": 13}
    other = {**by, "table": 101, "oif": 13}
    given = rule(**given)
    if "goto" in given:
        del given["table"]
    picture = with_rules(given, routes=[by, elsewhere, other, {**by, "family": "inet6", "oif": 13}])
    picture.links[30] = link(30, "red", "vrf")[1]
    found = carrying(Kernel(4), picture, THEIRS, OURS)
    del picture.links[30]
    assert list(found.rules) == list(picture.rules)
    assert set(found.links) == ({"eth3"} if "goto" in given else {"eth3", "v0"})


@pytest.mark.parametrize(
    "given",
    [
        {"src": "198.51.100.2"},
        {"src": OURS, "dst": THEIRS, "dstlen": 25, "iif": "tap0"},  # of guests
        {"dst": "192.0.2.128", "dstlen": 25},
        {"family": "inet6"},
        {"src": OURS, "action": "prohibit"},
    ],
)
def test_other_rules_and_their_tables_are_not(given):
    by = {"family": "inet", "dst": "default", "table": 100, "oif": 20}
    found = carrying(Kernel(4), with_rules(rule(**given), routes=[by]), THEIRS, OURS)
    assert (list(found.rules), list(found.links)) == ([], ["eth3"])


def test_an_address_that_names_its_link_needs_no_route():
    kernel = Kernel(None)
    assert carrying(kernel, PICTURE, "fe80::1%eth3", "fe80::2%eth3").links == ["eth3"]
    assert kernel.asked == []


@pytest.mark.parametrize("address", ["", "nonsense"])
def test_who_does_not_come_by_ssh_has_nothing_to_spare(address):
    assert carrying(Kernel(4), PICTURE, address, address) == ((), ())


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
