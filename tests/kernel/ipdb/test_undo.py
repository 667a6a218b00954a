# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Transactions that fail, at every change in turn, leave everything as it was."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb import apply
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.capture import capture
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.failures import Impossible
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.step import Step, touched

from tests.kernel import iproute2
from tests.kernel.ipdb.transactions import Bench, assert_same
from tests.kernel.links import differing


@pytest.fixture
def bench(netns: str) -> t.Iterator[Bench]:
    made = Bench(netns)
    yield made
    made.close()


def tap(name: str, **more: t.Any) -> dict[str, t.Any]:
    return {"name": name, "kind": "tap", "options": {"user": 1}, **more}


BEFORE = {
    "interfaces": [
        {"name": "v0", "kind": "veth", "options": {"peer": {"ifname": "v1"}}, "state": "up",
         "addresses": ["10.0.0.1/24"]},
        {"name": "v1", "state": "up"},
        {"name": "mv0", "kind": "macvlan", "link": "v1", "options": {"mode": "bridge"}},
        tap("tap0", addresses=["10.0.9.1/24", "10.0.9.2/24", "fd09::1/64"], state="up"),
        {"name": "br9", "kind": "bridge", "ports": ["tap0"]},
    ],
    "routes": [{"dst": "192.0.2.0/24", "gateway": "10.0.0.254"}, {"dst": "default", "gateway": "10.0.0.253"}],
    "rules": [{"src": "10.0.0.0/24", "table": "100", "priority": 500}],
    "neighbours": [{"dst": "10.0.0.9", "dev": "v0", "lladdr": "02:00:00:00:00:09"}],
}  # fmt: skip
# Every kind of change: 40 of them and more.
AFTER = {
    "interfaces": [
        {"name": "br0", "kind": "bridge", "state": "up", "addresses": ["10.0.0.1/24", "10.0.0.2/24"], "mtu": 1400},
        {"name": "nic", "select": {"name": "v0"}, "master": "br0", "addresses": [], "mtu": 1400, "alias": "some words"},
        {"name": "v1", "altnames": ["other"], "address": "02:00:00:00:00:31"},
        {"name": "mv0", "state": "absent"},
        {"name": "mv1", "kind": "macvlan", "link": "v1", "options": {"mode": "private"}, "state": "up"},
        {"name": "tap0", "master": "", "state": "down", "addresses": ["10.0.9.2/24", "10.0.9.3/24"]},
        {"name": "br9", "state": "absent"},
        {"name": "vx0", "kind": "vxlan", "options": {"id": 9, "port": 4789}, "master": "br0", "state": "up",
         "port_options": {"hairpin": True}},
        {"name": "w0", "kind": "veth", "options": {"peer": {"ifname": "w1"}}, "state": "up",
         "addresses": ["10.0.8.1/24", "10.0.8.2/24", "10.7.8.1/24", "fd08::1/64", "fd08::2/64"]},
    ],
    "routes": [
        {"dst": "192.0.2.0/24", "gateway": "10.0.0.252"}, {"dst": "default", "gateway": "10.0.0.253", "dev": "br0"},
        {"dst": "198.51.100.0/24", "dev": "br0"}, {"dst": "fd99::/64", "gateway": "fd08::9"},
        {"dst": "203.0.113.0/24", "type": "blackhole", "table": "100"},
    ],
    "rules": [
        {"src": "10.0.0.0/24", "table": "100", "priority": 500, "state": "absent"},
        {"src": "10.0.8.0/24", "table": "100", "priority": 501},
    ],
    "neighbours": [{"dst": "10.0.0.9", "dev": "br0", "lladdr": "02:00:00:00:00:09"}],
}  # fmt: skip


class Broken(Exception):
    pass


