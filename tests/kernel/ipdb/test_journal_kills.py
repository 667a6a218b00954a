# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task that is killed, wherever it is: what comes next finds the network as before or as after, and cleans up."""

from __future__ import annotations

import os

import pytest

from tests.kernel.ipdb import tasks as txn


def begun(netns: str) -> None:
    """What is there before: bridges to be changed and removed, with addresses and routes."""
    txn.run(
        netns,
        interfaces=[
            {"name": "old0", "kind": "bridge", "state": "up", "addresses": ["10.9.0.1/24"]},
            {"name": "old1", "kind": "bridge", "state": "up", "addresses": ["10.9.1.1/24", "2001:db8:9::1/64"]},
            {"name": "gone", "kind": "bridge", "state": "up", "addresses": ["10.9.2.1/24"]},
            {"name": "v0", "kind": "veth", "options": {"peer": {"ifname": "v1"}}, "state": "up"},
            {"name": "v1", "kind": "veth", "state": "up"},
        ],
        routes=[
            {"dst": "198.51.100.0/24", "gateway": "10.9.0.254"},
            {"dst": "203.0.113.0/24", "gateway": "10.9.2.254"},
        ],
    )


WANTED = {
    "interfaces": [
        {"name": "old0", "mtu": 1400, "alias": "changed", "addresses": ["10.9.0.2/24"]},
        {"name": "old1", "state": "down", "addresses": ["10.9.1.1/24"]},
        {"name": "gone", "state": "absent"},
        {"name": "v0", "master": "new0"},
        {"name": "v1", "mtu": 1300, "state": "down"},
        *[
            {"name": f"new{n}", "kind": "bridge", "state": "up", "mtu": 1450, "addresses": [f"10.8.{n}.1/24"]}
            for n in range(12)
        ],
    ],
    "routes": [
        {"dst": "198.51.100.0/24", "gateway": "10.8.0.254"},
        *[{"dst": f"198.18.{n}.0/24", "gateway": f"10.8.{n}.254"} for n in range(12)],
    ],
}


def commit(netns: str, **more: object) -> None:
    txn.run(netns, **WANTED, **more)


@pytest.fixture
def both(make_netns):
    """The network before and after, from a namespace where nobody is killed; and how many changes that is."""
    netns = make_netns()
    begun(netns)
    before = txn.network(netns)
    changes = len(txn.run(netns, **WANTED)["review"])
    return comparable(before), comparable(txn.network(netns)), changes


def comparable(network):
    """Without what differs between two namespaces of the same network: MAC addresses, and the choice of indexes."""
    names = {link["ifindex"]: link["ifname"] for link in network["links"]}

    def plain(one):
        said = {key: value for key, value in one.items() if key not in ("ifindex", "address", "permaddr", "free")}
        for key in ("index", "master", "link", "oif"):
            if key in said:
                said[key] = names.get(said[key], said[key])
        if said.get("options"):
            said["options"] = {k: v for k, v in said["options"].items() if k not in ("root_id", "bridge_id")}
        return repr(sorted(said.items(), key=str))

    return {table: sorted(map(plain, objects)) for table, objects in network.items() if table != "kernel"}


def test_it_is_a_transaction_of_forty_changes(both):
    assert both[2] >= 40
    assert both[0] != both[1]


def trial(netns: str, both, killed) -> str:
    """One run that is killed, one recovery: which of both networks it ends in; "" if there was nothing to kill."""
    begun(netns)
    exact = txn.network(netns)
    if not killed(lambda: commit(netns)):
        return ""
    txn.run(netns, state="recovered")
    found = txn.network(netns)
    assert txn.left_behind(netns) == []
    if comparable(found) == both[1]:
        return "after"
    assert found == exact  # to the last field, indexes and MAC addresses included
    return "before"


def test_killed_after_every_record(make_netns, both):
    outcomes = []
    while True:
        outcome = trial(make_netns(), both, lambda act: txn.killed_after(len(outcomes) + 1, act))
        if not outcome:
            break
        outcomes.append(outcome)
    assert len(outcomes) > 6
    # The journal says "applied" in its last record: from there on it is finished, before it is taken back.
    assert outcomes == ["before"] * (len(outcomes) - 1) + ["after"]


def test_killed_after_every_batch_that_was_sent(make_netns, both):
    outcomes = []
    while True:
        outcome = trial(make_netns(), both, lambda act: txn.killed_after_sends(len(outcomes) + 1, act))
        if not outcome:
            break
        outcomes.append(outcome)
    assert len(outcomes) > 4
    assert set(outcomes) == {"before"}


def test_the_next_commit_recovers_by_itself(netns):
    begun(netns)
    assert txn.killed_after(4, lambda: commit(netns))
    result = txn.run(netns, interfaces=[{"name": "old0", "mtu": 1234}])
    assert [one["outcome"] for one in result["recovered"]] == ["rolled_back"]
    assert result["review"] == ["old0: mtu 1500 -> 1234"]
    assert txn.left_behind(netns) == []


def test_recovery_that_is_killed_itself_is_recovered(netns):
    begun(netns)
    before = txn.network(netns)
    assert txn.killed_after_sends(6, lambda: commit(netns))
    assert txn.network(netns) != before
    kills = 0
    while txn.killed_after_sends(1, lambda: txn.run(netns, state="recovered")):
        kills += 1
        assert kills < 20
    assert kills
    assert txn.network(netns) == before
    assert txn.left_behind(netns) == []


def test_nothing_to_recover(netns):
    result = txn.run(netns, state="recovered")
    assert (result["changed"], result["recovered"], result["waiting"]) == (False, [], [])
    assert txn.left_behind(netns) == []


def test_a_damaged_journal_is_refused_and_named(netns):
    begun(netns)
    txn.killed_after(4, lambda: commit(netns))
    there = txn.folder(netns)
    (name,) = os.listdir(there)
    with open(f"{there}/{name}", "r+b") as file:
        file.seek(30)
        file.write(b"X")
    with pytest.raises(ValueError, match=f"{name}: record 0 does not have its checksum"):
        txn.run(netns, state="recovered")
    os.unlink(f"{there}/{name}")
    os.rmdir(there)
