# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A wave as it is sent: routes in blocks, and still each outcome with the step that it is of."""

from __future__ import annotations

from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.apply import send
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.picture import Picture
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.step import Lines, Step
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.errors import ExtAck, NetlinkError
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.exchange import Alike
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl import link, route

NOTHING = Picture({}, {}, {}, {}, {}, {}, {})
LINES = Lines(NOTHING, NOTHING)


class Channel:
    """Refuses the requests of the numbers given, and keeps what it was sent."""

    def __init__(self, refused=()):
        self.refused, self.blocks, self.requests = refused, 0, []

    def batch(self, requests):
        before = len(self.requests)
        for one in requests:
            self.blocks += isinstance(one, Alike)
            self.requests += [one[n] for n in range(len(one))] if isinstance(one, Alike) else [one]
        numbers = range(before, len(self.requests))
        return [NetlinkError(22, self.requests[n].operation) if n in self.refused else None for n in numbers]


def steps():
    """Routes that are alike, a link among them, and routes that go."""
    wanted = [{"dst": f"10.0.{n}.0/24", "oif": 3, "family": "inet"} for n in range(60)]
    actions = [route.Deferred(route.replace, one) for one in wanted[:40]]
    actions.insert(20, link.change(3, "br0", mtu=1400))
    actions += [route.Deferred(route.delete, one) for one in wanted[40:]]
    return wanted, [Step((1,), "routes", n, "", (action,), LINES) for n, action in enumerate(actions)]


def test_what_is_sent_is_what_each_step_says():
    wanted, wave = steps()
    channel = Channel()
    assert send(channel, wave) == []
    expected = [*map(route.replace, wanted[:40]), *map(route.delete, wanted[40:])]
    expected.insert(20, link.change(3, "br0", mtu=1400))
    assert channel.requests == expected
    assert channel.blocks == 3


def test_a_refusal_is_of_its_step():
    _unused, wave = steps()
    failed = send(Channel(refused=(5, 20, 21, 60)), wave)
    assert [step.key for step, _error in failed] == [5, 20, 21, 60]
    assert [str(error).partition(":")[0] for _step, error in failed] == [
        "RTM_NEWROUTE 10.0.5.0/24",
        "RTM_SETLINK br0",
        "RTM_NEWROUTE 10.0.20.0/24",
        "RTM_DELROUTE 10.0.59.0/24",
    ]


def test_a_kind_that_the_kernel_lacks_is_told_by_its_module():
    class Kernel:
        def batch(self, requests):
            ack = ExtAck(message="Unknown device type")
            return [NetlinkError(95, one.operation, ack) for one in requests]

    after = NOTHING._replace(links={3: {"ifindex": 3, "ifname": "x0", "kind": "ipip"}})
    steps = [
        Step((1,), "links", 3, "create ipip", (link.new("x0", "ipip"),), Lines(NOTHING, after)),
        Step((1,), "links", 4, "up", (link.change(4, "x1", up=True),), Lines(NOTHING, after)),
    ]
    first, second = [str(error) for _step, error in send(Kernel(), steps)]
    named = "this kernel does not have the module ipip, or could not load it"
    assert first == f"RTM_NEWLINK x0: Unknown device type: {named} (Operation not supported)"
    assert second == "RTM_SETLINK x1: Unknown device type (Operation not supported)"
