# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sessions of pyroute2's documentation of IPDB, as they are printed there, and what later versions had beyond."""

from __future__ import annotations

import os
import threading
import time
import typing as t
import uuid

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.failures import TransactionFailed
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.ipdb import IPDB, ipdb
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.errors import NetlinkTimeout
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.netns import opened_in

from tests.kernel import iproute2
from tests.kernel.ipdb.transactions import Bench

GUEST = os.environ.get("FLEET_KERNEL") == "guest"


@pytest.fixture
def bench(netns: str) -> t.Iterator[Bench]:
    """A namespace with `tap0`, and `eth0` and `eth1` that lead to nowhere."""
    made = Bench(netns)
    made.ip(*(f"ip tuntap add {name} mode tap" for name in ("tap0", "eth0", "eth1")))
    yield made
    made.close()


def open_in(bench: Bench, mode: str = "implicit") -> IPDB:
    """As a program in that namespace would open it, which names none."""
    return opened_in(bench.netns, lambda: ipdb(netns=None, mode=mode))


@pytest.fixture(params=["direct", "implicit", "explicit", "snapshot"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


def test_the_first_session(bench: Bench) -> None:
    bench.ip("ip link set tap0 up")
    ip = open_in(bench, mode="direct")
    ip.tap0.down()
    assert "UP" not in bench.shown("tap0")["flags"]
    ip.tap0.address = "00:11:22:33:44:55"
    ip.tap0.ifname = "vpn"
    ip.vpn.up()
    ip.vpn.add_ip("10.0.0.1", 24)
    ip.vpn.add_ip("10.0.0.2", 24)
    shown = bench.shown("vpn")
    assert shown["address"] == "00:11:22:33:44:55"
    assert "UP" in shown["flags"]
    assert bench.addresses("vpn") == ["10.0.0.1/24", "10.0.0.2/24"]
    assert bench.names() == {"vpn", "eth0", "eth1"}
    assert "tap0" not in ip


def test_the_explicit_session(bench: Bench) -> None:
    ip = open_in(bench, mode="explicit")
    assert isinstance(ip.tap0.begin(), uuid.UUID)
    ip.tap0.up()
    ip.tap0.address = "00:11:22:33:44:55"
    ip.tap0.add_ip("10.0.0.1", 24)
    ip.tap0.add_ip("10.0.0.2", 24)
    assert ip.tap0.review() == {
        "+ipaddr": {("10.0.0.2", 24), ("10.0.0.1", 24)},
        "-ipaddr": set(),
        "address": "00:11:22:33:44:55",
        "flags": 4099,
    }
    assert bench.addresses("tap0") == []
    ip.tap0.commit()
    assert bench.addresses("tap0") == ["10.0.0.1/24", "10.0.0.2/24"]
    assert bench.shown("tap0")["address"] == "00:11:22:33:44:55"
    assert "UP" in bench.shown("tap0")["flags"]


def test_interfaces_are_dictionaries(bench: Bench) -> None:
    bench.ip("ip link set tap0 up")
    before = bench.picture()
    ip = open_in(bench)
    ip["tap0"].down()
    ip["tap0"]["address"] = "00:11:22:33:44:55"
    review = ip.tap0.last().review()
    assert review.pop("flags") & 1 == 0  # no longer up; what is beside depends on the kernel
    assert review == {"+ipaddr": set(), "-ipaddr": set(), "address": "00:11:22:33:44:55"}
    assert bench.picture() == before
    ip["tap0"].commit()
    assert "UP" not in bench.shown("tap0")["flags"]
    assert ip["tap0"]["address"] == bench.shown("tap0")["address"] == "00:11:22:33:44:55"
    assert ip[ip.tap0.index] is ip.tap0
    assert {"tap0", "eth0", "eth1", "lo"} <= set(ip)


def test_the_context_manager(bench: Bench) -> None:
    ip = open_in(bench)
    with ip.tap0 as i:
        i.address = "00:11:22:33:44:55"
        i.ifname = "vpn"
        i.add_ip("10.0.0.1", 24)
        i.add_ip("10.0.0.1", 24)
    assert bench.addresses("vpn") == ["10.0.0.1/24"]
    assert bench.shown("vpn")["address"] == "00:11:22:33:44:55"
    assert bench.names() == {"vpn", "eth0", "eth1"}


def test_a_context_manager_drops_on_an_exception(bench: Bench, mode: str) -> None:
    ip = open_in(bench, mode)
    with pytest.raises(ZeroDivisionError):
        with ip.tap0 as i:
            i.ifname = "vpn"
            raise ZeroDivisionError
    assert "vpn" not in bench.names()
    with pytest.raises(LookupError):
        ip.tap0.last()


def test_creation(bench: Bench) -> None:
    ip = open_in(bench)
    with ip.create(kind="bridge", ifname="control") as i:
        i.add_port(ip.eth0)
        i.add_port(ip.eth1)
        i.add_ip("10.0.0.1/24")  # the same as i.add_ip('10.0.0.1', 24)
    assert bench.addresses("control") == ["10.0.0.1/24"]
    assert [bench.shown(name)["master"] for name in ("eth0", "eth1")] == ["control", "control"]
    assert ip.control.ports == {ip.eth0.index, ip.eth1.index}


@pytest.mark.parametrize(
    ("kind", "module", "options", "shown"),
    [
        ("dummy", "dummy", {}, {}),
        ("bond", "bonding", {"bond_mode": "active-backup"}, {"mode": "active-backup"}),
        ("vlan", "8021q", {"link": "tap0", "vlan_id": 101}, {"id": 101}),
    ],
)
def test_the_other_kinds(bench: Bench, kind: str, module: str, options: dict, shown: dict) -> None:
    if not GUEST:
        pytest.skip(f"this machine's kernel has no {kind}; the guest's is tested")
    import subprocess

    subprocess.run(["modprobe", module], check=True)
    ip = open_in(bench)
    if kind == "vlan":
        options = {**options, "link": ip.tap0}
    with ip.create(kind=kind, ifname="new0", **options) as i:
        i.add_ip("10.0.0.1/24")
    assert shown.items() <= bench.data("new0").items()
    assert bench.addresses("new0") == ["10.0.0.1/24"]


def test_what_each_mode_sends(bench: Bench, mode: str) -> None:
    ip = open_in(bench, mode)
    if mode == "explicit":
        with pytest.raises(TypeError, match="begin"):
            ip.tap0.mtu = 1400
        ip.tap0.begin()
    ip.tap0.mtu = 1400
    assert bench.shown("tap0")["mtu"] == (1400 if mode == "direct" else 1500)
    if mode != "direct":
        ip.tap0.commit()
    assert bench.shown("tap0")["mtu"] == (1500 if mode == "snapshot" else 1400)
    assert ip.tap0.mtu == 1400


def test_what_mode_snapshot_makes_is_there_to_be_read_and_changed(bench: Bench) -> None:
    ip = open_in(bench, mode="snapshot")
    ip.create(kind="bridge", ifname="br0", br_stp_state=1).add_ip("10.0.0.1/24").commit()
    made = ip.br0
    assert (made.flags, made.mtu, made.txqlen, made.kind) == (0, None, None, "bridge")
    assert made.ipaddr == {("10.0.0.1", 24)}
    made.up()
    assert made.review() == {"+ipaddr": set(), "-ipaddr": set(), "flags": 1}
    made.mtu = 1400
    made.add_port("tap0").commit()
    assert (made.flags, made.mtu, made.ports) == (1, 1400, {ip.tap0.index})
    bench.ip("ip link add other type bridge")  # gets the index that the one made here has
    assert made.flags == 1
    broadcast_multicast_up = 0x2 | 0x1000 | 0x1
    assert ip.tap0.up().flags == broadcast_multicast_up
    made.wait(timeout=5, mtu=1400)
    assert "br0" not in bench.names()


def test_transactions_side_by_side(bench: Bench) -> None:
    ip = open_in(bench, mode="explicit")
    first = ip.tap0.begin()
    ip.tap0.mtu = 1400
    second = ip.tap0.begin()
    ip.tap0.add_ip("10.0.0.1/255.255.255.0")
    assert ip.tap0.review(first) == {"+ipaddr": set(), "-ipaddr": set(), "mtu": 1400}
    assert ip.tap0.review(second) == {"+ipaddr": {("10.0.0.1", 24)}, "-ipaddr": set()}
    ip.tap0.drop(second)
    ip.tap0.commit(first)
    assert bench.addresses("tap0") == []
    assert bench.shown("tap0")["mtu"] == 1400
    with pytest.raises(LookupError):
        ip.tap0.commit(first)


def test_transactions_of_the_host_side_by_side(bench: Bench) -> None:
    ip = open_in(bench, mode="explicit")
    with pytest.raises(TypeError, match="begin"):
        ip.rules.add(priority=500, table=100)
    first, second, third = ip.begin(), ip.begin(), ip.begin()
    ip.rules.add(priority=503, table=100)
    assert ip.review(third)["rules"][0]["priority"] == 503
    ip.last().drop()
    ip.rules.add(priority=502, table=100)
    ip.tap0.begin()
    ip.tap0.mtu = 1400
    ip.drop(second)
    ip.rules.add(priority=501, table=100)
    assert bench.capture().rules == ip.picture.rules
    ip.commit(first)
    assert [one["priority"] for one in ip.rules.filter(table=100)] == [501]
    assert bench.shown("tap0")["mtu"] == 1500
    for gone in (first, second, third):
        with pytest.raises(LookupError):
            ip.commit(gone)
    ip.begin()
    ip.rules.remove(priority=501, table=100)
    ip.last().commit()
    assert not ip.rules.filter(table=100)
    ip.drop(ip.tap0.last().uid)
    assert not ip.open_transactions()


def test_what_was_to_be_made_and_is_dropped_can_be_begun_anew(bench: Bench) -> None:
    ip = open_in(bench)
    ip.create(kind="bridge", ifname="br0").drop()
    assert "br0" not in ip
    ip.create(kind="bridge", ifname="br0").last().commit()
    assert "br0" in bench.names()


def test_what_is_taken_away(bench: Bench) -> None:
    bench.ip("ip addr add 10.0.0.1/24 dev tap0", "ip addr add 10.0.0.2/24 dev tap0")
    ip = open_in(bench)
    ip.tap0.del_ip("10.0.0.1/24").del_ip("10.0.0.2", 24)
    ip.tap0.add_ip("10.0.0.3/24")
    assert ip.tap0.review()["-ipaddr"] == {("10.0.0.1", 24), ("10.0.0.2", 24)}
    ip.commit()
    assert bench.addresses("tap0") == ["10.0.0.3/24"]
    with ip.create(kind="bridge", ifname="br0") as i:
        i.add_port(ip.tap0)
    with ip.br0 as i:
        i.del_port("tap0")
    assert "master" not in bench.shown("tap0")
    ip.br0.remove().commit()
    assert "br0" not in bench.names()
    assert "br0" not in ip


def test_all_open_transactions_are_one(bench: Bench) -> None:
    ip = open_in(bench)
    bridge = ip.create(kind="bridge", ifname="br0").up().add_ip("10.0.0.1/24")
    bridge.add_port("eth0")
    ip.eth0.mtu = 1400
    ip.eth0.up()
    ip.routes.add(dst="192.0.2.0/24", gateway="10.0.0.254")
    ip.rules.add(src="10.0.0.0/24", table=100, priority=500)
    ip.neighbours.add(dst="10.0.0.9", lladdr="02:00:00:00:00:09", dev="br0")
    review = ip.review()
    assert set(review["interfaces"]) == {"br0", "eth0"}
    assert review["interfaces"]["eth0"]["mtu"] == 1400
    assert bench.names() == {"tap0", "eth0", "eth1"}
    ip.commit()
    assert bench.shown("eth0")["master"] == "br0"
    assert ip.routes["192.0.2.0/24"]["dev"] == "br0"
    assert ip.rules[500]["table"] == 100
    assert ip.neighbours["10.0.0.9"]["lladdr"] == "02:00:00:00:00:09"
    ip.routes.remove("192.0.2.0/24")
    ip.rules.remove(priority=500, src="10.0.0.0/24")
    ip.neighbours.remove(dst="10.0.0.9", dev="br0")
    ip.commit()
    assert (len(ip.routes), len(ip.rules), len(ip.neighbours)) == (0, 0, 0)


def test_a_failure_leaves_everything_as_it_was(bench: Bench) -> None:
    ip = open_in(bench)
    seen = bench.picture()
    ip.create(kind="bridge", ifname="br0").up()
    ip.tap0.mtu = 1
    with pytest.raises(TransactionFailed, match="everything was undone") as caught:
        ip.commit()
    assert "mtu" in str(caught.value)
    assert bench.picture() == seen
    ip.drop()
    assert "br0" not in ip


def test_snapshots(bench: Bench) -> None:
    bench.ip("ip addr add 10.0.0.1/24 dev tap0", "ip link add br0 type bridge", "ip link set eth0 master br0")
    ip = open_in(bench, mode="direct")
    seen = bench.picture()
    sid = ip.snapshot()
    assert ip.last_snapshot_id() == sid
    ip.tap0.ifname = "vpn"
    ip.vpn.del_ip("10.0.0.1/24")
    ip.br0.remove()
    ip.routes.add(dst="203.0.113.0/24", type="blackhole")
    ip.vpn.revert(sid)
    assert bench.addresses("tap0") == ["10.0.0.1/24"]
    assert "br0" not in bench.names()
    ip.revert(sid)
    assert bench.picture() == seen


def test_a_removed_link_made_anew_is_the_same_for_a_snapshot(bench: Bench) -> None:
    bench.ip("ip link add br0 type bridge", "ip addr add 10.0.0.1/24 dev br0")
    ip = open_in(bench)
    sid = ip.snapshot()
    bench.ip("ip link del br0", "ip link add br0 type bridge")
    ip.revert(sid)
    assert bench.addresses("br0") == ["10.0.0.1/24"]


def test_waiting(bench: Bench) -> None:
    ip = open_in(bench)
    with pytest.raises(NetlinkTimeout, match="mtu 1400"):
        ip.tap0.wait(timeout=0.2, mtu=1400)
    bench.ip("ip link set tap0 mtu 1400", "ip addr add 10.0.0.1/24 dev tap0")
    ip.tap0.wait(timeout=5, mtu=1400)
    ip.tap0.wait_ip("10.0.0.1", timeout=5)
    with pytest.raises(NetlinkTimeout):
        ip.tap0.wait_ip("10.0.0.1", mask=16, timeout=0.2)


def named(bench: Bench) -> IPDB:
    return ipdb(bench.netns)


@pytest.mark.parametrize("opened", [named, open_in])
@pytest.mark.parametrize(
    ("line", "wait"),
    [
        ("ip link set tap0 mtu 1400", lambda ip: ip.tap0.wait(timeout=20, mtu=1400)),
        ("ip addr add 10.0.0.1/24 dev tap0", lambda ip: ip.tap0.wait_ip("10.0.0.1", timeout=20)),
    ],
)
def test_waiting_for_what_becomes_true_later(
    bench: Bench, line: str, wait: t.Callable[[IPDB], object], opened: t.Callable[[Bench], IPDB]
) -> None:
    with opened(bench) as ip:
        begin = time.monotonic()
        later = threading.Timer(0.4, bench.ip, [line])
        later.start()
        wait(ip)
        assert 0.4 <= time.monotonic() - begin < 10
        later.join()


@pytest.mark.parametrize("opened", [named, open_in])
def test_what_is_made_by_a_device_file_is_made_where_it_was_opened(
    bench: Bench, opened: t.Callable[[Bench], IPDB]
) -> None:
    with opened(bench) as ip:
        ip.create(kind="tap", ifname="tap1").commit()
    assert "tap1" in bench.names()


def test_vlans_of_a_port(bench: Bench) -> None:
    if not GUEST:
        pytest.skip("this machine's bridges know no VLANs; the guest's are tested")
    ip = open_in(bench)
    ip.create(kind="bridge", ifname="br0", br_vlan_filtering=1).add_port("eth0").commit()
    with ip.eth0 as i:
        i.add_vlan(10).add_vlan(11, "pvid", "untagged").del_vlan(1)
    assert iproute2.vlans(bench.netns)["eth0"] == [
        {"vlan": 10},
        {"vlan": 11, "flags": ["PVID", "Egress Untagged"]},
    ]
    ip.fdb.add(mac="02:00:00:00:00:10", dev="eth0", vlan=10)
    ip.commit()
    assert ip.fdb["02:00:00:00:00:10"]["vlan"] == 10


def test_what_cannot_be_meant(bench: Bench) -> None:
    with pytest.raises(ValueError, match="mode"):
        IPDB(mode="bold")
    ip = open_in(bench)
    with pytest.raises(AttributeError):
        ip.nothing  # noqa: B018
    with pytest.raises(KeyError):
        ip.tap0["colour"] = "green"
    with pytest.raises(TypeError):
        ip.tap0.flags = 1
    with pytest.raises(ValueError, match="already"):
        ip.create(kind="bridge", ifname="tap0")
    ip.tap0.add_port("nothing")
    with pytest.raises(ValueError, match="nothing"):
        ip.commit()
