# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is not confirmed in time takes itself back, by a process that nobody else has to keep alive."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb import (
    carry,
    deadman,
    lock,
    pending,
    task,
    transaction,
)

from tests.kernel import iproute2
from tests.kernel.ipdb import tasks as txn
from tests.kernel.ipdb.tasks import SLOWER

WANTED = {"interfaces": [{"name": "br0", "kind": "bridge", "state": "up", "addresses": ["10.0.0.1/24"]}]}
REVIEW = ["br0: create bridge", "br0: add address 10.0.0.1/24", "br0: up"]


def there(netns: str) -> bool:
    return "br0" in iproute2.indexes(netns)


def until(condition, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


def committed(netns: str, timeout: int, confirm: str = "later") -> str:
    result = txn.run(netns, confirm_timeout=timeout, confirm=confirm, **WANTED)
    assert result["pending"]
    assert result["changed"]
    return result["transaction"]


def confirmed(netns: str, uuid: str) -> dict:
    """As the action plugin does it for changes that were made after the answer."""
    heard = txn.run(netns, state="confirmed", transaction=uuid)
    assert heard["pending"]
    assert not heard["changed"]
    return txn.run(netns, state="confirmed", transaction=uuid, proof=heard["proof"])


def detached(netns: str, timeout: int) -> str:
    """Committed by a process that has ended, and so as the action plugin does it."""

    def act() -> None:
        os.write(told, committed(netns, timeout, "reconnected").encode())

    heard, told = os.pipe()
    try:
        assert txn.in_child(act) == 0
        return os.read(heard, 100).decode()
    finally:
        os.close(heard)
        os.close(told)


def test_confirmed_in_time_it_stays(netns):
    uuid = committed(netns, 30)
    assert there(netns)
    assert len(txn.guards(txn.folder(netns))) == 1
    result = txn.run(netns, state="confirmed", transaction=uuid)
    assert result["changed"]
    assert [link["ifname"] for link in result["network"]["links"]] == ["br0"]
    assert there(netns)
    assert txn.left_behind(netns) == []


def test_not_confirmed_it_goes_in_time(netns):
    before = txn.network(netns)
    began = time.monotonic()
    uuid = committed(netns, 2)
    armed = time.monotonic()
    until(lambda: not there(netns))
    assert time.monotonic() - began > 1.5
    assert time.monotonic() - armed < 2 + 10 * SLOWER  # what a busy machine may take to wake the guard
    assert txn.network(netns) == before
    until(lambda: not txn.guards(txn.folder(netns)))
    with pytest.raises(task.Refused, match=f"{uuid} was rolled back: it was not confirmed in time") as refused:
        txn.run(netns, state="confirmed", transaction=uuid)
    assert refused.value.details["rolled_back"]
    assert refused.value.details["diff"]["after"].startswith("br0  bridge  up")
    assert txn.left_behind(netns) == []


def test_detached_the_changes_come_after_the_answer(netns):
    """The task is answered first; another process makes the changes when the one that was asked has ended."""
    script = f"""
import sys
sys.path[:0] = {sys.path!r}
from tests.kernel.ipdb import tasks as txn
from tests.kernel.ipdb.tasks import SLOWER
from tests.kernel.ipdb.test_deadman import committed, there
uuid = committed({netns!r}, 30, "reconnected")
print(uuid, there({netns!r}))
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    uuid, seen = done.stdout.split()
    assert seen == "False"
    assert not there(netns)  # nor just after it: what it answered has to get out
    result = confirmed(netns, uuid)
    assert result["review"] == REVIEW
    assert [one["changes"] for one in result["timings"]][-1] == ["read back and compare"]
    assert there(netns)
    assert txn.left_behind(netns) == []


@pytest.mark.parametrize("guess", [None, "0123456789abcdef"])
def test_who_came_in_before_the_change_and_was_not_heard_since_confirms_nothing(netns, guess):
    """What arrives shows that we can be reached, not that our answers get out."""
    before = txn.network(netns)
    uuid = detached(netns, 6 * SLOWER)
    result = txn.run(netns, state="confirmed", transaction=uuid, proof=guess)  # waits until the changes are made
    assert result["pending"]
    assert not result["changed"]
    assert there(netns)
    until(lambda: not there(netns))
    until(lambda: not txn.guards(txn.folder(netns)))
    with pytest.raises(task.Refused, match="it was not confirmed in time"):
        txn.run(netns, state="confirmed", transaction=uuid, proof=result["proof"])
    assert txn.network(netns) == before
    assert txn.left_behind(netns) == []


def test_a_guard_that_is_long_at_its_changes_is_waited_for(netns):
    """However many have knocked meanwhile: who came in before the changes confirms nothing, not even after them."""
    uuid = detached(netns, 60)
    with lock.locked(txn.folder(netns)):  # before it begins: it still waits for the answer to have gone out
        early = threading.Thread(target=lambda: heard.append(txn.run(netns, state="confirmed", transaction=uuid)))
        heard: list[dict] = []
        early.start()
        time.sleep(3 * SLOWER)  # in which more knock than may stand at the door
        assert early.is_alive()
        assert not there(netns)
    early.join()
    assert there(netns)
    assert heard[0]["pending"]
    assert not heard[0]["changed"]
    assert txn.run(netns, state="confirmed", transaction=uuid, proof=heard[0]["proof"])["changed"]
    assert there(netns)
    assert txn.left_behind(netns) == []


def test_detached_and_refused_by_the_kernel(netns):
    def act() -> None:
        interfaces = [*WANTED["interfaces"], {"name": "br1", "kind": "bridge", "mtu": 99999999}]
        result = txn.run(netns, confirm_timeout=20, interfaces=interfaces)
        os.write(told, result["transaction"].encode())

    heard, told = os.pipe()
    assert txn.in_child(act) == 0
    uuid = os.read(heard, 100).decode()
    os.close(heard)
    os.close(told)
    with pytest.raises(task.Refused, match=r"^interfaces\[1\]: br1: .*everything was undone$"):
        txn.run(netns, state="confirmed", transaction=uuid)
    assert not there(netns)
    until(lambda: txn.left_behind(netns) == [])


def test_its_code_and_its_life_do_not_depend_on_who_asked(netns):
    """The task's process group is killed, as a session's end does, while the guard waits."""
    assert (
        txn.in_child(lambda: (os.setsid(), committed(netns, 5 * SLOWER), os.killpg(0, signal.SIGKILL)))
        == signal.SIGKILL
    )
    assert there(netns)
    (guard,) = txn.guards(txn.folder(netns))
    assert os.getsid(int(guard.split()[1])) != os.getsid(0)
    until(lambda: not there(netns))
    until(lambda: not txn.guards(txn.folder(netns)))
    txn.run(netns, state="recovered")
    assert txn.left_behind(netns) == []


def test_killed_before_it_is_done_the_guard_takes_back_the_half(netns):
    def act() -> None:
        txn.run(netns, confirm_timeout=5 * SLOWER, confirm="later", **WANTED)

    before = txn.network(netns)
    assert txn.killed_after_sends(1, act)
    assert there(netns)
    until(lambda: not there(netns))
    assert txn.network(netns) == before
    until(lambda: not txn.guards(txn.folder(netns)))
    txn.run(netns, state="recovered")
    assert txn.left_behind(netns) == []


def test_while_one_waits_no_other_is_committed(netns):
    uuid = committed(netns, 60)
    with pytest.raises(task.Refused, match=f"{uuid} waits to be confirmed, or rolls back in [1-6][0-9] s"):
        txn.run(netns, interfaces=[{"name": "br1", "kind": "bridge"}])
    listed = pending.transactions(None, netns)
    assert [(one["transaction"], one["status"], one["guard"]) for one in listed] == [
        (uuid, "pending", listed[0]["guard"])
    ]
    assert listed[0]["guard"] in ("systemd", "session")
    assert 60 - 10 * SLOWER < listed[0]["seconds_left"] <= 60
    assert listed[0]["review"] == REVIEW
    back = txn.run(netns, state="rolled_back", transaction=uuid)
    assert back["changed"]
    assert back["diff"]["before"].startswith("br0  bridge  up")
    assert not there(netns)
    assert txn.left_behind(netns) == []


def test_taken_back_before_its_changes_the_guard_waits_for_nobody(netns, monkeypatch):
    """It would wait for us, who asked and live on, for longer than anybody."""
    patient = [(name, source.replace(b"\nGONE = 10.0", b"\nGONE = 3600.0")) for name, source in carry._sources()]
    assert patient != list(carry._sources())
    monkeypatch.setattr(carry, "_sources", lambda: iter(patient))
    uuid = committed(netns, 3600, "reconnected")
    (guard,) = txn.guards(txn.folder(netns))
    back = txn.run(netns, state="rolled_back", transaction=uuid)
    until(lambda: ended(guard.split()[1]))
    assert not back["changed"]
    assert not there(netns)
    assert txn.left_behind(netns) == []


def test_recovery_leaves_what_is_watched(netns):
    uuid = committed(netns, 60)
    assert txn.run(netns, state="recovered")["waiting"] == [uuid]
    assert there(netns)
    txn.run(netns, state="confirmed", transaction=uuid)


def ended(pid):
    """Whether all that a process held is free: its command line is, some moments before its locks are."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_guard_that_was_killed_is_no_excuse(netns):
    """Nobody would take it back any more: recovery does."""
    committed(netns, 60)
    (guard,) = txn.guards(txn.folder(netns))
    os.kill(int(guard.split()[1]), signal.SIGKILL)
    until(lambda: ended(guard.split()[1]))
    result = txn.run(netns, state="recovered")
    assert [one["outcome"] for one in result["recovered"]] == ["rolled_back"]
    assert not there(netns)
    assert txn.left_behind(netns) == []


def test_confirming_and_taking_back_exclude_each_other(netns):
    """Around the deadline one of both happens, and what is told is what is."""
    for _unused in range(3):
        uuid = committed(netns, 1)
        with transaction.find(txn.folder(netns), uuid) as mine:
            time.sleep(max(0.0, deadman.left(mine) - 0.005))
        try:
            txn.run(netns, state="confirmed", transaction=uuid)
            assert there(netns)
            txn.run(netns, interfaces=[{"name": "br0", "state": "absent"}])
        except task.Refused as refused:
            assert "was rolled back" in str(refused)
            assert not there(netns)
        until(lambda: txn.left_behind(netns) == [])  # a guard that took it back tells the neighbours once more


def test_without_a_guard_nothing_is_changed(netns, monkeypatch):
    monkeypatch.setattr(deadman, "START", 0.3)
    monkeypatch.setattr(deadman, "_start", lambda *_unused: "session")
    with pytest.raises(deadman.NotGuarded):
        committed(netns, 5)
    assert not there(netns)
    assert txn.left_behind(netns) == []
