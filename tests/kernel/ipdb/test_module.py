# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The states and modes of `ipdb_txn`, as tasks of a play come one after another."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb import lock, pending, task
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.failures import TransactionFailed
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.transaction import NoSuchTransaction

from tests.kernel import iproute2
from tests.kernel.ipdb import tasks as txn

BRIDGE = {"name": "br0", "kind": "bridge", "state": "up", "addresses": ["10.0.0.1/24"]}
OTHER = {"name": "br1", "kind": "bridge", "state": "up", "addresses": ["10.0.1.1/24"]}
VLAN = {"name": "v5", "kind": "vlan", "link": "lo", "options": {"id": 5}}


def names(netns: str) -> list[str]:
    return sorted(set(iproute2.indexes(netns)) - {"lo"})


def test_check_mode_tells_what_is_then_done_and_changes_nothing(netns):
    before = txn.network(netns)
    foretold = txn.run(netns, check=True, interfaces=[BRIDGE])
    assert txn.network(netns) == before
    done = txn.run(netns, interfaces=[BRIDGE])
    again = txn.run(netns, interfaces=[BRIDGE])
    for key in ("review", "diff", "plan_sha", "changed"):
        assert foretold[key] == done[key]
    assert done["diff"] == {"before": "", "after": done["diff"]["after"]}
    assert done["diff"]["after"].startswith("br0  bridge  up")
    assert (again["changed"], again["review"], again["transaction"]) == (False, [], None)
    assert [link["ifname"] for link in again["network"]["links"]] == ["br0"]
    assert sum(len(one["changes"]) for one in done["timings"]) == len(done["review"]) + 1
    assert all(one["ms"] > 0 for one in done["timings"])
    assert txn.left_behind(netns) == []


@pytest.mark.parametrize("confirm", [{}, {"confirm_timeout": 60, "confirm": "later"}])
def test_of_a_link_the_options_come_back_that_the_task_says(netns, confirm):
    bridge = {**BRIDGE, "options": {"stp_state": 1, "forward_delay": 500}}
    done = txn.run(netns, interfaces=[bridge], **confirm)
    again = txn.run(netns, state="confirmed", transaction=done["transaction"]) if confirm else done
    for one in (done, again):
        (link,) = one["network"]["links"]
        assert link["options"] == {"stp_state": 1, "forward_delay": 500}
    (link,) = txn.run(netns, interfaces=[BRIDGE])["network"]["links"]
    assert "options" not in link and link["kind"] == "bridge"


def test_what_links_and_addresses_mostly_have_comes_back_only_if_it_is_otherwise_or_said(netns):
    network = txn.run(netns, interfaces=[BRIDGE])["network"]
    (link,), (address,) = network["links"], network["addresses"]
    assert address == {"index": link["ifindex"], "family": "inet", "local": "10.0.0.1", "prefixlen": 24}
    assert sorted(link) == ["address", "ifindex", "ifname", "kind", "mtu", "up"]
    said = {**BRIDGE, "alias": "", "txqueuelen": 1000, "master": ""}
    (link,) = txn.run(netns, interfaces=[said])["network"]["links"]
    assert (link["ifalias"], link["txqlen"], link["master"]) == ("", 1000, 0)
    other = {**BRIDGE, "altnames": ["uplink"], "addresses": [{"address": "10.0.0.1/24", "scope": "link"}]}
    network = txn.run(netns, interfaces=[other])["network"]
    assert network["links"][0]["altnames"] == ["uplink"]
    assert network["addresses"][0]["scope"] == "link"


@pytest.mark.parametrize("address", ["10.0.0.1/24", "fd00::1/64"])
def test_an_address_that_is_to_be_deprecated_stays_so(netns, address):
    wanted = [{**BRIDGE, "addresses": [{"address": address, "preferred_lft": 0}]}]
    for before in ([BRIDGE], []):
        txn.run(netns, interfaces=before)
        done = txn.run(netns, interfaces=wanted)
        assert (done["changed"], txn.run(netns, interfaces=wanted)["changed"]) == (bool(before), False)
    assert done["network"]["addresses"][0]["preferred_life_time"] == 0
    lasting = {**BRIDGE, "addresses": [{"address": address, "preferred_lft": 0xFFFFFFFF}]}
    assert txn.run(netns, interfaces=[lasting])["changed"]
    assert not txn.run(netns, interfaces=[lasting])["changed"]


