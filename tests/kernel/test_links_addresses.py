# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of links: exact or added, primaries and secondaries, lifetimes, what the kernel makes and drops."""

from __future__ import annotations

import time

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.links.wanted import WrongLink
from ansible_collections.fleet.hypervisor.plugins.module_utils.plan import ChangeFailed

from tests.kernel.links import Bench


@pytest.fixture
def bench(netns):
    found = Bench(netns)
    found.ip(
        "ip link add v0 type veth peer name v1",
        *(f"ip link set {name} up" for name in ("lo", "v0", "v1")),
    )
    return found


def info(bench: Bench, name: str, local: str) -> dict:
    return next(one for one in bench.shown(name)["addr_info"] if one and one["local"] == local)


def test_exact_removes_the_others_and_keeps_what_the_kernel_made(bench):
    bench.ip("ip address add 10.0.0.9/24 dev v0", "ip address add fd00::9/64 dev v0")
    made = [one["local"] for one in bench.shown("v0")["addr_info"] if one["scope"] == "link"]
    done = bench.predicted(name="v0", addresses=["10.0.0.1/24", "fd00::1/64"])
    assert bench.addresses("v0") == ["10.0.0.1/24", "fd00::1/64"]
    assert [one["local"] for one in bench.shown("v0")["addr_info"] if one["scope"] == "link"] == made != []
    assert done["diff"] == {
        "before": f"v0  netns {bench.netns}  veth  up  addr 10.0.0.9/24  addr fd00::9/64\n",
        "after": f"v0  netns {bench.netns}  veth  up  addr 10.0.0.1/24  addr fd00::1/64\n",
    }
    bench.predicted(name="lo", addresses=[])
    assert [one["local"] for one in bench.shown("lo")["addr_info"]] == ["127.0.0.1", "::1"]


def test_add_leaves_the_others(bench):
    bench.ip("ip address add 10.0.0.9/24 dev v0")
    bench.predicted(name="v0", addresses=["10.1.0.1/24"], addresses_mode="add")
    assert bench.addresses("v0") == ["10.0.0.9/24", "10.1.0.1/24"]
    bench.predicted(name="v0", addresses=[], addresses_mode="add")
    assert bench.addresses("v0") == ["10.0.0.9/24", "10.1.0.1/24"]


def test_a_link_local_address_of_ones_own(bench):
    bench.predicted(name="v0", addresses=["fe80::1/64", "169.254.0.1/16"])
    assert info(bench, "v0", "fe80::1")["scope"] == "link"
    bench.predicted(name="v0", addresses=["fe80::2/64"], addresses_mode="add")
    assert info(bench, "v0", "fe80::1")


@pytest.mark.parametrize("promote", [0, 1])
def test_a_primary_that_goes_leaves_its_secondaries(bench, promote):
    for which in ("all", "v0"):
        bench.sysctl(f"ipv4/conf/{which}/promote_secondaries", promote)
    names = [f"10.0.0.{number}/24" for number in range(1, 5)]
    bench.predicted(name="v0", addresses=names)
    assert [one.get("secondary", False) for one in bench.shown("v0")["addr_info"][:4]] == [False, True, True, True]
    bench.predicted(name="v0", addresses=[names[3], names[2]])
    assert sorted(bench.addresses("v0")) == names[2:]
    bench.predicted(name="v0", addresses=[*names[:1], *names[3:], "10.0.1.1/24"])
    assert sorted(bench.addresses("v0")) == ["10.0.0.1/24", "10.0.0.4/24", "10.0.1.1/24"]
    bench.predicted(name="v0", addresses=[])
    assert bench.addresses("v0") == []


@pytest.mark.parametrize("promote", [0, 1])
def test_a_primary_that_changes_stays_primary(bench, promote):
    for which in ("all", "v0"):
        bench.sysctl(f"ipv4/conf/{which}/promote_secondaries", promote)
    bench.ip(*(f"ip address add 10.0.0.{number}/24 dev v0" for number in (1, 2, 3)))
    wanted = [
        {"address": "10.0.0.1/24", "label": "v0:one"},
        "10.0.0.2/24",
        {"address": "10.0.0.3/24", "noprefixroute": True},
    ]
    done = bench.predicted(name="v0", addresses=wanted)
    assert "label v0:one" in done["diff"]["after"]
    assert info(bench, "v0", "10.0.0.1")["label"] == "v0:one"
    assert not info(bench, "v0", "10.0.0.1").get("secondary")
    assert info(bench, "v0", "10.0.0.2")["secondary"]
    assert info(bench, "v0", "10.0.0.3")["noprefixroute"]


