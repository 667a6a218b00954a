# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGKILL around each record of the journal: what was begun is resumed to its end, or removed with nothing left."""

from __future__ import annotations

import copy
import itertools
import os
import signal
import threading
import time
import typing as t
from contextlib import contextmanager, suppress

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.connection import Connection
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.errors import KvmError
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago import journal as journal_file
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.prefix import Prefix
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.wish import Wish
from ansible_collections.fleet.hypervisor.plugins.module_utils.plan import ChangeFailed

from tests.libvirt.lago.conftest import Conf, Host, lab
from tests.libvirt.lago.inside import network_of

Work = t.Callable[[Prefix], t.Any]
RECORDS = 100  # more than any of these actions writes
PARTS = 4  # of an action or a call, between which libvirtd is killed
DOWN = 0.3  # seconds until it comes again


def killed(host: Host, at: int, work: Work) -> bool:
    """Does the work in a process that is killed at its record number `at`. Whether it came to that.

    A record that something was begun is on the disk then, and nothing done; one that it is done is not, and it is.
    """
    child = os.fork()
    if child == 0:
        try:
            _bomb(at)
            work(Prefix(str(host.folder / "lab"), host.settings))
            os._exit(0)
        except BaseException:
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the work failed by itself"
    return os.WIFSIGNALED(status)


def _bomb(at: int) -> None:
    write, count = journal_file._write, [0]

    def counted(file: int, line: bytes) -> None:
        count[0] += 1
        if count[0] == at and any(kind in line for kind in (b',"made",', b',"removed",', b',"ended",')):
            os.kill(os.getpid(), signal.SIGKILL)
        write(file, line)
        if count[0] == at:
            os.kill(os.getpid(), signal.SIGKILL)

    journal_file._write = counted


def points(host: Host, work: Work) -> int:
    """How many records the work writes; it is done then."""
    prefix = host.prefix()
    seen = [len(prefix.standing().things)]
    counted = [0]
    write = journal_file._write

    def count(file: int, line: bytes) -> None:
        counted[0] += 1
        write(file, line)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal_file, "_write", count)
        work(prefix)
    assert counted[0] < RECORDS, seen
    return counted[0]


@pytest.fixture
def conf() -> Conf:
    """Two VMs with all kinds of things, and no more than it takes."""
    made = lab("one", "two")
    made["domains"]["two"]["bootstrap"] = False
    for domain in made["domains"].values():
        domain["nics"].pop()
    del made["nets"]["wire"]
    return made


def up(conf: Conf) -> Work:
    return lambda prefix: prefix.converge(Wish("started", conf))


def whole(host: Host, conf: Conf) -> None:
    with Prefix(str(host.folder / "lab"), host.settings) as prefix:
        assert not prefix.standing().action
        assert {thing.state for thing in prefix.standing().things.values()} == {"made"}
        assert not prefix.plan(Wish("started", conf))
        assert {vm.state() for vm in prefix.virt_env.get_vms().values()} == {"running"}


def gone(host: Host, work: Work) -> None:
    with Prefix(str(host.folder / "lab"), host.settings) as prefix:
        work(prefix)
    assert not (host.folder / "lab").exists()


def test_up(host: Host, conf: Conf) -> None:
    """Each point of the way up, resumed or removed by turns."""
    before = host.look()
    count = points(host, up(conf))
    gone(host, Prefix.destroy)
    assert count > 25
    for at in range(1, count + 1):
        assert killed(host, at, up(conf))
        if at % 3 == 0:
            with Prefix(str(host.folder / "lab"), host.settings) as prefix:
                assert prefix.resume() in ("initialize", "converge", "")
                prefix.converge(Wish("started", conf))
            whole(host, conf)
        gone(host, Prefix.destroy)
        host.check(before)


def test_destroy(host: Host, conf: Conf) -> None:
    """Each point of the way down, resumed or destroyed once more by turns."""
    before = host.look()
    up(conf)(host.prefix())
    count = points(host, Prefix.destroy)
    assert count > 20
    for at in range(1, count + 1):
        with Prefix(str(host.folder / "lab"), host.settings) as prefix:
            up(conf)(prefix)
        assert killed(host, at, Prefix.destroy)
        gone(host, resumed if at % 2 else Prefix.destroy)
        host.check(before)