@pytest.mark.parametrize("address", ["10.0.0.1/24", "fd00::1/64"])
def test_a_lifetime_that_nobody_speaks_of_fits_the_other(netns, address):
    def left(**more):
        wanted = [{**BRIDGE, "addresses": [{"address": address, **more}]}]
        assert txn.run(netns, interfaces=wanted)["changed"]
        assert not txn.run(netns, interfaces=wanted)["changed"]
        (seen,) = txn.network(netns)["addresses"]
        valid = seen.get("valid_life_time", 0xFFFFFFFF)
        return valid, seen.get("preferred_life_time", valid)

    left(valid_lft=1000, preferred_lft=500)
    assert all(190 < seconds <= 200 for seconds in left(valid_lft=200))
    assert left(preferred_lft=0)[1] == 0
    assert 90 < left(valid_lft=200, preferred_lft=100)[1] <= 100  # where only the preferred lifetime is another
    assert left(valid_lft=0xFFFFFFFF)[0] == 0xFFFFFFFF


IMPORTED = """
import sys
from tests.kernel.ipdb import tasks
tasks.run(sys.argv[1], interfaces=[{"name": "br0", "kind": "bridge"}])
top = "ansible_collections.fleet.hypervisor.plugins.module_utils."
for name, module in list(sys.modules.items()):
    if name.startswith(top) and module.__file__:
        print(name[len(top) :], module.__file__)
"""


def test_a_network_that_is_as_it_should_be_is_compared_without_what_changes_one(netns):
    """What such a task imports is compiled every time."""
    txn.run(netns, interfaces=[{"name": "br0", "kind": "bridge"}])
    argv = [sys.executable, "-c", IMPORTED, netns]
    done = subprocess.run(
        argv, env={"PYTHONPATH": os.pathsep.join(sys.path)}, check=True, capture_output=True, text=True
    )
    files = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    needless = (
        "apply",
        "applying",
        "capture_tables",
        "deadman",
        "deciding",
        "draft",
        "link_settings",
        "model",
        "recovery",
        "settling",
    )
    assert [name for name in needless if f"ipdb.{name}" in files] == []
    assert sum(os.path.getsize(file) for file in files.values()) < 240_000


def test_begun_reviewed_and_committed(netns):
    begun = txn.run(netns, state="begun", interfaces=[BRIDGE])
    assert names(netns) == []
    assert [one["status"] for one in pending.transactions(None, netns)] == ["begun"]
    (listed,) = pending.transactions(begun["transaction"], netns)
    assert listed["review"] == begun["review"]
    done = txn.run(netns, mode="explicit", transaction=begun["transaction"], plan_sha=begun["plan_sha"])
    assert done["review"] == begun["review"]
    assert names(netns) == ["br0"]
    assert txn.left_behind(netns) == []


def test_several_begun_side_by_side(netns):
    first = txn.run(netns, state="begun", interfaces=[BRIDGE])
    second = txn.run(netns, state="begun", interfaces=[OTHER])
    assert first["transaction"] != second["transaction"]
    txn.run(netns, state="dropped", transaction=first["transaction"])
    txn.run(netns, transaction=second["transaction"])
    assert names(netns) == ["br1"]
    assert txn.left_behind(netns) == []


def test_a_begun_one_is_added_to(netns):
    begun = txn.run(netns, state="begun", interfaces=[BRIDGE])
    more = txn.run(netns, state="begun", transaction=begun["transaction"], interfaces=[OTHER])
    assert more["transaction"] == begun["transaction"]
    assert len(more["review"]) == 2 * len(begun["review"])
    txn.run(netns, transaction=begun["transaction"], routes=[{"dst": "198.51.100.0/24", "gateway": "10.0.1.254"}])
    assert names(netns) == ["br0", "br1"]
    assert "198.51.100.0/24" in [route["dst"] for route in iproute2.shown(netns, "ip route")]


def test_a_host_that_has_moved_is_not_changed(netns):
    begun = txn.run(netns, state="begun", interfaces=[BRIDGE])
    iproute2.run(netns, "ip link add br0 type bridge")
    before = txn.network(netns)
    with pytest.raises(task.Refused, match="^plan_sha: the host is not as it was") as refused:
        txn.run(netns, transaction=begun["transaction"], plan_sha=begun["plan_sha"])
    assert refused.value.details["plan_sha"] != begun["plan_sha"]
    assert txn.network(netns) == before
    txn.run(netns, state="dropped", transaction=begun["transaction"])
    assert txn.left_behind(netns) == []


