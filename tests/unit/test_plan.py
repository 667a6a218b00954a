# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The spine, against a host of names that remembers what was done to it."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.plan import (
    Change,
    ChangeFailed,
    NotConverged,
    Plan,
    converge,
    some,
)


class Host:
    """Actions are words. `refuses` fail; `breaks` ends the run in the middle of their wave."""

    def __init__(self, refuses=(), breaks=(), error=RuntimeError):
        self.refuses, self.breaks, self.error = set(refuses), set(breaks), error
        self.waves = []

    def __call__(self, actions):
        self.waves.append(list(actions))
        outcomes = []
        for action in actions:
            if action in self.breaks:
                raise self.error(f"broke at {action}")
            outcomes.append(OSError(f"no {action}") if action in self.refuses else None)
        return outcomes

    @property
    def done(self):
        return [action for wave in self.waves for action in wave if action not in self.refuses]


def change(name, wave=None, undo="", **more):
    return Change(name, f"make {name}", "", f"{name}  up", f"+{name}", undo or f"-{name}", wave, **more)


def failing(host, *changes):
    with pytest.raises(ChangeFailed) as failed:
        Plan(changes, host).apply()
    return failed.value


def test_changes_of_a_wave_go_together_and_waves_in_order():
    host = Host()
    Plan([change("a", 1), change("b", 1), change("c"), change("d"), change("e", 2), change("f", 1)], host).apply()
    assert host.waves == [["+a", "+b"], ["+c"], ["+d"], ["+e"], ["+f"]]


def test_nothing_to_do_runs_nothing():
    host = Host()
    plan = Plan([], host)
    plan.apply()
    assert not plan
    assert host.waves == []
    assert plan.diff() == {"before": "", "after": ""}


@pytest.mark.parametrize("at", range(5))
def test_a_failure_takes_back_everything_before_it_in_reverse(at):
    names = "abcde"
    host = Host(refuses=[f"+{names[at]}"])
    error = failing(host, *map(change, names))
    assert host.done == [f"+{name}" for name in names[:at]] + [f"-{name}" for name in reversed(names[:at])]
    assert error.change.what == names[at]
    assert [one.what for one in error.undone] == list(reversed(names[:at]))
    assert error.stuck == []


def test_of_a_wave_what_succeeded_is_taken_back_too():
    host = Host(refuses=["+b"])
    error = failing(host, change("z"), change("a", 1), change("b", 1), change("c", 1), change("d", 2))
    assert host.waves == [["+z"], ["+a", "+b", "+c"], ["-c", "-a"], ["-z"]]
    assert str(error) == "b: make b: no +b; undone again: c (make c), a (make a), z (make z)"


def test_the_sentence_names_the_change_the_reason_and_the_place():
    error = failing(Host(refuses=["+a"]), change("a", where="links[3]"))
    assert str(error) == "links[3]: a: make a: no +a; nothing else had been changed"
    assert isinstance(error.__cause__, OSError)


def test_many_names_are_counted():
    names = "abcdefghij"
    error = failing(Host(refuses=["+j"]), *map(change, names))
    assert str(error).endswith("undone again: i (make i), h (make h), g (make g), f (make f), e (make e) and 4 more")


def test_an_undo_that_fails_is_said_and_does_not_stop_the_others():
    host = Host(refuses=["+d", "-b"])
    error = failing(host, *map(change, "abcd"))
    assert host.done == ["+a", "+b", "+c", "-c", "-a"]
    assert str(error) == "d: make d: no +d; undone again: c (make c), a (make a); NOT undone: b (make b): no -b"
    assert [(one.what, why) for one, why in error.stuck] == [("b", "no -b")]


def test_an_undo_that_breaks_is_said_and_does_not_stop_the_others():
    host = Host(refuses=["+c"], breaks=["-b"])
    error = failing(host, *map(change, "abc"))
    assert "undone again: a (make a); NOT undone: b (make b): broke at -b" in str(error)


def test_what_has_no_way_back_is_said():
    host = Host(refuses=["+b"])
    error = failing(host, change("a")._replace(undo=None), change("b"))
    assert str(error) == "b: make b: no +b; NOT undone: a (make a): there is no way back"