def test_the_kernel_refuses_at_every_change_in_turn(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step in turn is one that the kernel refuses; those beside it in the wave are sent all the same."""
    from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl import link

    bench.commit(**BEFORE)
    seen, before = bench.picture(), bench.capture()
    count = sum(len(wave) for wave in bench.plan(**AFTER).waves)
    assert count >= 40
    real = apply.difference
    for number in range(count):
        calls = iter([True])

        def broken(*arguments: t.Any, calls: t.Any = calls, number: int = number, **more: t.Any) -> t.Any:
            waves = real(*arguments, **more)
            if not next(calls, False):
                return waves
            steps = iter(range(count))
            return tuple(tuple(bad(step) if next(steps) == number else step for step in wave) for wave in waves)

        def bad(step: Step) -> Step:
            return step._replace(actions=(link.change(4_000_000, "nobody", mtu=1400),), tolerates=frozenset())

        monkeypatch.setattr(apply, "difference", broken)
        plan = bench.plan(**AFTER)
        with pytest.raises(apply.TransactionFailed, match="No such device.*everything was undone") as caught:
            apply.transact(bench.channel, plan.before, plan.after)
        assert caught.value.undone, caught.value
        monkeypatch.setattr(apply, "difference", real)
        assert_same(bench.capture(), before)
        other = differing(seen, bench.picture())
        assert not other, (number, other)


def test_a_name_that_another_process_took_meanwhile(bench: Bench) -> None:
    bench.commit(**BEFORE)
    seen = bench.picture()
    plan = bench.plan(**AFTER)
    bench.ip("ip link add vx0 type bridge")
    with pytest.raises(apply.TransactionFailed, match=r"interfaces\[7\]: vx0: create vxlan.*File exists"):
        apply.transact(bench.channel, plan.before, plan.after)
    bench.ip("ip link del vx0")
    assert not differing(seen, bench.picture())


def test_a_parent_that_another_process_removed_meanwhile(bench: Bench) -> None:
    bench.commit(**BEFORE)
    plan = bench.plan(interfaces=[
        {"name": "br0", "kind": "bridge", "state": "up"},
        {"name": "mv2", "kind": "macvlan", "link": "v1", "options": {"mode": "bridge"}},
    ])  # fmt: skip
    bench.ip("ip link del v1")
    gone = bench.capture()
    with pytest.raises(apply.TransactionFailed, match=r"interfaces\[1\]: mv2: create macvlan on v1"):
        apply.transact(bench.channel, plan.before, plan.after)
    assert_same(bench.capture(), gone)


def test_what_is_refused_is_told_by_its_place(bench: Bench) -> None:
    plan = bench.plan(interfaces=[{"name": "br0", "kind": "bridge"}, tap("bad", mtu=10)])
    with pytest.raises(apply.TransactionFailed) as caught:
        apply.transact(bench.channel, plan.before, plan.after)
    said = "interfaces[1]: bad: create tun: RTM_SETLINK bad: mtu less than device minimum (Invalid argument)"
    assert str(caught.value) == f"{said}; everything was undone"
    assert bench.names() == set()


def test_it_is_undone_when_what_notes_the_waves_fails(bench: Bench) -> None:
    """The journal's disk is full, or the process is told to end."""
    bench.commit(**BEFORE)
    before = bench.capture()
    plan = bench.plan(**AFTER)
    for last in range(len(plan.waves)):

        def note(number: int, wave: t.Any, last: int = last) -> None:
            if number == last:
                raise Broken

        with pytest.raises(Broken):
            apply.transact(bench.channel, plan.before, plan.after, note)
        assert_same(bench.capture(), before)
        plan = bench.plan(**AFTER)


def test_killed_between_any_two_waves(bench: Bench) -> None:
    """What a journal has of the waves that were begun is enough to come back, however far the last of them got."""
    bench.commit(**BEFORE)
    before = bench.capture()
    for last in range(len(bench.plan(**AFTER).waves)):
        for sent in (False, True):
            plan = bench.plan(**AFTER)
            noted = json.dumps([touched((wave,)) for wave in plan.waves[: last + 1]])
            for wave in plan.waves[: last + sent]:
                assert not apply.send(bench.channel, wave)
            places = [place for some in json.loads(noted) for place in some]
            assert apply.rollback(bench.channel, plan.before, places) == []
            assert_same(bench.capture(), before)


def test_what_others_change_meanwhile_is_named_and_kept(bench: Bench) -> None:
    bench.commit(interfaces=[tap("one"), tap("two")])
    plan = bench.plan(interfaces=[{"name": "one", "mtu": 1400}])

    def note(number: int, wave: t.Any) -> None:
        bench.ip("ip link set two mtu 1300", "ip link add new type bridge")

    outcome = apply.transact(bench.channel, plan.before, plan.after, note)
    assert sorted(line.split(":")[0] for line in outcome.meanwhile) == ["new", "two"]
    bench.roll_back(plan)
    assert (bench.shown("one")["mtu"], bench.shown("two")["mtu"]) == (1500, 1300)
    assert "new" in bench.names()


def test_what_others_add_to_a_link_that_is_changed_is_named(bench: Bench) -> None:
    bench.commit(interfaces=[{**tap("one"), "state": "up"}])
    plan = bench.plan(interfaces=[{"name": "one", "mtu": 1400}])

    def note(number: int, wave: t.Any) -> None:
        bench.ip(
            "ip address add 10.9.0.1/24 dev one",
            "ip neighbour add fd00::9 lladdr 02:00:00:00:00:09 dev one nud permanent",
        )

    outcome = apply.transact(bench.channel, plan.before, plan.after, note)
    assert sorted(line.partition(": ")[0] for line in outcome.meanwhile) == ["neighbour fd00::9  dev one", "one"]


def test_what_others_change_back_is_a_failure(bench: Bench) -> None:
    bench.commit(interfaces=[tap("one"), tap("two")])
    plan = bench.plan(
        interfaces=[{"name": "one", "mtu": 1400}, {"name": "two", "mtu": 1400, "addresses": ["10.0.0.1/24"]}]
    )

    def note(number: int, wave: t.Any) -> None:
        if number == len(plan.waves) - 1:
            bench.ip("ip link set one mtu 1450")

    with pytest.raises(apply.TransactionFailed, match="one: mtu 1450 -> 1400.*everything was undone"):
        apply.transact(bench.channel, plan.before, plan.after, note)
    assert (bench.shown("one")["mtu"], bench.shown("two")["mtu"]) == (1500, 1500)


def test_a_physical_link_that_is_gone_cannot_be_made(bench: Bench) -> None:
    before = capture(bench.channel)
    nic = {**before.links[1], "ifindex": 77, "ifname": "nic", "kind": None, "loopback": False}
    with pytest.raises(Impossible, match="nic is not there, and a physical link cannot be made"):
        apply.transact(bench.channel, before, before._replace(links={**before.links, 77: nic}))


def test_nothing_to_do_sends_nothing(bench: Bench) -> None:
    bench.commit(**BEFORE)
    before = capture(bench.channel)
    outcome = apply.transact(bench.channel, before, before)
    assert outcome.waves == ()
    assert iproute2.indexes(bench.netns)
