# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases of subnets: by processes that race and are killed, beside what a host has in use, and nothing is left."""

from __future__ import annotations

import ipaddress
import json
import multiprocessing
import os
import random
import signal
import time

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago import files, host_subnets, subnet_lease
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.errors import LeaseError, LockTimeout
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.subnet_store import Claim, SubnetStore
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.subnets import (
    DEFAULT_POOLS,
    Pool,
    Taken,
    first_free,
    pool,
    pools_of,
)

net = ipaddress.ip_network


@pytest.fixture
def store(tmp_path):
    return SubnetStore(str(tmp_path / "subnets"))


@pytest.fixture
def owner(tmp_path):
    """Makes the file with the uuid of a prefix."""

    def make(name="lab"):
        path = tmp_path / f"{name}.uuid"
        path.write_text(f"uuid-of-{name}")
        return str(path)

    return make


# Which is free


def test_the_default_pools_are_lago_s():
    subnets = [str(one) for item in DEFAULT_POOLS for one in item.network.subnets(new_prefix=24)]
    assert subnets == [f"192.168.{number}.0/24" for number in range(200, 256)]


def free(pools, *taken):
    return str(first_free(pools, [Taken(net(one), "is in use") for one in taken]))


def test_the_first_that_overlaps_nothing():
    pools = [pool("10.0.0.0/22", 24)]
    assert free(pools) == "10.0.0.0/24"
    assert free(pools, "10.0.0.128/25") == "10.0.1.0/24"
    assert free(pools, "10.0.0.0/23") == "10.0.2.0/24"
    assert free(pools, "10.0.1.7/32", "10.0.0.0/24", "fd00::/8") == "10.0.2.0/24"
    assert free([*pools, pool("172.16.0.0/24", 30)], "10.0.0.0/8", "172.16.0.0/30") == "172.16.0.4/30"


def test_random_pools_against_trying_every_subnet():
    source = random.Random(11)
    for _unused in range(300):
        length = source.randint(24, 28)
        pools = [Pool(net("10.0.0.0/22"), length), Pool(net("10.0.8.0/23"), min(length + 2, 30))]
        taken = [
            Taken(net((int(ipaddress.ip_address("10.0.0.0")) + source.randrange(4096), bits), strict=False), "x")
            for bits in source.choices(range(22, 33), k=source.randint(0, 12))
        ]
        every = [one for item in pools for one in item.network.subnets(new_prefix=item.length)]
        expected = next((one for one in every if not any(one.overlaps(item.network) for item in taken)), None)
        if expected is None:
            with pytest.raises(LeaseError):
                first_free(pools, taken)
        else:
            assert first_free(pools, taken) == expected


def test_huge_pools_take_no_longer():
    started = time.monotonic()
    assert free([pool("fd00::/8", 64)], "fd00::/9", "fd80::/64") == "fd80:0:0:1::/64"
    with pytest.raises(LeaseError):
        free([pool("fd00::/8", 64)], "fc00::/7")
    assert time.monotonic() - started < 1


def test_a_refusal_says_what_is_in_the_way():
    taken = [Taken(net("10.0.0.0/24"), "is on the link eth1"), Taken(net("10.0.1.0/24"), "is leased to /lab/uuid")]
    with pytest.raises(LeaseError) as caught:
        first_free([pool("10.0.0.0/23", 24)], taken)
    assert str(caught.value) == (
        "no subnet is free in 10.0.0.0/23 (length 24):"
        " 10.0.0.0/24 is on the link eth1; 10.0.1.0/24 is leased to /lab/uuid"
    )


@pytest.mark.parametrize("wrong", [("10.0.0.0/24", 23), ("10.0.0.0/24", 31), ("10.0.0.1/24", 25), ("x", 24)])
def test_pools_that_cannot_be(wrong):
    with pytest.raises(LeaseError, match="^the pool "):
        pool(*wrong)


# The store


def test_leases_are_taken_one_after_the_other_and_given_back(store, owner):
    lab = owner()
    got = [store.acquire(Claim(lab)) for _unused in range(3)]
    assert [str(one) for one in got] == ["192.168.200.0/24", "192.168.201.0/24", "192.168.202.0/24"]
    assert store.release(got[1]) and not store.release(got[1])
    assert store.acquire(Claim(owner("other"))) == got[1]
    assert not store.release(got[0], uuid_path=owner("other"))
    assert sorted(store.release_all(lab)) == [got[0], got[2]]
    assert [lease.uuid for lease in store.leases()] == ["uuid-of-other"]


def test_what_it_is_for_is_leased_once(store, owner):
    lab = owner()
    first = store.acquire(Claim(lab, use="mgmt"))
    assert store.acquire(Claim(lab, use="mgmt")) == first
    assert store.acquire(Claim(lab, use="data")) != first
    six = store.acquire(Claim(lab, use="mgmt", pools=[pool("fd12:3456:789a::/48", 64)]))
    assert str(six) == "fd12:3456:789a::/64"
    assert store.acquire(Claim(owner("other"), use="mgmt")) not in (first, six)
    assert len(store.leases("uuid-of-lab")) == 3