def test_what_goes_along_is_part_of_what_was_reviewed(netns):
    txn.run(netns, interfaces=[BRIDGE])
    begun = txn.run(netns, state="begun", interfaces=[{"name": "br0", "state": "down"}])
    iproute2.run(netns, "ip route add 192.0.2.0/24 via 10.0.0.9")
    with pytest.raises(task.Refused, match="^plan_sha: the host is not as it was") as refused:
        txn.run(netns, transaction=begun["transaction"], plan_sha=begun["plan_sha"])
    (line,) = refused.value.details["review"]
    assert "takes along: 192.0.2.0/24" in line
    assert "192.0.2.0/24" in [route["dst"] for route in iproute2.shown(netns, "ip route")]
    txn.run(netns, state="dropped", transaction=begun["transaction"])
    assert txn.left_behind(netns) == []


@pytest.mark.parametrize("joins", [True, False])
def test_a_bridge_that_follows_its_ports_says_so(netns, joins):
    pair = {"name": "v0", "kind": "veth", "address": "02:00:00:00:00:01", "options": {"peer": {"ifname": "w0"}}}
    txn.run(netns, interfaces=[{**BRIDGE, "addresses": []}, pair])
    if not joins:
        txn.run(netns, interfaces=[{"name": "v0", "master": "br0"}])
    before = iproute2.shown(netns, "ip link show br0")[0]["address"]
    (line,) = txn.run(netns, interfaces=[{"name": "v0", "master": "br0" if joins else ""}])["review"]
    words = "br0 gets the MAC address of v0" if joins else "br0 has no MAC address any more"
    assert f"({words}, which its neighbours have to learn, unless it was given one)" in line
    after = iproute2.shown(netns, "ip link show br0")[0]["address"]
    assert before != after and pair["address"] == (after if joins else before)


def test_a_static_entry_for_the_address_of_a_link_is_somebodys(netns):
    pair = {"name": "v0", "kind": "veth", "master": "br0", "options": {"peer": {"ifname": "w0"}}}
    txn.run(netns, interfaces=[BRIDGE, pair])
    entry = {"mac": iproute2.shown(netns, "ip link show w0")[0]["address"], "dev": "v0"}
    assert txn.run(netns, fdb=[entry])["changed"]
    assert txn.run(netns, fdb=[entry])["review"] == []
    shown = [one for one in iproute2.shown(netns, "bridge fdb show dev v0") if one["mac"] == entry["mac"]]
    assert {one["state"] for one in shown} == {"static"}  # one in each VLAN, where the kernel knows these
    assert txn.run(netns, fdb=[{**entry, "state": "absent"}])["changed"]


def test_what_has_nothing_to_do_with_it_may_move(netns):
    begun = txn.run(netns, state="begun", interfaces=[BRIDGE])
    iproute2.run(netns, "ip link add br9 type bridge", "ip address add 10.9.9.9/24 dev br9")
    assert txn.run(netns, transaction=begun["transaction"], plan_sha=begun["plan_sha"])["changed"]


def test_snapshot_never_changes_anything(netns):
    shown = txn.run(netns, mode="snapshot", interfaces=[BRIDGE])
    assert shown["changed"]
    assert names(netns) == []
    begun = txn.run(netns, mode="snapshot", state="begun", interfaces=[BRIDGE])
    assert begun["review"] == shown["review"]
    assert txn.left_behind(netns) == []


def test_explicit_wants_something_begun(netns):
    with pytest.raises(task.Refused, match="transaction has to name it"):
        txn.run(netns, mode="explicit", interfaces=[BRIDGE])


def test_direct_keeps_what_was_done_before_a_failure(netns):
    wrong = {"name": "br0", "mtu": 99999999}
    txn.run(netns, mode="direct", interfaces=[BRIDGE])
    with pytest.raises(task.Refused, match=r"^interfaces\[1\].*what was done before it stays$"):
        txn.run(netns, mode="direct", interfaces=[OTHER, wrong])
    with pytest.raises(TransactionFailed, match="everything was undone"):
        txn.run(netns, interfaces=[{"name": "br2", "kind": "bridge"}, wrong])
    assert "br2" not in names(netns)
    with pytest.raises(task.Refused, match="^confirm_timeout: mode direct"):
        txn.run(netns, mode="direct", confirm_timeout=5, interfaces=[BRIDGE])