def resumed(prefix: Prefix) -> None:
    assert prefix.resume() == "destroy"


@pytest.mark.parametrize("action", ["snapshot", "revert"])
def test_a_lab_goes_with_what_was_half_done(host: Host, conf: Conf, action: str) -> None:
    """Killed as it takes a snapshot with memory, or goes back to it: at every other record, it is destroyed at once."""
    before = host.look()
    for at in range(1, RECORDS, 2):
        with host.prefix() as prefix:
            up(conf)(prefix)
            if action == "revert":
                prefix.create_snapshots("x", memory=True)
        died = killed(host, at, WORKS[action])
        gone(host, Prefix.destroy)
        host.check(before)
        if not died:
            break
    assert at > 10


WORKS: dict[str, Work] = {
    "snapshot": lambda prefix: prefix.create_snapshots("x", memory=True),
    "revert": lambda prefix: prefix.revert_snapshots("x"),
    "destroy": Prefix.destroy,
}


def test_a_change(host: Host, conf: Conf) -> None:
    """A VM comes, one goes, one changes as it runs, one disk grows: resumed, all is as wished; given up, as before."""
    changed = copy.deepcopy(conf)
    changed["domains"]["three"] = copy.deepcopy(conf["domains"]["two"])
    changed["domains"]["one"]["disks"].append({"name": "data", "type": "empty", "size": "1M"})
    changed["domains"]["one"]["disks"][0]["size"] = "2M"
    del changed["domains"]["two"]
    prefix = host.prefix()
    prefix.converge(Wish("started", conf))
    count = points(host, up(changed))
    assert count > 15
    for at in (at for at in range(1, count + 1) if at % 3):
        prefix.forget()
        prefix.converge(Wish("started", conf))
        whole(host, conf)
        assert killed(host, at, up(changed))
        prefix.forget()
        if at % 4:
            assert prefix.resume() == "converge" or at == 1 or at == count
            prefix.forget()
            prefix.converge(Wish("started", changed))
            whole(host, changed)


def test_stop(host: Host, conf: Conf) -> None:
    prefix = host.prefix()
    prefix.converge(Wish("started", conf))
    count = points(host, lambda one: one.stop())
    for at in range(1, count + 1):
        prefix.converge(Wish("started", conf))
        assert killed(host, at, lambda one: one.stop())
        prefix.resume()
        prefix.stop()
        assert {vm.state() for vm in prefix.virt_env.get_vms().values()} == {"missing"}
        assert not [one for one in host.look() if one.startswith(("domain", "network", "link lg", "link lt"))]


def test_the_daemon_is_killed_and_comes_again(host: Host, conf: Conf) -> None:
    prefix = host.prefix()
    prefix.converge(Wish("started", conf))
    host.daemon.kill()
    host.daemon.start()
    prefix.close()
    assert not prefix.plan(Wish("started", conf))
    host.daemon.kill()
    prefix.close()
    with pytest.raises(Exception, match="is libvirtd .* running there"):
        prefix.stop()
    host.daemon.start()
    assert prefix.resume() == ""  # it was told that it failed
    prefix.stop()
    assert {vm.state() for vm in prefix.virt_env.get_vms().values()} == {"missing"}


