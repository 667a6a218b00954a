# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses on the real kernel, beside what `ip -j addr` shows."""

from __future__ import annotations

import errno

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl import address
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl.numbers import AF_INET, AF_INET6

from tests.kernel import iproute2

WANTED = [
    {"local": "10.0.0.1/24"},
    {"local": "10.0.0.2/24"},  # secondary
    {"local": "10.1.0.1/16", "broadcast": "10.1.255.255", "label": "v0:one", "metric": 77, "scope": "link"},
    {"local": "10.2.0.1", "address": "10.2.0.2", "prefixlen": 32, "noprefixroute": True},
    {"local": "10.3.0.1/24", "valid_life_time": 5000, "preferred_life_time": 3000},
    {"local": "fd00::1/64", "nodad": True},
    {"local": "fd01::1/64", "nodad": True, "home": True, "valid_life_time": 5000, "preferred_life_time": 3000},
    {"local": "fd02::1", "address": "fd02::2", "prefixlen": 128, "noprefixroute": True, "nodad": True},
    {"local": "fd03::1/64", "nodad": True, "mngtmpaddr": True},
    {"local": "fd04::1/64", "nodad": True, "preferred_life_time": 0},  # deprecated
    {"local": "10.4.0.1/24", "preferred_life_time": 0},
]


@pytest.fixture
def device(netns):
    iproute2.pair(netns, quiet=True)
    return 10


def read(rtnl, **filters):
    return rtnl.dump(address.dump(**filters), address.decode)


def add_all(rtnl, device):
    assert rtnl.batch([address.new(device, wanted) for wanted in WANTED]) == [None] * len(WANTED)


def comparable(found):
    """Without what the two tools may see at different times, or iproute2 of Debian 12 does not show."""
    passing = ("valid_life_time", "preferred_life_time", "tentative", "protocol", "index")
    return {name: value for name, value in found.items() if name not in passing}


def test_read_as_ip_shows_them(netns, rtnl, device):
    add_all(rtnl, device)
    theirs = {
        (link["ifindex"], one["local"]): one
        for link in iproute2.shown(netns, "ip -d addr")
        for one in link["addr_info"]
    }
    ours = {(one["index"], one["local"]): one for one in read(rtnl)}
    assert set(ours) == set(theirs)
    assert len(ours) >= len(WANTED)
    for key, one in ours.items():
        assert comparable(one) == comparable(theirs[key])
        for name in ("valid_life_time", "preferred_life_time"):
            assert one[name] == pytest.approx(theirs[key][name], abs=2)


def test_as_wanted(rtnl, device):
    add_all(rtnl, device)
    found = {one["local"]: one for one in read(rtnl, index=device)}
    assert found["10.0.0.2"]["secondary"] is True
    assert found["10.2.0.1"]["address"] == "10.2.0.2"
    assert "address" not in found["10.0.0.1"]
    assert 4990 <= found["fd01::1"]["valid_life_time"] <= 5000
    assert found["fd01::1"]["dynamic"] is True
    assert found["fd04::1"]["deprecated"] is True
    assert found["fd00::1"]["valid_life_time"] == address.FOREVER
    assert (found["10.1.0.1"]["metric"], found["10.1.0.1"]["scope"]) == (77, "link")


def test_what_was_read_can_be_removed_and_put_back(rtnl, device):
    add_all(rtnl, device)
    before = [one for one in read(rtnl, index=device) if one["scope"] != "link" or one["family"] == "inet"]
    rtnl.batch([address.delete(device, one) for one in before])  # a secondary may go with its primary
    assert [one["local"] for one in read(rtnl, index=device) if one in before] == []
    assert rtnl.batch([address.new(device, one) for one in before]) == [None] * len(before)
    after = {one["local"]: comparable(one) for one in read(rtnl, index=device)}
    for one in before:
        assert after[one["local"]] == comparable(one)


def test_the_kernel_filters(netns, rtnl, device):
    add_all(rtnl, device)
    assert {one["index"] for one in read(rtnl, index=device)} == {device}
    assert {one["family"] for one in read(rtnl, family=AF_INET)} == {"inet"}
    both = read(rtnl, index=device, family=AF_INET6)
    assert {(one["index"], one["family"]) for one in both} == {(device, "inet6")}


def test_replace_changes_what_is_there(rtnl, device):
    assert rtnl.batch([address.new(device, "10.0.0.1/24")]) == [None]
    (again,) = rtnl.batch([address.new(device, "10.0.0.1/24")])
    assert again.errno == errno.EEXIST
    assert rtnl.batch([address.new(device, {"local": "10.0.0.1/24", "valid_life_time": 600}, replace=True)]) == [None]
    assert read(rtnl, index=device, family=AF_INET)[0]["valid_life_time"] == pytest.approx(600, abs=2)


def test_refusals_say_what_was_done_to_what(rtnl, device):
    missing, gone = rtnl.batch([address.delete(device, "10.9.9.9/24"), address.new(4711, "10.0.0.1/24")])
    assert missing.errno == errno.EADDRNOTAVAIL
    assert "RTM_DELADDR 10.9.9.9/24 on link 10" in str(missing)
    assert gone.errno == errno.ENODEV
