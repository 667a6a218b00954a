# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of one interface: all that is its own comes back, and nothing else does."""

from __future__ import annotations

import os
import subprocess
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.difference import difference
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.ipdb import IPDB, MODES
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.snapshots import with_one_as_it_was

from tests.kernel import iproute2
from tests.kernel.ipdb.transactions import Bench

GUEST = os.environ.get("FLEET_KERNEL") == "guest"


@pytest.fixture
def bench(netns: str) -> t.Iterator[Bench]:
    """A bridge `br0` with the port `eth0`, and `eth1`, `tap0` beside it."""
    made = Bench(netns)
    made.ip(*(f"ip tuntap add {name} mode tap" for name in ("tap0", "eth0", "eth1")))
    made.ip("ip link add br0 type bridge", "ip link set eth0 master br0", "ip addr add 10.0.0.1/24 dev tap0")
    yield made
    made.close()


@pytest.fixture
def ip(bench: Bench) -> t.Iterator[IPDB]:
    with IPDB(bench.netns) as opened:
        yield opened


def masters(bench: Bench) -> dict[str, str | None]:
    return {name: bench.shown(name).get("master") for name in ("tap0", "eth0", "eth1")}


def test_all_of_an_interface_comes_back(bench: Bench, ip: IPDB) -> None:
    bench.ip("ip link set tap0 address 02:00:00:00:00:01 alias uplink mtu 1400 up")
    bench.ip("ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev tap0", "ip addr add 10.0.0.2/24 dev tap0")
    seen = bench.picture()
    sid = ip.tap0.snapshot()
    assert ip.tap0.last_snapshot_id() == sid
    with ip.tap0 as i:
        i.ifname, i.address, i.mtu, i.alias, i.master = "vpn", "02:00:00:00:00:02", 1300, "", "br0"
        i.down().del_ip("10.0.0.1/24").add_ip("10.9.0.1/16")
    ip.neighbours.remove(dst="10.0.0.9", dev="vpn")
    ip.commit()
    assert bench.picture() != seen
    assert ip.vpn.revert(sid) is ip.tap0
    assert bench.picture() == seen


def test_all_else_stays(bench: Bench, ip: IPDB) -> None:
    sid = ip.tap0.snapshot()
    with ip.tap0 as i:
        i.mtu = 1400
    bench.ip("ip link set eth1 mtu 1300", "ip link set br0 up", "ip addr add 10.1.0.1/24 dev eth1")
    bench.ip("ip route add blackhole 203.0.113.0/24", "ip link add br1 type bridge")
    seen = bench.picture()
    ip.tap0.revert(sid)
    assert bench.shown("tap0")["mtu"] == 1500
    bench.ip("ip link set tap0 mtu 1400")
    assert bench.picture() == seen


def test_nothing_is_done_where_all_is_as_it_was(bench: Bench, ip: IPDB) -> None:
    bench.ip("ip addr add 10.0.1.1/24 dev br0", "ip addr add 10.0.0.2/24 dev tap0", "ip addr add 10.0.1.2/24 dev br0")
    sid = ip.br0.snapshot()
    now = bench.capture()
    for name in ("br0", "tap0", "eth0", "lo"):
        assert difference(now, with_one_as_it_was(now, ip.picture_of(sid), ip[name].index)) == ()


def test_ports_of_a_bridge_are_those_that_it_had(bench: Bench, ip: IPDB) -> None:
    sid = ip.br0.snapshot()
    with ip.br0 as i:
        i.del_port("eth0").add_port("eth1").add_port("tap0")
    assert masters(bench) == {"tap0": "br0", "eth0": None, "eth1": "br0"}
    ip.br0.revert(sid)
    assert masters(bench) == {"tap0": None, "eth0": "br0", "eth1": None}


def test_of_its_ports_nothing_but_that_they_are_ports_comes_back(bench: Bench, ip: IPDB) -> None:
    sid = ip.br0.snapshot()
    bench.ip("ip link set eth0 nomaster mtu 1300 name left0", "ip addr add 10.1.0.1/24 dev left0")
    ip.br0.revert(sid)
    shown = bench.shown("left0")
    assert (shown["master"], shown["mtu"]) == ("br0", 1300)
    assert bench.addresses("left0") == ["10.1.0.1/24"]


def test_a_port_that_stayed_one_is_left_alone(bench: Bench, ip: IPDB) -> None:
    sid = ip.br0.snapshot()
    bench.ip("bridge link set dev eth0 cost 7", "ip link set eth0 mtu 1300 name port0", "ip link set br0 up")
    ip.br0.revert(sid)
    assert (bench.shown("port0")["mtu"], bench.shown("port0")["master"]) == (1300, "br0")
    assert "UP" not in bench.shown("br0")["flags"]


def test_a_port_that_is_gone_stays_gone(bench: Bench, ip: IPDB) -> None:
    sid = ip.br0.snapshot()
    bench.ip("ip link del eth0", "ip link set br0 up")
    ip.br0.revert(sid)
    assert bench.names() == {"tap0", "eth1", "br0"}
    assert "UP" not in bench.shown("br0")["flags"]