def test_a_wanted_subnet_of_any_length(store, owner):
    wanted = net("10.99.0.0/20")
    assert store.acquire(Claim(owner(), wanted)) == wanted
    assert store.acquire(Claim(owner(), wanted)) == wanted, "its owner gets it again"
    with pytest.raises(LeaseError, match=r"^10\.99\.0\.0/20 cannot be leased: it is leased to .*lab\.uuid$"):
        store.acquire(Claim(owner("other"), wanted))
    with pytest.raises(LeaseError, match=r"^10\.99\.1\.0/24 cannot be leased: 10\.99\.0\.0/20 is leased to"):
        store.acquire(Claim(owner("other"), net("10.99.1.0/24")))


def test_what_the_host_uses_is_not_leased(store, owner):
    taken = [Taken(net("192.168.192.0/20"), "has a route via 10.0.0.1 by the link eth0")]
    assert str(store.acquire(Claim(owner(), taken=lambda: taken))) == "192.168.208.0/24"
    with pytest.raises(LeaseError, match=r"192\.168\.192\.0/20 has a route via 10\.0\.0\.1 by the link eth0"):
        store.acquire(Claim(owner(), net("192.168.200.0/24"), taken=lambda: taken))


def test_a_lab_that_runs_gets_its_own_subnet_again(store, owner):
    mine = store.acquire(Claim(owner(), use="mgmt"))
    running = [Taken(mine, "is on the link lgdcsyatrdvpu7n")]
    assert store.acquire(Claim(owner(), use="mgmt", taken=lambda: running)) == mine
    assert store.acquire(Claim(owner(), mine, taken=lambda: running)) == mine


def test_a_lease_dies_with_its_prefix(store, owner):
    lab, remade = owner("lab"), owner("remade")
    first, second = store.acquire(Claim(lab)), store.acquire(Claim(remade))
    os.unlink(lab)
    files.write_whole(remade, b"another uuid")
    assert store.leases() == []
    assert store.acquire(Claim(owner("third"))) == first
    assert [str(lease.subnet) for lease in store.leases()] == [str(first)]
    assert not os.path.exists(os.path.join(store.path, f"{second.network_address}-24.lease")), "the dead are removed"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"uuid_path": 1, "uuid": "", "use": ""}', "[" * 50000])
def test_a_lease_that_says_nothing_holds_nobody_up(store, owner, text):
    os.makedirs(store.path)
    with open(os.path.join(store.path, "192.168.200.0-24.lease"), "w") as file:
        file.write(text)
    assert str(store.acquire(Claim(owner()))) == "192.168.200.0/24"


def test_files_of_others_in_the_folder_stay(store, owner):
    os.makedirs(store.path)
    for name in ("200.lease", "README", "x-y.lease"):
        open(os.path.join(store.path, name), "w").close()
    store.release(store.acquire(Claim(owner())))
    assert sorted(os.listdir(store.path)) == ["200.lease", "README", "x-y.lease"]


def test_without_a_uuid_nothing_is_leased(store, tmp_path):
    with pytest.raises(LeaseError, match="is no file with a uuid"):
        store.acquire(Claim(str(tmp_path / "none")))
    assert not os.path.exists(store.path)
    assert store.leases() == [] and store.release_all("x") == [] and not store.release(net("10.0.0.0/24"))


def test_a_lock_that_is_held_is_not_waited_for_for_ever(store, owner):
    os.makedirs(store.path)
    with files.locked(store.path, folder=True), pytest.raises(LockTimeout, match="was not given up"):
        SubnetStore(store.path, timeout=0.05).acquire(Claim(owner()))


