# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scope `exact` and the connection that the task is asked by, where the kernel routes by our address too."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb import connection
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.apply import transact
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.planning import Task
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.spec import TRANSACTION, WANTED
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.channel import NetlinkSocket

from tests.kernel import iproute2
from tests.kernel.ipdb.tasks import filled

THEIRS = "203.0.113.9"
HOSTS = {
    "inet": ("192.0.2.10", THEIRS, "192.0.2.1", "198.51.100.10/24", "198.51.100.1"),
    "inet6": ("2001:db8:2::10", "2001:db8:9::9", "2001:db8:2::1", "2001:db8:1::10/64", "2001:db8:1::1"),
}


def two_ways(netns: str, family: str) -> None:
    """The main table leads out by bra, that of the address on brb by brb; brc is of no use."""
    ours, theirs, router, other, default = HOSTS[family]
    ip = f"ip {'-6 ' if family == 'inet6' else ''}"
    length = 64 if family == "inet6" else 24
    for name in ("bra", "brb", "brc"):
        iproute2.run(netns, f"ip link add {name} type bridge", f"ip link set {name} up")
    for address, dev in ((other, "bra"), (f"{ours}/{length}", "brb")):
        words = " nodad" if family == "inet6" else ""
        iproute2.run(netns, f"ip address add {address} dev {dev}{words}")
    iproute2.run(
        netns,
        f"{ip}route add default via {default} dev bra",
        f"{ip}route add default via {router} dev brb table 100",
        f"{ip}rule add from {ours} lookup 100 priority 1000",
        f"{ip}rule add from {theirs} lookup 101 priority 1001",
    )


def exactly_nothing(netns: str, **more: object) -> tuple[list[str], list[str]]:
    """What an empty exact task removes, and the links that are left."""
    lists = dict.fromkeys(("interfaces", "routes", "rules"), [])
    params = filled(TRANSACTION, {"scope": "exact", **lists, **more})
    with NetlinkSocket(netns=netns) as channel:
        # As a task in the host's own namespace does: only there a connection can be in danger.
        plan = Task(params, False, channel).plan({name: params[name] for name in WANTED})
        transact(channel, plan.before, plan.after)
    return plan.told()["review"], sorted(set(iproute2.indexes(netns)) - {"lo"})


def way(netns: str, to: str, ours: str) -> str:
    (found,) = iproute2.shown(netns, f"ip route get {to} from {ours}")
    return found["dev"]


@pytest.mark.parametrize("family", list(HOSTS))
def test_the_way_that_only_our_address_takes_is_spared(netns, monkeypatch, family):
    two_ways(netns, family)
    ours, theirs = HOSTS[family][:2]
    monkeypatch.setattr(connection, "ends", lambda: (theirs, ours))
    assert way(netns, theirs, ours) == "brb"
    _unused, left = exactly_nothing(netns)
    assert left == ["bra", "brb"]  # bra, by which the main table leads: which of them it is, a firewall may decide
    assert way(netns, theirs, ours) == "brb"
    rules = iproute2.shown(netns, f"ip -{family[-1] if family == 'inet6' else 4} rule")
    assert [rule["priority"] for rule in rules if 0 < rule["priority"] < 32766] == [1000]
    assert exactly_nothing(netns) == ([], left)


def test_who_comes_from_elsewhere_loses_both(netns, monkeypatch):
    two_ways(netns, "inet")
    monkeypatch.setattr(connection, "ends", lambda: ("", ""))
    assert exactly_nothing(netns)[1] == []


def test_a_mark_or_a_port_may_decide(netns, monkeypatch):
    two_ways(netns, "inet")
    iproute2.run(
        netns,
        "ip address add 10.9.0.1/24 dev brc",
        "ip route add default via 10.9.0.254 dev brc table 102",
        "ip rule add fwmark 5 lookup 102 priority 500",
    )
    monkeypatch.setattr(connection, "ends", lambda: (THEIRS, "192.0.2.10"))
    assert exactly_nothing(netns)[1] == ["bra", "brb", "brc"]