def test_a_secondary_that_is_wanted_alone_survives_two_primaries(bench):
    bench.ip(
        "ip address add 10.0.0.1/24 dev v0", "ip address add 10.0.0.2/24 dev v0", "ip address add 10.0.1.1/24 dev v0"
    )
    bench.predicted(name="v0", addresses=["10.0.0.2/24"])
    assert bench.addresses("v0") == ["10.0.0.2/24"]
    assert not info(bench, "v0", "10.0.0.2").get("secondary")


def test_lifetimes_are_the_same_wish_while_they_run_down(bench):
    wanted = [
        {"address": "10.0.0.1/24", "valid_lft": 1000, "preferred_lft": 500},
        {"address": "fd00::1/64", "valid_lft": 1000},
    ]
    bench.predicted(name="v0", addresses=wanted)
    time.sleep(1.1)
    assert info(bench, "v0", "fd00::1")["valid_life_time"] < 1000
    assert not bench.run(name="v0", addresses=wanted)["changed"]
    done = bench.run(name="v0", addresses=[{**wanted[0], "valid_lft": 800}, wanted[1]])
    assert len(done["changes"]) == 1
    assert 790 < info(bench, "v0", "10.0.0.1")["valid_life_time"] <= 800
    bench.run(name="v0", addresses=[{"address": "10.0.0.1/24", "valid_lft": 0xFFFFFFFF}, "fd00::1/64"])
    assert info(bench, "v0", "10.0.0.1")["valid_life_time"] == 0xFFFFFFFF


@pytest.mark.parametrize("address", ["10.0.0.1/24", "fd00::1/64"])
def test_an_address_that_is_to_be_deprecated_stays_so(bench, address):
    """Of a preferred lifetime of 0 nothing is left to run down."""
    wanted = {"name": "v0", "addresses": [{"address": address, "preferred_lft": 0}]}
    bench.predicted(**wanted)
    assert info(bench, "v0", address.partition("/")[0])["deprecated"]
    assert not bench.run(**wanted)["changed"]
    assert bench.run(name="v0", addresses=[{"address": address, "valid_lft": 200, "preferred_lft": 100}])["changed"]
    assert "deprecated" not in info(bench, "v0", address.partition("/")[0])


@pytest.mark.parametrize("address", ["10.0.0.1/24", "fd00::1/64"])
def test_a_lifetime_that_nobody_speaks_of_fits_the_other(bench, address):
    def left(**more):
        wanted = {"name": "v0", "addresses": [{"address": address, **more}]}
        assert bench.run(**wanted)["changed"]
        assert not bench.run(**wanted)["changed"]
        seen = info(bench, "v0", address.partition("/")[0])
        return seen["valid_life_time"], 0 if "deprecated" in seen else seen["preferred_life_time"]

    for given in ({}, {"valid_lft": 1000, "preferred_lft": 500}):
        bench.run(name="v0", addresses=[])
        left(**given)
        assert all(190 < seconds <= 200 for seconds in left(valid_lft=200))
    assert left(valid_lft=0xFFFFFFFF)[0] == 0xFFFFFFFF
    assert left(preferred_lft=0)[1] == 0
    assert left(metric=7) == (0xFFFFFFFF, 0)  # one of IPv4 too, which the kernel shows as preferred
    assert left(valid_lft=200)[1] == 0


