# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IPv6's counters of a link, which nobody here reads, are not asked for, and the kernel leaves them out."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.attribute import walk
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.channel import NetlinkSocket
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.message import Request
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl import link

AF_SPEC, AF_INET6 = 26, 10  # IFLA_AF_SPEC (linux/if_link.h) and the family inside
CONF, STATS, ICMP6STATS = 2, 3, 6  # IFLA_INET6_*


def of_ipv6(data: bytes, start: int, end: int) -> set[int]:
    """The attributes that IPv6 has in a message about a link."""
    spec = {number: (at, stop) for number, at, stop in walk(data, start + link.IFINFO.size, end)}[AF_SPEC]
    inet6 = {number: (at, stop) for number, at, stop in walk(data, *spec)}[AF_INET6]
    return {number for number, _at, _stop in walk(data, *inet6)}


def sent(rtnl: NetlinkSocket, request: Request, dump: bool) -> list[set[int]]:
    found = list(rtnl.dump(request, of_ipv6) if dump else rtnl.ask(request, of_ipv6))
    assert found
    assert all(CONF in one for one in found)
    return found


@pytest.mark.parametrize(
    ("request_", "dump"), [(link.dump(), True), (link.get(1), False), (link.get(name="lo"), False)]
)
def test_the_kernel_leaves_statistics_out(rtnl: NetlinkSocket, request_: Request, dump: bool) -> None:
    for one in sent(rtnl, request_, dump):
        assert not one & {STATS, ICMP6STATS}


def test_who_does_not_say_so_gets_them(rtnl: NetlinkSocket) -> None:
    """So that the other test sees what it looks for."""
    body = link.IFINFO.pack(0, 0, 0, 0, 0)
    for one in sent(rtnl, Request("RTM_GETLINK", link.RTM_GETLINK, 0, body), dump=True):
        assert {STATS, ICMP6STATS} <= one