@pytest.mark.parametrize("action", ["up", "revert", "destroy"])
def test_the_daemon_is_killed_meanwhile(host: Host, conf: Conf, action: str) -> None:
    """Before some of the questions that it is asked; what fails then is done again, and ends whole or gone."""
    before = host.look()
    work = {**WORKS, "up": up(conf)}[action]
    failed = []
    for part in range(PARTS + 1):
        with network_of(host.daemon):
            with host.prefix() as prefix:
                prepare(prefix, conf, action)
                if part == 0:
                    count = questions(host, prefix, work)
                else:
                    failed.append(questions(host, prefix, work, count * part // (PARTS + 1)) is None)
            if action != "destroy":
                with host.prefix() as prefix:
                    work(prefix)
                whole(host, conf)
            gone(host, Prefix.destroy)
        host.check(before)
    assert any(failed), "what is under way is told that it failed"


def prepare(prefix: Prefix, conf: Conf, action: str) -> None:
    """Makes what the action starts from."""
    if action != "up":
        up(conf)(prefix)
    if action == "revert":
        prefix.create_snapshots("x", memory=True)


Question = t.Tuple[str, str]  # the class of libvirt-python's object, and the method


@contextmanager
def questions_by(around: t.Callable[[Question, t.Callable[[], t.Any]], t.Any]) -> t.Iterator[None]:
    """What libvirtd is asked, `around` asks."""
    asking = Connection.ask_of

    def ask(self: Connection, thing: t.Any, method: str, *arguments: t.Any) -> t.Any:
        return around((type(thing).__name__, method), lambda: asking(self, thing, method, *arguments))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Connection, "ask_of", ask)
        yield


def questions(host: Host, prefix: Prefix, work: Work, at: int = 0) -> int | None:
    """How many questions libvirtd is asked, which is killed before number `at` and comes again; None: work failed."""
    lock, numbers = threading.Lock(), itertools.count(1)
    again = threading.Timer(DOWN, host.daemon.start)

    def counted(_unused: Question, ask: t.Callable[[], t.Any]) -> t.Any:
        with lock:
            if next(numbers) == at:
                host.daemon.kill()
                again.start()
        return ask()

    with questions_by(counted):
        try:
            work(prefix)
        except (ChangeFailed, KvmError) as error:
            assert at and "libvirt" in str(error), error
            return None
        finally:
            if at:
                again.join()
    return next(numbers)


# What libvirtd does for longest, by the action.
CALLS = [
    ("up", ("virNetwork", "create")),
    ("up", ("virDomain", "create")),
    ("revert", ("virConnect", "restoreFlags")),
    ("destroy", ("virDomain", "destroy")),
    ("destroy", ("virNetwork", "destroy")),
]


@pytest.mark.parametrize(("action", "call"), CALLS)
def test_the_daemon_is_killed_in_a_call(host: Host, conf: Conf, action: str, call: Question) -> None:
    """After parts of the time that it takes; done again the lab is whole, and it goes with what libvirtd forgot."""
    before = host.look()
    work = {**WORKS, "up": up(conf)}[action]
    took = 0.0
    for part in range(PARTS):
        with network_of(host.daemon):
            with host.prefix() as prefix:
                prepare(prefix, conf, action)
                if part == 0:
                    took = length(prefix, work, call)
                else:
                    struck(host, prefix, work, call, took * part / PARTS)
            if action != "destroy" or part % 2:
                with host.prefix() as prefix:
                    (up(conf) if action == "destroy" else work)(prefix)
                whole(host, conf)
            gone(host, Prefix.destroy)
        host.check(before)


def length(prefix: Prefix, work: Work, call: Question) -> float:
    """Seconds that the first such call takes."""
    took = []

    def timed(question: Question, ask: t.Callable[[], t.Any]) -> t.Any:
        begun = time.monotonic()
        try:
            return ask()
        finally:
            if question == call:
                took.append(time.monotonic() - begun)

    with questions_by(timed):
        work(prefix)
    return took[0]


def struck(host: Host, prefix: Prefix, work: Work, call: Question, delay: float) -> None:
    """Kills libvirtd so many seconds after the first such call was begun; it comes again."""
    lock = threading.Lock()
    strikes: list[threading.Timer] = []

    def watched(question: Question, ask: t.Callable[[], t.Any]) -> t.Any:
        with lock:
            if question == call and not strikes:
                strikes.append(threading.Timer(delay, strike, [host]))
                strikes[0].start()
        return ask()

    with questions_by(watched), suppress(ChangeFailed, KvmError):  # the call may have been answered before
        work(prefix)
    (one,) = strikes
    one.join()


def strike(host: Host) -> None:
    host.daemon.kill()
    time.sleep(DOWN)
    host.daemon.start()
