# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is not as wanted when a transaction reads back but settles later, and how the kernel words what it refuses."""

from __future__ import annotations

import threading
import time
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb import apply
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.failures import TransactionFailed
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.picture import Picture
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.channel import NetlinkSocket
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.message import Request

from tests.kernel import iproute2
from tests.kernel.ipdb import tasks as txn

LATE = 0.5  # seconds until the MTU is what it was set to


def tap(netns: str) -> None:
    iproute2.run(netns, "ip tuntap add tap0 mode tap")


def mtu(netns: str) -> int:
    (found,) = [one["mtu"] for one in iproute2.shown(netns, "ip link") if one["ifname"] == "tap0"]
    return found


@pytest.fixture
def unsettled(netns: str, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[threading.Timer]:
    """Something takes the MTU back before it is first read back; the timer, when it runs, sets it for good."""
    tap(netns)
    read = apply.capture
    settle = threading.Timer(LATE, iproute2.run, [netns, "ip link set tap0 mtu 1400"])

    def capture(channel: NetlinkSocket) -> Picture:
        monkeypatch.setattr(apply, "capture", read)
        iproute2.run(netns, "ip link set tap0 mtu 1500")
        settle.start()
        return read(channel)

    monkeypatch.setattr(apply, "capture", capture)
    yield settle
    settle.join()


def test_what_settles_in_time_is_waited_for(netns: str, unsettled: threading.Timer) -> None:
    begin = time.monotonic()
    done = txn.run(netns, interfaces=[{"name": "tap0", "mtu": 1400}], verify_timeout=30)
    assert LATE <= time.monotonic() - begin < 20
    assert done["timings"][-1]["ms"] >= LATE * 900
    assert (done["changed"], done["network"]["links"][0]["mtu"], mtu(netns)) == (True, 1400, 1400)
    assert not txn.run(netns, interfaces=[{"name": "tap0", "mtu": 1400}])["changed"]


@pytest.mark.parametrize("timeout", [0, LATE / 2])
def test_what_does_not_settle_in_time_is_a_failure(netns: str, unsettled: threading.Timer, timeout: float) -> None:
    unsettled.cancel()
    begin = time.monotonic()
    with pytest.raises(TransactionFailed, match="the host still differs .*mtu 1500 -> 1400; everything was undone"):
        txn.run(netns, interfaces=[{"name": "tap0", "mtu": 1400}], verify_timeout=timeout)
    assert time.monotonic() - begin >= timeout
    assert mtu(netns) == 1500
    assert txn.left_behind(netns) == []


def test_the_kernel_names_the_attribute_and_we_the_key_in_the_task(
    netns: str, lacking: t.Callable[[str], None]
) -> None:
    """By the offset of its extended acknowledgement."""
    tap(netns)
    vxlan = {"name": "vx0", "kind": "vxlan", "options": {"id": 5, "port": 4789}}
    txn.made(netns, vxlan, lacking)
    txn.run(netns, interfaces=[{"name": "vx0", "state": "absent"}])
    with pytest.raises(
        TransactionFailed, match=r"^interfaces\[1\]\.mtu: vx0: create vxlan: .*between 68 and 65535.*undone$"
    ):
        txn.run(netns, interfaces=[{"name": "tap0", "state": "up"}, {**vxlan, "mtu": 20}])
    assert {"vx0"}.isdisjoint(iproute2.indexes(netns))


def test_a_gateway_that_the_kernel_does_not_reach_is_named_by_its_words(netns: str) -> None:
    tap(netns)
    routes = [{"dst": "192.0.2.0/24", "type": "blackhole"}, {"dst": "198.51.100.0/24", "gateway": "203.0.113.1"}]
    with pytest.raises(TransactionFailed, match=r"^routes\[1\]\.gateway: .*invalid gateway.*undone$"):
        txn.run(netns, routes=routes)


WAY = {"dst": "198.51.100.0/24", "gateway": "10.0.0.9", "dev": "v0"}
RULE = {"src": "10.0.0.0/24", "table": "100", "priority": 500}


@pytest.mark.parametrize(
    ("table", "item", "whole", "option"),
    [
        ("routes", WAY, b"\x08\0\x05\0", "gateway"),  # struct nlattr: length, RTA_GATEWAY
        ("routes", WAY, b"\x08\0\x04\0", "dev"),  # RTA_OIF
        ("rules", RULE, b"\x08\0\x0f\0", "table"),  # FRA_TABLE
        ("rules", RULE, b"\x08\0\x06\0", "priority"),  # FRA_PRIORITY
    ],
)
def test_the_offset_in_a_route_or_rule_leads_to_the_key_in_the_task(
    netns: str, monkeypatch: pytest.MonkeyPatch, table: str, item: dict[str, t.Any], whole: bytes, option: str
) -> None:
    """An attribute of three bytes, that the kernel's policy wants to have four."""
    iproute2.pair(netns)
    iproute2.run(netns, "ip addr add 10.0.0.1/24 dev v0")
    pack = Request.pack
    short = b"\x07" + whole[1:]
    network = (item.get("src") or item["dst"]).partition("/")[0]

    def packed(self: Request, sequence: int, flags: int = 0) -> bytes:
        ours = self.operation.startswith("RTM_NEW") and network in self.operation
        request = self._replace(body=self.body.replace(whole, short)) if ours else self
        return pack(request, sequence, flags)

    monkeypatch.setattr(Request, "pack", packed)
    other = {"dst": "192.0.2.0/24", "type": "blackhole"} if table == "routes" else {"fwmark": 5, "table": "main"}
    with pytest.raises(TransactionFailed, match=rf"^{table}\[1\]\.{option}: .*attribute .*undone$"):
        txn.run(netns, **{table: [other, item]})


def test_a_neighbours_address_that_does_not_fit_its_link(netns: str) -> None:
    """The kernel says what is wrong with it, and gives no offset."""
    iproute2.pair(netns)
    neighbours = [{"dst": "10.0.0.9", "dev": "v0", "lladdr": "02:00:00:00"}]
    with pytest.raises(TransactionFailed, match=r"^neighbours\[0\]: .*undone$"):
        txn.run(netns, neighbours=neighbours)