def test_a_failure_leaves_the_network_as_it_was_and_nothing_else(netns):
    txn.run(netns, interfaces=[BRIDGE])
    before = txn.network(netns)
    wanted = [{"name": "br0", "mtu": 1400, "addresses": []}, OTHER, {"name": "br2", "kind": "bridge", "mtu": 99999999}]
    with pytest.raises(TransactionFailed, match=r"^interfaces\[2\]: br2: .*mtu greater than device maximum"):
        txn.run(netns, interfaces=wanted, routes=[{"dst": "198.51.100.0/24", "gateway": "10.0.1.254"}])
    assert txn.network(netns) == before
    assert txn.left_behind(netns) == []


@pytest.mark.parametrize(
    "given,message",
    [
        ({"interfaces": [{"name": "a/b", "kind": "bridge"}]}, r"^interfaces\[0\].name: 'a/b' is not a link's name"),
        ({"interfaces": [BRIDGE, {**OTHER, "options": {"vlan_filtering": 7}}]}, r"^interfaces\[1\].options.vlan_filt"),
        ({"routes": [{"dst": "10.0.0.1/8", "gateway": "10.0.0.2"}]}, r"^routes\[0\].dst: "),
        ({"state": "confirmed"}, "^transaction: which one is to be confirmed"),
        ({"state": "rolled_back", "transaction": "x"}, "^transaction: 'x' is not a UUID"),
        ({"confirm_timeout": 0, "interfaces": [BRIDGE]}, "^confirm_timeout: takes 1 to 86400 seconds, not 0"),
        ({"verify_timeout": -1, "interfaces": [BRIDGE]}, "^verify_timeout: takes 0 and more seconds, not -1"),
        ({"confirm_host": "192.0.2.1", "interfaces": [BRIDGE]}, "^confirm_host: nothing is to be confirmed without"),
        ({"confirm": "later", "interfaces": [BRIDGE]}, "^confirm: nothing is to be confirmed without confirm_timeout"),
        ({"state": "recovered", "interfaces": [BRIDGE]}, "^interfaces: says nothing to state recovered, only to comm"),
        ({"state": "begun", "confirm_timeout": 60}, "^confirm_timeout: says nothing to state begun, only to committed"),
        ({"state": "recovered", "transaction": "x"}, "^transaction: says nothing to state recovered"),
        ({"interfaces": [{"name": "a" * 16, "kind": "bridge"}]}, r"^interfaces\[0\].name: 'a*' has 16 bytes"),
        ({"interfaces": [{"name": "a b", "kind": "bridge"}]}, r"^interfaces\[0\].name: 'a b' is not a link's name"),
        ({"interfaces": [{**BRIDGE, "mtu": -1}]}, r"^interfaces\[0\].mtu: takes 0 to 4294967295, not -1$"),
        ({"interfaces": [{**BRIDGE, "mtu": 99999999}]}, r"^interfaces\[0\].*mtu greater than .*everything was undone$"),
        ({"interfaces": [{**BRIDGE, "address": "52:54"}]}, r"^interfaces\[0\].address: takes six bytes"),
        ({"interfaces": [{**BRIDGE, "addresses": ["10.0.0.1/33"]}]}, r"^interfaces\[0\].addresses\[0\]: '10.0.0.1/33'"),
        (
            {"interfaces": [{**VLAN, "options": {"id": 4095}}]},
            r"^interfaces\[0\].options.id: takes 1 to 4094, not 4095$",
        ),
        ({"interfaces": [{**VLAN, "link": "nobody"}]}, r"^interfaces\[0\].link: there is no link nobody"),
        (
            {"interfaces": [{"name": "x", "kind": "warp"}]},
            r"^interfaces\[0\].kind: warp is not a kind of link",
        ),
        ({"interfaces": [{**BRIDGE, "master": "br1"}, {**OTHER, "master": "br0"}]}, r"^interfaces\[[01]\].*loop"),
        ({"netns": "no-such", "interfaces": [BRIDGE]}, "network namespace no-such: .*No such file or directory$"),
    ],
)
def test_wrong_input_is_named_as_it_was_written(netns, given, message):
    with pytest.raises(task.FAILURES, match=message) as refused:
        txn.run(**{"netns": netns, **given})
    assert "\n" not in str(refused.value)
    assert names(netns) == []
    assert txn.left_behind(netns) == []


@pytest.mark.parametrize("own", [False, True])
def test_who_is_not_root_is_told_what_is_needed(netns, own):
    txn.run(netns, check=True, interfaces=[BRIDGE])  # what is loaded now nobody need not be able to read
    reading, writing = os.pipe()

    def as_nobody() -> None:
        os.setgid(65534)
        os.setuid(65534)
        try:
            txn.run(None if own else netns, interfaces=[BRIDGE])
        except task.Refused as refused:
            os.write(writing, str(refused).encode())

    status = txn.in_child(as_nobody)
    os.close(writing)
    with open(reading, "rb") as pipe:
        said = pipe.read().decode()
    assert status == 0
    assert said.startswith("root is needed (CAP_NET_ADMIN, and /run/")
    assert said.endswith("Permission denied" if own else "setns: Operation not permitted")
    assert names(netns) == []