def test_what_can_fail_half_done_is_undone_itself():
    host = Host(refuses=["+b"])
    error = failing(host, change("a"), change("b", partly=True))
    assert host.waves == [["+a"], ["+b"], ["-b"], ["-a"]]
    assert [one.what for one in error.undone] == ["a"]


def test_half_of_a_change_that_stays_is_said():
    error = failing(Host(refuses=["+b", "-b"]), change("a"), change("b", partly=True))
    assert str(error) == "b: make b: no +b; undone again: a (make a); NOT undone: b (make b): no -b"


def test_a_run_that_breaks_undoes_its_wave_before_those_below_it():
    host = Host(breaks=["+c"])
    error = failing(host, change("a"), change("b", 1), change("c", 1))
    assert host.waves == [["+a"], ["+b", "+c"], ["-c", "-b"], ["-a"]]
    said = "b: make b (or one of 1 beside it): broke at +c; undone again: c (make c), b (make b), a (make a)"
    assert str(error) == said


def test_what_may_have_been_done_and_cannot_be_undone_is_said():
    error = failing(Host(breaks=["+c", "-c"]), change("a"), change("b", 1), change("c", 1))
    said = (
        "undone again: a (make a); done or not, and not to be undone: c (make c): broke at -c, b (make b): broke at -c"
    )
    assert str(error) == f"b: make b (or one of 1 beside it): broke at +c; {said}"
    assert error.stuck == []


def test_an_interrupt_is_passed_on_after_undoing():
    host = Host(breaks=["+b"], error=KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        Plan([change("a"), change("b")], host).apply()
    assert host.waves[-1] == ["-a"]


def test_a_diff_has_one_line_an_object_from_its_first_state_to_its_last():
    changes = [
        Change("a", "mtu", "a  mtu 1", "a  mtu 2  up", 1),
        Change("b", "create", "", "b  up", 2),
        Change("a", "up", "a  mtu 1", "a  mtu 2  up", 3),
        Change("c", "remove", "c  down", "", 4),
    ]
    plan = Plan(changes, Host())
    assert plan.diff() == {"before": "a  mtu 1\nc  down\n", "after": "a  mtu 2  up\nb  up\n"}
    assert plan.review() == ["a: mtu", "b: create", "a: up", "c: remove"]


class World:
    """A host of which names are there; a plan adds those that are missing."""

    def __init__(self, there="", stubborn=()):
        self.there, self.stubborn, self.looks = set(there), set(stubborn), 0

    def observe(self):
        self.looks += 1
        return frozenset(self.there)

    def run(self, actions):
        self.there |= {action[1:] for action in actions if action[1:] not in self.stubborn}
        return [None] * len(actions)

    def plan(self, state):
        return Plan([change(name) for name in "ab" if name not in state], self.run)


def test_converging_observes_plans_applies_and_verifies():
    world = World()
    made, state = converge(world.observe, world.plan)
    assert [one.what for one in made.changes] == ["a", "b"]
    assert state == {"a", "b"}
    assert world.looks == 2


def test_check_mode_only_looks():
    world = World()
    made, state = converge(world.observe, world.plan, check=True)
    assert bool(made)
    assert state == frozenset()
    assert world.there == set()
    assert world.looks == 1


def test_what_is_right_already_is_looked_at_once():
    world = World("ab")
    made, state = converge(world.observe, world.plan)
    assert not made
    assert state == {"a", "b"}
    assert world.looks == 1


def test_a_host_that_takes_a_change_and_ignores_it_is_noticed():
    world = World(stubborn="b")
    with pytest.raises(NotConverged, match="silently ignores a value.*: b: make b$") as failed:
        converge(world.observe, world.plan)
    assert [one.what for one in failed.value.rest.changes] == ["b"]


def test_the_rest_is_counted():
    words = [str(number) for number in range(7)]
    assert some(words) == "0, 1, 2, 3, 4 and 2 more"
    assert some(words[:5]) == "0, 1, 2, 3, 4"