def test_a_full_disk_leaves_no_lease(store, owner, monkeypatch):
    def full(_file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.acquire(Claim(owner()))
    assert os.listdir(store.path) == []


# Racing


def lease_some(path: str, key: str, count: int, out: multiprocessing.Queue) -> None:
    store = SubnetStore(path, timeout=120)
    out.put([str(store.acquire(Claim(key))) for _unused in range(count)])


def test_processes_that_race_share_nothing_and_56_fit(store, owner):
    context = multiprocessing.get_context("fork")
    out = context.Queue()
    racing = [context.Process(target=lease_some, args=(store.path, owner(str(n)), 8, out)) for n in range(7)]
    for process in racing:
        process.start()
    got = [subnet for _unused in racing for subnet in out.get(timeout=120)]
    for process in racing:
        process.join(60)
    assert len(got) == len(set(got)) == 56
    with pytest.raises(LeaseError, match="is leased to .* and 53 more$"):
        store.acquire(Claim(owner("late")))
    for number in range(7):
        assert len(store.release_all(owner(str(number)))) == 8
    assert os.listdir(store.path) == []
    assert str(store.acquire(Claim(owner("late")))) == "192.168.200.0/24"


def churn(path: str, key: str) -> None:
    store = SubnetStore(path, timeout=120)
    while True:
        store.release(store.acquire(Claim(key)), key)


def test_processes_that_are_killed_leave_whole_leases_and_no_lock(store, owner):
    context = multiprocessing.get_context("fork")
    source = random.Random(5)
    for round_ in range(8):
        racing = [context.Process(target=churn, args=(store.path, owner(str(n)))) for n in range(2)]
        for process in racing:
            process.start()
        time.sleep(source.uniform(0.02, 0.1))
        for process in racing:
            os.kill(process.pid, signal.SIGKILL)
            process.join()
        for lease in store.leases():
            with open(os.path.join(store.path, f"{lease.subnet.network_address}-24.lease")) as file:
                assert json.load(file)["uuid"] == lease.uuid
        assert store.acquire(Claim(owner(f"after{round_}"))), "the lock was not left"
        store.release_all(owner(f"after{round_}"))
    for number in range(2):
        store.release_all(owner(str(number)))
    assert store.leases() == []
    store.release(store.acquire(Claim(owner("last"))))
    assert os.listdir(store.path) == []


# What the host has


def test_addresses_and_routes_as_they_are_shown():
    links = [
        {
            "ifname": "eth0",
            "addr_info": [{"local": "10.1.2.3", "prefixlen": 24}, {"local": "fe80::1", "prefixlen": 64}],
        },
        {"ifname": "tun0", "addr_info": [{"address": "10.0.0.1", "prefixlen": 32}]},
    ]
    assert host_subnets.of_addresses(links) == [
        Taken(net("10.1.2.0/24"), "is on the link eth0"),
        Taken(net("fe80::/64"), "is on the link eth0"),
    ]
    routes = [
        {"dst": "default", "gateway": "10.1.2.1", "dev": "eth0"},
        {"dst": "0.0.0.0/1", "dev": "tun0"},
        {"dst": "2000::/3", "dev": "eth0"},
        {"dst": "10.0.0.0/8", "type": "blackhole"},
        {"dst": "192.168.0.0/16", "gateway": "10.1.2.9", "dev": "eth0", "type": "unicast"},
        {"dst": "192.168.99.1", "dev": "tun0"},
        {"dst": "fd00::/8", "nexthops": [{"dev": "a"}, {"dev": "b"}]},
    ]
    assert host_subnets.of_routes(routes) == [
        Taken(net("192.168.0.0/16"), "has a route via 10.1.2.9 by the link eth0"),
        Taken(net("192.168.99.1/32"), "has a route by the link tun0"),
        Taken(net("fd00::/8"), "has a route"),
    ]


def test_this_host_is_looked_at():
    assert Taken(net("127.0.0.0/8"), "is on the link lo") in host_subnets.observe()


# Lago's own functions


def test_lago_s_functions(tmp_path, owner, monkeypatch):
    monkeypatch.setenv("LAGO_LEASE_DIR", str(tmp_path / "leases"))
    monkeypatch.setattr(host_subnets, "observe", lambda: [Taken(net("192.168.200.0/24"), "is on the link eth9")])
    lab = owner()
    got = subnet_lease.acquire(lab)
    assert str(got) == "192.168.201.0/24"
    assert subnet_lease.acquire(lab, "192.168.210.0") == net("192.168.210.0/24")
    assert [str(one.subnet) for one in subnet_lease.list_leases("uuid-of-lab")] == [str(got), "192.168.210.0/24"]
    for wrong in ("10.0.0.0/24", "nonsense"):
        with pytest.raises(LeaseError):
            subnet_lease.acquire(lab, wrong)
    subnet_lease.release([got, "192.168.210.0"])
    subnet_lease.release("192.168.210.0")
    assert subnet_lease.list_leases() == []
    assert subnet_lease.is_leasable_subnet("192.168.255.0") and not subnet_lease.is_leasable_subnet("192.168.199.0")
    assert not subnet_lease.is_leasable_subnet("fd00::/64")


def test_pools_as_a_setting_has_them():
    assert pools_of("") == pools_of(" , ") == []
    assert pools_of("10.80.0.0/16 26,fd00:80::/48  64") == [pool("10.80.0.0/16", 26), pool("fd00:80::/48", 64)]
    for wrong in ("10.80.0.0/16", "10.80.0.0/16 x", "10.80.0.0/16 -1", "10.80.0.1/16 24", "10.80.0.0/16 31", "x 24"):
        with pytest.raises(LeaseError, match=f"^the pool {wrong.split()[0]}"):
            pools_of(wrong)