def test_one_that_was_removed_is_made_anew_with_its_ports(bench: Bench, ip: IPDB) -> None:
    bench.ip("ip addr add 10.1.0.1/24 dev br0", "ip link set eth0 mtu 1300")
    bridge = ip.br0
    sid = bridge.snapshot()
    bridge.remove().commit()
    assert "br0" not in bench.names()
    bridge.revert(sid)
    assert bench.addresses("br0") == ["10.1.0.1/24"]
    assert masters(bench)["eth0"] == "br0"


def test_one_that_others_made_anew_is_taken_for_that_of_its_name(bench: Bench, ip: IPDB) -> None:
    bench.ip("ip addr add 10.1.0.1/24 dev br0")
    bridge = ip.br0
    sid = bridge.snapshot()
    bench.ip("ip link del br0", "ip link add br0 type bridge")
    bridge.revert(sid)
    assert bench.addresses("br0") == ["10.1.0.1/24"]
    assert masters(bench)["eth0"] == "br0"
    assert bridge.ipaddr == {("10.1.0.1", 24)}
    assert bridge.index == ip.br0.index


@pytest.mark.parametrize("whole", [True, False])
def test_what_was_the_kernels_choice_comes_back_too(bench: Bench, ip: IPDB, whole: bool) -> None:
    bench.ip("ip link set br0 up", "ip link set eth0 mtu 1400 up")
    seen = bench.picture()
    sid = ip.snapshot()
    with ip.br0 as i:
        i.address, i.mtu = "02:00:00:00:00:42", 1300
    assert bench.shown("br0")["address"] == "02:00:00:00:00:42"
    if whole:
        ip.revert(sid)
    else:
        ip.br0.revert(sid)
    assert bench.picture() == seen


def test_what_a_bridge_keeps_of_a_port_comes_back_with_it(bench: Bench, ip: IPDB) -> None:
    if not GUEST:
        pytest.skip("this machine's bridges know no VLANs; the guest's are tested")
    bench.ip("ip link set br0 type bridge vlan_filtering 1", "bridge link set dev eth0 cost 7")
    bench.ip("bridge vlan add vid 10-12 dev eth0", "bridge fdb add 02:00:00:00:00:10 dev eth0 master static vlan 10")
    seen, vlans = bench.picture(), iproute2.vlans(bench.netns)["eth0"]
    sid = ip.br0.snapshot()
    with ip.br0 as i:
        i.del_port("eth0").add_port("eth1")
    ip.br0.revert(sid)
    assert iproute2.vlans(bench.netns)["eth0"] == vlans
    assert ip.fdb["02:00:00:00:00:10"]["vlan"] == 10
    assert bench.picture() == seen


def test_ports_of_a_bond_are_those_that_it_had(bench: Bench, ip: IPDB) -> None:
    if not GUEST:
        pytest.skip("this machine's kernel has no bond; the guest's is tested")
    subprocess.run(["modprobe", "bonding"], check=True)
    bench.ip("ip link add bond9 type bond mode active-backup", "ip link set bond9 up")
    bench.ip("ip link set eth0 nomaster", "ip link set eth0 master bond9", "ip link set eth1 mtu 1300")
    sid = ip.bond9.snapshot()
    with ip.bond9 as i:
        i.del_port("eth0").add_port("eth1")
    assert masters(bench) == {"tap0": None, "eth0": None, "eth1": "bond9"}
    ip.bond9.revert(sid)
    assert masters(bench) == {"tap0": None, "eth0": "bond9", "eth1": None}
    assert bench.shown("eth1")["mtu"] == 1300


def test_a_link_below_that_is_gone_is_said(bench: Bench, ip: IPDB) -> None:
    bench.ip("ip link add mv0 link tap0 type macvlan")
    above = ip.mv0
    sid = above.snapshot()
    bench.ip("ip link del tap0")
    with pytest.raises(LookupError, match="mv0: tap0, which was its link, is gone"):
        above.revert(sid)


def test_a_master_that_is_gone_is_said(bench: Bench, ip: IPDB) -> None:
    sid = ip.eth0.snapshot()
    bench.ip("ip link del br0", "ip link set eth0 mtu 1300")
    seen = bench.picture()
    with pytest.raises(LookupError, match="eth0: br0, which was its master, is gone"):
        ip.eth0.revert(sid)
    assert bench.picture() == seen


def test_one_that_was_not_there_yet_is_said(bench: Bench, ip: IPDB) -> None:
    sid = ip.snapshot()
    bench.ip("ip link add br1 type bridge")
    with pytest.raises(LookupError, match="br1 was not there"):
        ip.br1.revert(sid)
    assert "br1" in bench.names()


@pytest.mark.parametrize("mode", MODES)
def test_in_each_mode(bench: Bench, mode: str) -> None:
    with IPDB(bench.netns, mode) as ip:
        sid = ip.tap0.snapshot()
        if mode == "explicit":
            ip.tap0.begin()
        ip.tap0.mtu = 1400
        if mode != "direct":
            ip.tap0.commit()
        assert ip.tap0.mtu == 1400
        ip.tap0.revert(sid)
        assert ip.tap0.mtu == 1500
    assert bench.shown("tap0")["mtu"] == 1500