def test_every_property_of_an_address(bench):
    wanted = [
        {"address": "10.0.0.1", "peer": "10.0.0.2", "metric": 7, "scope": "link"},
        {"address": "10.1.0.1/24", "broadcast": "10.1.0.255", "label": "v0:x", "noprefixroute": True},
        {"address": "fd00::1/64", "metric": 9, "noprefixroute": True, "nodad": True},
        {"address": "fd01::1", "peer": "fd01::2"},
        {"address": "127.0.5.1/32"},
    ]
    done = bench.predicted(name="v0", addresses=wanted)
    seen = info(bench, "v0", "10.0.0.1")
    assert (seen["address"], seen["metric"], seen["scope"]) == ("10.0.0.2", 7, "link")
    seen = info(bench, "v0", "10.1.0.1")
    assert (seen["broadcast"], seen["label"], seen["noprefixroute"]) == ("10.1.0.255", "v0:x", True)
    seen = info(bench, "v0", "fd00::1")
    assert (seen["metric"], seen["noprefixroute"], seen["nodad"]) == (9, True, True)
    assert info(bench, "v0", "fd01::1")["address"] == "fd01::2"
    changed = [
        {"address": "10.0.0.1", "peer": "10.0.0.2", "metric": 8, "scope": "global"},
        {"address": "10.1.0.1/24", "broadcast": "10.1.0.0", "label": "v0:y", "noprefixroute": False},
        {"address": "fd00::1/64", "metric": 10, "noprefixroute": False},
        {"address": "fd01::1", "peer": "fd01::3"},
    ]
    again = bench.predicted(name="v0", addresses=changed)
    assert again["diff"]["before"] == done["diff"]["after"]
    assert info(bench, "v0", "10.1.0.1")["label"] == "v0:y"


def test_a_link_that_goes_down_keeps_its_addresses(bench):
    bench.predicted(name="v0", addresses=["10.0.0.1/24", "fd00::1/64", "fd00::2/64"])
    done = bench.predicted(name="v0", state="down")
    assert sorted(bench.addresses("v0")) == ["10.0.0.1/24", "fd00::1/64", "fd00::2/64"]
    assert f"v0 in {bench.netns}: put back address fd00::1/64" in done["changes"]
    bench.predicted(name="v0", state="up")
    bench.predicted(name="v0", state="down", addresses=["fd00::2/64", "fd00::3/64"])
    assert sorted(bench.addresses("v0")) == ["fd00::2/64", "fd00::3/64"]


def test_addresses_that_stay_when_links_go_down_are_no_trouble(bench):
    for which in ("all", "v0"):
        bench.sysctl(f"ipv6/conf/{which}/keep_addr_on_down", 1)
    bench.predicted(name="v0", addresses=["fd00::1/64", "fd00::2/64"])
    bench.predicted(name="v0", state="down", addresses=["fd00::2/64", "fd00::3/64"])
    assert sorted(bench.addresses("v0")) == ["fd00::2/64", "fd00::3/64"]


def test_what_the_kernel_refuses_of_an_address(bench):
    before = bench.picture()
    bench.sysctl("ipv6/conf/v0/disable_ipv6", 1)
    with pytest.raises(
        ChangeFailed, match=r"^v0 in .*: add address fd00::1/64: RTM_NEWADDR fd00::1/64 .*Permission denied"
    ):
        bench.run(name="v0", addresses=["10.0.0.1/24", "fd00::1/64"])
    bench.sysctl("ipv6/conf/v0/disable_ipv6", 0)
    assert [one["addr_info"] for one in bench.picture()[0]] == [one["addr_info"] for one in before[0]]
    with pytest.raises(ChangeFailed, match="add address 10.0.0.1/24 valid 0s: .*Invalid argument"):
        bench.run(name="v0", addresses=[{"address": "10.0.0.1/24", "valid_lft": 0}])


def test_addresses_in_another_namespace(bench, make_netns):
    there = make_netns()
    done = bench.predicted(name="v1", move_to=there, addresses=["10.3.0.1/24"], state="up")
    assert Bench(there).addresses("v1") == ["10.3.0.1/24"]
    assert done["diff"]["after"] == f"v1  netns {there}  veth  up  addr 10.3.0.1/24\n"


def test_an_address_of_no_link(bench):
    with pytest.raises(WrongLink, match="there is no link with name nobody in network namespace"):
        bench.run(name="nobody", addresses=["10.0.0.1/24"])