@pytest.mark.parametrize("state", ["confirmed", "rolled_back"])
def test_there_has_to_be_one(netns, state):
    with pytest.raises(NoSuchTransaction):
        txn.run(netns, state=state, transaction="7a637a44-8935-4395-b5e7-0ce40d31d937")


def test_dropping_what_is_not_there_is_no_change(netns):
    assert not txn.run(netns, state="dropped", transaction="7a637a44-8935-4395-b5e7-0ce40d31d937")["changed"]


def test_exactly_what_is_listed(netns):
    txn.run(netns, interfaces=[BRIDGE, OTHER, {"name": "tap-x", "kind": "tap"}])
    done = txn.run(netns, scope="exact", protect=["tap*"], interfaces=[BRIDGE])
    assert names(netns) == ["br0", "tap-x"]
    assert done["review"] == ["br1: remove"]


def test_two_at_a_time_wait_for_each_other(netns):
    """Four processes, each with a bridge of its own: each is planned on what the one before it left."""

    def commit(number: int) -> None:
        txn.run(netns, interfaces=[{"name": f"br{number}", "kind": "bridge", "state": "up"}])

    import os

    pids = []
    for number in range(4):
        pid = os.fork()
        if not pid:
            status = 1
            try:
                commit(number)
                status = 0
            finally:
                os._exit(status)
        pids.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 4
    assert names(netns) == ["br0", "br1", "br2", "br3"]
    assert txn.left_behind(netns) == []


def test_namespaces_do_not_wait_for_each_other(make_netns):
    one, other = make_netns(), make_netns()
    assert txn.folder(one) != txn.folder(other)
    with lock.locked(txn.folder(one)):
        assert txn.run(other, interfaces=[BRIDGE])["changed"]


def test_a_port_whose_bridge_goes_is_freed_though_it_is_listed(netns):
    iproute2.pair(netns)
    txn.run(netns, interfaces=[BRIDGE, {"name": "v0", "master": "br0"}])
    txn.run(netns, interfaces=[{"name": "br0", "state": "absent"}, {"name": "v0", "mtu": 1400}])
    assert names(netns) == ["v0", "v1"]
    assert txn.run(netns, interfaces=[{"name": "v0", "mtu": 1400, "master": ""}])["review"] == []


def test_what_is_rarely_said_of_rules_and_routes(netns):
    rule = {"priority": 500, "tos": 16, "suppress_prefixlen": 8, "table": "100"}
    route = {"dst": "198.51.100.0/24", "gateway": "10.0.0.254", "advmss": 1360}
    assert txn.run(netns, interfaces=[BRIDGE], rules=[rule], routes=[route])["changed"]
    (shown,) = [one for one in iproute2.shown(netns, "ip -N rule") if one["priority"] == 500]
    assert (int(shown["tos"], 16), shown["suppress_prefixlen"], shown["table"]) == (16, 8, "100")
    (shown,) = [one for one in iproute2.shown(netns, "ip -d route") if one["dst"] == route["dst"]]
    assert shown["metrics"] == [{"advmss": 1360}]
    assert txn.run(netns, interfaces=[BRIDGE], rules=[rule], routes=[route])["review"] == []


def test_an_entry_of_a_vxlan_may_lead_to_another_vni(netns, lacking):
    vxlan = {"name": "vx0", "kind": "vxlan", "options": {"id": 5, "port": 4789}, "state": "up"}
    txn.made(netns, vxlan, lacking)
    entry = {"mac": "02:00:00:00:00:10", "dev": "vx0", "dst": "192.0.2.1", "vni": 7}
    assert txn.run(netns, fdb=[entry])["changed"]
    shown = [one for one in iproute2.shown(netns, "bridge fdb show dev vx0") if one["mac"] == entry["mac"]]
    assert [(one["dst"], one["vni"]) for one in shown] == [("192.0.2.1", 7)]
    assert txn.run(netns, fdb=[entry])["review"] == []
    txn.run(netns, fdb=[{**entry, "state": "absent"}])
    assert not [one for one in iproute2.shown(netns, "bridge fdb show dev vx0") if one["mac"] == entry["mac"]]
