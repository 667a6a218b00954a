# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commits of the Python API beside other transactions of the same host, and killed on the way."""

from __future__ import annotations

import functools
import threading
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb import ipdb as api
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.failures import Refused, TransactionFailed
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.lock import Busy, locked

from tests.kernel import iproute2
from tests.kernel.ipdb import tasks

Change = t.Callable[[api.IPDB], None]


@pytest.fixture
def ip(netns: str) -> t.Iterator[api.IPDB]:
    iproute2.run(netns, "ip tuntap add tap0 mode tap", "ip addr add 10.0.0.1/24 dev tap0")
    with api.IPDB(netns) as opened:
        yield opened


def commit(ip: api.IPDB) -> None:
    """Several waves of changes: some of them done when the process is killed at the others."""
    ip.tap0.ifname = "vpn"
    ip.tap0.add_ip("10.0.0.2/24")
    ip.create(kind="bridge", ifname="br0").up()
    ip.routes.add(dst="203.0.113.0/24", type="blackhole")
    ip.commit()


def reverted(ip: api.IPDB) -> None:
    sid = ip.snapshot()
    iproute2.run(str(ip.netns), "ip link set tap0 mtu 1400")
    ip.tap0.revert(sid)


@pytest.mark.parametrize("change", [commit, reverted])
def test_nothing_is_changed_while_another_has_the_lock(
    ip: api.IPDB, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "locked", functools.partial(locked, wait=0.1))
    with locked(tasks.folder(str(ip.netns))):
        with pytest.raises(Busy):
            change(ip)
    assert [one["ifname"] for one in tasks.network(str(ip.netns))["links"]] == ["lo", "tap0"]
    ip.drop()
    change(ip)
    assert tasks.left_behind(str(ip.netns)) == []


def test_a_change_waits_for_the_one_before_and_sees_what_it_did(ip: api.IPDB) -> None:
    """The addresses that stay are those that are there once the lock is ours."""
    ip.tap0.add_ip("10.0.0.3/24")
    waiting = threading.Thread(target=ip.commit)
    with locked(tasks.folder(str(ip.netns))):
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
        iproute2.run(str(ip.netns), "ip addr add 10.0.0.2/24 dev tap0")
    waiting.join(30)
    found = [one["local"] for one in tasks.network(str(ip.netns))["addresses"]]
    assert found == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]


def test_a_transaction_that_waits_to_be_confirmed_is_left_alone(ip: api.IPDB) -> None:
    netns = str(ip.netns)
    done = tasks.run(netns, interfaces=[{"name": "tap0", "mtu": 1400}], confirm_timeout=60, confirm="later")
    try:
        with pytest.raises(Refused, match="waits to be confirmed"):
            commit(ip)
    finally:
        tasks.run(netns, state="rolled_back", transaction=done["transaction"])
    ip.commit()
    assert {"vpn", "br0"} <= set(ip)


def test_what_fails_leaves_nothing_behind(ip: api.IPDB) -> None:
    seen = tasks.network(str(ip.netns))
    ip.create(kind="bridge", ifname="br0")
    ip.tap0.mtu = 1
    with pytest.raises(TransactionFailed):
        ip.commit()
    assert tasks.network(str(ip.netns)) == seen
    assert tasks.left_behind(str(ip.netns)) == []


@pytest.mark.parametrize("sends", [1, 2, 3])
def test_a_killed_commit_is_taken_back_by_the_next_one(ip: api.IPDB, sends: int) -> None:
    netns = str(ip.netns)
    seen = tasks.network(netns)
    assert tasks.killed_after_sends(sends, lambda: commit(ip))
    assert tasks.network(netns) != seen
    ip.rules.add(priority=500, table=100)
    ip.commit()
    assert {**tasks.network(netns), "rules": seen["rules"]} == seen
    assert ip.rules[500]["table"] == 100
    assert tasks.left_behind(netns) == []


def test_a_killed_commit_is_taken_back_by_a_task(ip: api.IPDB) -> None:
    netns = str(ip.netns)
    seen = tasks.network(netns)
    assert tasks.killed_after(2, lambda: commit(ip))
    tasks.run(netns, state="recovered")
    assert tasks.network(netns) == seen
    assert tasks.left_behind(netns) == []
