# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events on the real kernel."""

from __future__ import annotations

import threading
import time

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.channel import NetlinkSocket
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.errors import NetlinkOverrun, NetlinkTimeout
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.events import Events, wait_for
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl import address, link, route, rule

from tests.kernel import iproute2

DEVICE = 10


def first(events, name, **wanted):
    """The first event of that name with such an object."""
    for event in events.within(5.0):
        if event.name == name and wanted.items() <= event.object.items():
            return event.object
    raise AssertionError(f"no {name} with {wanted}")


def test_what_happens_is_told(netns):
    with Events(("link", "address", "route", "rule", "neighbour", "fdb", "nexthop", "qdisc"), netns) as events:
        iproute2.pair(netns, index=DEVICE)
        assert first(events, "RTM_NEWLINK", ifindex=DEVICE)["ifname"] == "v0"
        iproute2.run(netns, "ip addr add 10.0.0.1/24 dev v0")
        assert first(events, "RTM_NEWADDR", local="10.0.0.1")["prefixlen"] == 24
        iproute2.run(netns, "ip route add 10.1.0.0/16 via 10.0.0.2")
        assert first(events, "RTM_NEWROUTE", dst="10.1.0.0/16")["gateway"] == "10.0.0.2"
        iproute2.run(netns, "ip rule add pref 7 lookup 77")
        assert first(events, "RTM_NEWRULE", priority=7)["table"] == 77
        iproute2.run(netns, "ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev v0")
        assert first(events, "RTM_NEWNEIGH", dst="10.0.0.9")["state"] == ["PERMANENT"]
        iproute2.run(netns, "ip nexthop add id 5 via 10.0.0.7 dev v0")
        assert first(events, "RTM_NEWNEXTHOP", id=5)["gateway"] == "10.0.0.7"
        iproute2.run(netns, "tc qdisc add dev v0 clsact")
        assert first(events, "RTM_NEWQDISC", kind="clsact")["index"] == DEVICE
        iproute2.run(netns, "ip link add br0 type bridge", "ip link set v0 master br0")
        assert first(events, "RTM_NEWNEIGH", index=DEVICE, state="permanent")["mac"]
        iproute2.run(netns, "ip link del v0")
        first(events, "RTM_DELLINK", ifindex=DEVICE)


def test_only_what_was_asked_for_is_told_and_the_time_ends(netns):
    with Events(("rule",), netns) as events:
        iproute2.run(netns, "ip link set lo up", "ip rule add pref 7 lookup 77")
        begin = time.monotonic()
        told = list(events.within(0.3))
        assert 0.25 < time.monotonic() - begin < 5
    assert [event.name for event in told] == ["RTM_NEWRULE"]


def test_an_unknown_topic_is_named():
    with pytest.raises(ValueError, match="weather"):
        Events(("link", "weather"))


def test_lost_events_are_not_passed_over_in_silence(netns, rtnl):
    with Events(("route",), netns) as events:
        events._sock._sock.setsockopt(1, 33, 4096)  # SO_RCVBUFFORCE: room for a few only
        iproute2.run(netns, "ip link set lo up")
        routes = [route.new({"dst": f"10.0.{n // 256}.{n % 256}", "type": "blackhole"}) for n in range(2000)]
        assert rtnl.batch(routes) == [None] * 2000
        with pytest.raises(NetlinkOverrun):
            list(events.within(1.0))


def test_wait_for_what_is_there_already(netns, rtnl):
    iproute2.run(netns, "ip link set lo up")
    begin = time.monotonic()
    found = wait_for(lambda: rtnl.dump(address.dump(), address.decode), ("address",), 5.0, "an address", netns)
    assert time.monotonic() - begin < 2
    assert found[0]["local"] == "127.0.0.1"


def test_wait_for_what_comes(netns, rtnl):
    later = threading.Timer(0.3, iproute2.run, (netns, "ip link set lo up"))
    later.start()
    begin = time.monotonic()
    wait_for(
        lambda: rtnl.ask(link.get(1), link.decode)[0]["flags"] & link.IFF_UP, ("link",), 10.0, "lo to be up", netns
    )
    later.join()
    assert 0.2 < time.monotonic() - begin < 5


def test_wait_for_what_goes(netns, rtnl):
    iproute2.run(netns, "ip rule add pref 7 lookup 77")
    later = threading.Timer(0.3, iproute2.run, (netns, "ip rule del pref 7"))
    later.start()

    def gone():
        return all(one["priority"] != 7 for one in rtnl.dump(rule.dump(), rule.decode))

    assert wait_for(gone, ("rule",), 10.0, "the rule to go", netns) is True
    later.join()


def test_waiting_in_vain_ends_in_time_and_says_for_what(netns):
    begin = time.monotonic()
    with pytest.raises(NetlinkTimeout, match="waiting for the moon: not so after 0.4 s"):
        wait_for(lambda: None, ("link",), 0.4, "the moon", netns)
    assert 0.3 < time.monotonic() - begin < 5


def test_no_change_falls_between_the_first_look_and_the_subscription(netns):
    """The change happens within the first look, after it has read: only the event tells of it."""
    looks = []

    def look():
        with NetlinkSocket(netns=netns) as sock:
            up = sock.ask(link.get(1), link.decode)[0]["flags"] & link.IFF_UP
        if not looks:
            iproute2.run(netns, "ip link set lo up")
        looks.append(up)
        return up

    wait_for(look, ("link",), 5.0, "lo to be up", netns)
    assert [bool(up) for up in looks][:1] == [False]


def test_a_storm_does_not_hide_the_state(netns, rtnl):
    """Events that were dropped are a reason to look, not an error."""
    iproute2.run(netns, "ip link set lo up")
    wanted = 3000
    routes = [route.new({"dst": f"10.0.{n // 256}.{n % 256}", "type": "blackhole"}) for n in range(wanted)]
    storm = threading.Thread(target=lambda: rtnl.batch(routes))
    storm.start()
    with NetlinkSocket(netns=netns) as sock:

        def all_there():
            return len(sock.dump(route.dump(type="blackhole"), route.decode)) == wanted

        assert wait_for(all_there, ("route",), 20.0, "all routes", netns)
    storm.join()
