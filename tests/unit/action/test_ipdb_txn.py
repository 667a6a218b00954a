# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back to a host whose network was changed, on a connection that does as it is told."""

from __future__ import annotations

import sys
import time
import types

import pytest

if sys.version_info < (3, 11):
    pytest.skip("action plugins run on the controller, whose Python is 3.11 or newer", allow_module_level=True)

from ansible.errors import AnsibleConnectionFailure
from ansible_collections.fleet.hypervisor.plugins.action import ipdb_txn as action

COMMITTED = {
    "changed": True,
    "pending": True,
    "transaction": "7a637a44-8935-4395-b5e7-0ce40d31d937",
    "confirm_timeout": 1,
    "review": ["br0: create bridge"],
    "diff": {"before": "", "after": "br0\n"},
}

ANSWER = {**COMMITTED, "seconds_left": 0.9}  # of the module


class Connection:
    """Remembers where it was asked to lead, and when it was dropped."""

    transport = "ssh"
    control_path = "/tmp/of-the-old-address"
    option_definitions = {"timeout": {}, "host": {}, "ssh_extra_args": {}, "control_path": {}}

    def __init__(self) -> None:
        self.options = {"timeout": 10, "host": "192.0.2.1", "ssh_extra_args": "-4", "control_path": None}
        self.log = []

    def get_option(self, name):
        return self.options[name]

    def set_option(self, name, value):
        self.options[name] = value

    def reset(self):
        self.log.append(f"reset {self.options['host']}")

    def close(self):
        self.log.append("close")


class Plugin(action.ActionModule):
    """The plugin with a host that answers by `answer(state, connection)`."""

    def __init__(self, args, answer):
        self._task = types.SimpleNamespace(args=args, get_name=lambda: "a task")
        self._connection = Connection()
        self.answer, self.asked = answer, []
        self.task_vars = {}

    def cleanup(self, force=False):
        self._connection.log.append("cleanup")

    def _module(self, args):
        state = "proved" if "proof" in args else args.get("state", "committed")
        self.asked.append((state, self._connection.options["host"]))
        self._connection.log.append(state)
        return self.answer(state, self._connection)


@pytest.fixture
def play(monkeypatch):
    monkeypatch.setattr(action, "PAUSE", 0.01)
    monkeypatch.setattr(action.ActionBase, "run", lambda *_unused: {})

    def run(answer, **args):
        plugin = Plugin(args, answer)
        return plugin, plugin.run(task_vars={})

    return run


def answers(**by_state):
    def answer(state, connection):
        found = by_state[state]
        return found(connection) if callable(found) else dict(found)

    return answer


def cut_off(_connection):
    raise AnsibleConnectionFailure("no route to host")


def test_it_confirms_over_a_connection_that_was_made_after_the_change(play):
    """And after an answer of after the change: who came in before it, and is not heard since, must not confirm."""
    asked = {"changed": False, "pending": True, "proof": "abc"}
    plugin, result = play(
        answers(committed=ANSWER, confirmed=asked, proved={"changed": True, "timings": [1]}), confirm_timeout=1
    )
    assert result == {**COMMITTED, "pending": False, "timings": [1]}
    assert plugin._connection.log == [
        "committed",
        "reset 192.0.2.1",
        "reset 192.0.2.1",
        "confirmed",
        "reset 192.0.2.1",
        "proved",
        "cleanup",
        "reset 192.0.2.1",
    ]


def test_not_heard_again_after_the_answer_it_is_cut_off(play):
    asked = {"changed": False, "pending": True, "proof": "abc"}
    back = {"changed": False, "why": "it was not confirmed in time"}
    _plugin, result = play(answers(committed=ANSWER, confirmed=asked, proved=cut_off, rolled_back=back))
    assert result["failed"]
    assert result["rolled_back"]


def test_a_task_of_its_own_that_confirms_gives_the_proof_that_it_was_given(play):
    asked = {"changed": False, "pending": True, "proof": "abc"}
    plugin, result = play(answers(confirmed=asked, proved={"changed": True}), state="confirmed", transaction="t")
    assert result == {"changed": True}
    assert [state for state, _host in plugin.asked] == ["confirmed", "proved"]


