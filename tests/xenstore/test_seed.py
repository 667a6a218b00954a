# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sessions of pyxs's documentation, as they are printed there, against real daemons."""

from __future__ import annotations

import errno
import itertools
import sys
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore import compat, connection, pyxs
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.monitor import Event
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.pyxs import Client, PyXSError, Router, monitor

from tests.xenstore.conftest import AnyDaemon, connection_to


@pytest.fixture(autouse=True)
def at_home(daemon: AnyDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """`Client()` finds the daemon as on a Xen host, and `import pyxs` this implementation."""
    _nowhere_else(monkeypatch)
    for name, value in daemon.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(sys.modules, "pyxs", pyxs)
    monkeypatch.setitem(sys.modules, "pyxs.connection", connection)


def _nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XENSTORED_PATH", "XENSTORED_RUNDIR"):
        monkeypatch.delenv(name, raising=False)


def test_basics() -> None:
    from pyxs import Client

    with Client() as c:
        c[b"/local/domain/0/name"] = b"Ziggy"
        assert c[b"/local/domain/0/name"] == b"Ziggy"


def test_without_a_context_manager() -> None:
    c = Client()
    c.connect()
    c[b"/local/domain/0/name"] = b"It works!"
    c.close()
    with Client() as other:
        assert other[b"/local/domain/0/name"] == b"It works!"


def test_connections_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    _nowhere_else(monkeypatch)
    read_only = Client(unix_socket_path="/var/run/xenstored/socket_ro")
    assert repr(read_only) == "Client(UnixSocketConnection('/var/run/xenstored/socket_ro'))"
    assert repr(Client()) == "Client(UnixSocketConnection('/var/run/xenstored/socket'))"
    assert repr(Client(xen_bus_path="/dev/xen/xenbus")) == "Client(XenBusConnection('/dev/xen/xenbus'))"


def test_transaction(capsys: pytest.CaptureFixture[str]) -> None:
    with Client() as c:
        c.transaction()
        c[b"/foo/bar"] = b"baz"
        c.commit()  # !
        print(c[b"/foo/bar"])
    assert capsys.readouterr().out == "b'baz'\n"


def test_transaction_in_a_loop() -> None:
    with Client() as c:
        success = False
        while not success:
            c.transaction()
            c[b"/foo/bar"] = b"baz"
            success = c.commit()
        assert c[b"/foo/bar"] == b"baz"


def test_commit_says_false_to_the_loser() -> None:
    """The robust loop needs it: what was read has changed, so nothing of the transaction stays."""
    with Client() as c, Client() as other:
        c[b"/foo/count"] = b"1"
        c.transaction()
        c[b"/foo/count"] = b"%d" % (int(c[b"/foo/count"]) + 1)
        other[b"/foo/count"] = b"41"
        assert c.commit() is False
        assert c[b"/foo/count"] == b"41"


def test_events() -> None:
    with Client() as c:
        m = c.monitor()
        m.watch(b"/foo/bar", b"a unique token")
        assert next(m.wait()) == Event(b"/foo/bar", b"a unique token")


def test_monitor_of_the_reference() -> None:
    """There it lacks the token and says `c.wait()`: what is meant is this."""
    with Client() as c:
        m = c.monitor()
        m.watch("foo/bar", b"token")
        assert next(m.wait()) == (b"foo/bar", b"token")


def test_monitor_shortcut() -> None:
    with monitor() as m:
        m.watch(b"/foo/bar", b"token")
        assert m.watched == {b"/foo/bar"}
        assert next(m.wait()).path == b"/foo/bar"


def test_monitor_as_a_context_manager_unwatches() -> None:
    with Client() as c:
        with c.monitor() as m:
            m.watch(b"/foo/bar", b"token")
        assert m.watched == set()
        with c.monitor() as again:  # the daemon refuses a watch that is there
            again.watch(b"/foo/bar", b"token")


@pytest.mark.parametrize("path", [b"@introduceDomain", b"@releaseDomain"])
def test_special_paths_are_watched(path: bytes) -> None:
    with Client() as c, c.monitor() as m:
        m.watch(path, b"token")
        assert next(m.wait()) == (path, b"token")


def test_compatibility() -> None:
    with Client() as c:
        c[b"/local/domain/0/name"] = b"Domain-0"

    from pyxs import xs

    handle = xs()
    assert handle.read("0", b"/local/domain/0/name") == b"Domain-0"
    handle.close()


def test_a_router_of_ones_own(daemon: AnyDaemon) -> None:
    router = Router(connection_to(daemon))
    with Client(router=router) as c:
        assert router.is_connected
        assert c.exists(b"/")
    assert not router.is_connected


def test_two_clients_of_one_router_are_in_different_transactions(daemon: AnyDaemon, top: bytes) -> None:
    router = Router(connection_to(daemon))
    with Client(router=router) as one:
        two = Client(router=router)
        assert one.transaction() != two.transaction()
        one[top + b"/a"] = b"1"
        assert not two.exists(top + b"/a")
        two.rollback()
        assert one.commit()
        assert two[top + b"/a"] == b"1"


def test_leaving_with_a_transaction_open() -> None:
    with pytest.raises(PyXSError, match="neither committed nor rolled back"), Client() as c:
        c.transaction()
        c[b"/foo/never"] = b""
    with Client() as c:
        assert not c.exists(b"/foo/never")


def test_a_second_transaction_is_refused() -> None:
    with Client() as c:
        c.transaction()
        with pytest.raises(PyXSError) as caught:
            c.transaction()
        assert caught.value.args[0] == errno.EALREADY
        c.rollback()


class TestCompatibility:
    """Each method of xen.lowlevel.xs."""

    @pytest.fixture
    def handle(self) -> t.Iterator[compat.xs]:
        made = compat.xs()
        yield made
        made.close()

    def test_nodes(self, handle: compat.xs, top: bytes) -> None:
        handle.mkdir("0", top + b"/dir")
        handle.write("0", top + b"/dir/key", b"value")
        handle.write(None, top + b"/dir/empty", b"")
        assert sorted(handle.ls("0", top + b"/dir")) == [b"empty", b"key"]
        assert handle.ls("0", top + b"/nothing") is None
        assert handle.read("0", top + b"/dir/key") == b"value"
        handle.rm("0", top + b"/dir")
        assert handle.ls("0", top + b"/dir") is None

    def test_permissions_are_returned(self, handle: compat.xs, top: bytes) -> None:
        handle.set_permissions("0", top, [b"r0", b"b0"])
        assert handle.get_permissions("0", top) == [b"r0", b"b0"]

    def test_transactions(self, handle: compat.xs, top: bytes) -> None:
        first, second = handle.transaction_start(), handle.transaction_start()
        handle.write(first, top + b"/a", b"1")
        assert handle.ls(second, top) == []
        assert handle.transaction_end(second, abort=1) is True
        assert handle.transaction_end(first) is True
        assert handle.read("0", top + b"/a") == b"1"

    def test_a_lost_transaction_is_told(self, handle: compat.xs, top: bytes) -> None:
        handle.write("0", top + b"/n", b"0")
        mine = handle.transaction_start()
        handle.write(mine, top + b"/n", b"%d" % (int(handle.read(mine, top + b"/n")) + 1))
        handle.write("0", top + b"/n", b"5")
        assert handle.transaction_end(mine) is False
        assert handle.read("0", top + b"/n") == b"5"

    def test_watches_give_any_object_back(self, handle: compat.xs, top: bytes) -> None:
        token = object()
        handle.watch(top, token)
        path, given = handle.read_watch()
        assert (path, given) == (top, token)
        assert given is token
        handle.unwatch(top, token)

    def test_domains(self, handle: compat.xs) -> None:
        assert handle.get_domain_path(7) == b"/local/domain/7"
        for refused in (handle.release_domain, handle.resume_domain):
            with pytest.raises(compat.Error):
                refused(999)
        with pytest.raises(compat.Error):
            handle.set_target(999, 998)
        with pytest.raises(ValueError):
            handle.introduce_domain(0, 1, 1)


def test_walk_both_ways(top: bytes) -> None:
    with Client() as c:
        for name in (b"a/x", b"a/y", b"b"):
            c[top + b"/" + name] = name
        down = list(c.walk(top))
        up = list(c.walk(top, topdown=False))
    paths = [path for path, _unused, _unused in down]
    assert sorted(paths) == sorted([top, top + b"/a", top + b"/a/x", top + b"/a/y", top + b"/b"])
    for order, sign in ((paths, 1), ([path for path, _unused, _unused in up], -1)):
        at = {path: number for number, path in enumerate(order)}
        assert all(sign * at[path] > sign * at[path.rpartition(b"/")[0]] for path in order if path != top)
    assert {path: value for path, value, _unused in down}[top + b"/a/x"] == b"a/x"


def test_walk_enters_only_what_is_left_in_the_list(top: bytes) -> None:
    with Client() as c:
        for name in (b"a/x", b"b/x", b"c/x"):
            c[top + b"/" + name] = b""
        seen = []
        for path, _unused, children in c.walk(top):
            seen.append(path[len(top) :])
            if path == top:
                children[:] = [b"b"]
    assert seen == [b"", b"/b", b"/b/x"]


def test_operations() -> None:
    """The table that the documentation prints."""
    printed = {
        "DEBUG": 0, "DIRECTORY": 1, "READ": 2, "GET_PERMS": 3, "WATCH": 4, "UNWATCH": 5, "TRANSACTION_START": 6,
        "TRANSACTION_END": 7, "INTRODUCE": 8, "RELEASE": 9, "GET_DOMAIN_PATH": 10, "WRITE": 11, "MKDIR": 12, "RM": 13,
        "SET_PERMS": 14, "WATCH_EVENT": 15, "ERROR": 16, "IS_DOMAIN_INTRODUCED": 17, "RESUME": 18, "SET_TARGET": 19,
        "RESTRICT": 128,
    }  # fmt: skip
    assert {name: getattr(pyxs.Op, name) for name in printed} == printed


def test_a_packet_by_hand(daemon: AnyDaemon, top: bytes) -> None:
    made = connection_to(daemon)
    made.connect()
    made.send(pyxs.Packet(pyxs.Op.WRITE, top + b"/k\0v", rq_id=7))
    assert made.recv() == (pyxs.Op.WRITE, 7, 0, b"OK\0")
    made.close()


def test_wait_yields_the_unwatched_when_asked(top: bytes) -> None:
    with Client() as c:
        m = c.monitor()
        m.watch(top, b"one")
        m.watch(top + b"/x", b"two")
        assert len(list(itertools.islice(m.wait(), 2))) == 2
        c[top + b"/x"] = b""
        m.unwatch(top, b"one")
        assert next(m.wait(unwatched=True)).token in (b"one", b"two")
        m.close()