def test_at_another_address_and_then_back_at_the_old_one(play):
    seen = {}

    def confirmed(connection):
        seen.update(connection.options, control_path=connection.control_path)
        return {"changed": True}

    plugin, result = play(answers(committed=ANSWER, confirmed=confirmed), confirm_host="192.0.2.2")
    assert not result["pending"]
    assert plugin.asked == [("committed", "192.0.2.1"), ("confirmed", "192.0.2.2")]
    assert seen["control_path"] is None  # not the shared connection to the old address
    assert seen["timeout"] == action.ATTEMPT
    assert seen["ssh_extra_args"].startswith("-4 -o ServerAliveInterval=")
    assert plugin._connection.options == Connection().options


def test_it_tries_until_it_gets_through(play):
    tries = iter([cut_off, cut_off, lambda _connection: {"changed": True}])

    def confirmed(connection):
        return next(tries)(connection)

    _plugin, result = play(answers(committed=ANSWER, confirmed=confirmed))
    assert not result.get("failed")
    assert not result["pending"]


def test_cut_off_it_waits_and_tells_what_was_taken_back(play):
    back = {"changed": False, "why": "it was not confirmed in time"}
    plugin, result = play(answers(committed=ANSWER, confirmed=cut_off, rolled_back=back), confirm_host="192.0.2.2")
    assert result["failed"]
    assert result["rolled_back"]
    assert not result["changed"]
    assert result["diff"] == COMMITTED["diff"]
    assert result["msg"] == (
        "the host could not be reached within 1 s after its network was changed (no route to host), so it took"
        " everything back by itself and is as it was: br0: create bridge"
    )
    assert plugin.asked[-1] == ("rolled_back", "192.0.2.1")


def test_an_attempt_that_gets_through_when_all_was_taken_back_tells_the_same(play):
    """A slow login: it began before the deadline, and the host could be reached again when it came in."""

    def late(_connection):
        time.sleep(1.0)  # of which the module left 0.9
        why = "it was not confirmed in time"
        return {"failed": True, "rolled_back": True, "why": why, "msg": f"it was rolled back: {why}"}

    plugin, result = play(answers(committed=ANSWER, confirmed=late))
    assert result["failed"]
    assert result["rolled_back"]
    assert result["diff"] == COMMITTED["diff"]
    assert result["msg"] == (
        "the host could not be reached within 1 s after its network was changed (it was rolled back: it was not"
        " confirmed in time), so it took everything back by itself and is as it was: br0: create bridge"
    )
    assert plugin.asked[-1][0] == "confirmed"


def test_a_host_that_never_comes_back_is_told(play, monkeypatch):
    monkeypatch.setattr(action, "COME_BACK", 0.2)
    _plugin, result = play(answers(committed=ANSWER, confirmed=cut_off, rolled_back=cut_off))
    assert result["failed"]
    assert not result["rolled_back"]
    assert result["msg"].endswith("nor 0.2 s after that: no route to host")


@pytest.mark.parametrize("login", [0.0, 1.0], ids=["at once", "after a slow login"])
def test_what_could_not_be_applied_is_told_as_it_is(play, login):
    refused = {"failed": True, "msg": "interfaces[0]: br0: ...", "rolled_back": True}

    def told(_connection):
        time.sleep(login)
        return refused

    _plugin, result = play(answers(committed=ANSWER, confirmed=told))
    assert result == refused


@pytest.mark.parametrize(
    "committed,args",
    [
        ({"changed": False, "pending": False}, {"confirm_timeout": 5}),
        ({"failed": True, "msg": "no"}, {"confirm_timeout": 5}),
        ({**ANSWER}, {"confirm": "later"}),
    ],
)
def test_where_nothing_is_to_be_confirmed_the_connection_stays(play, committed, args):
    plugin, result = play(answers(committed=committed), **args)
    assert result == committed
    assert plugin._connection.log == ["committed"]
