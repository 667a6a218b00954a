# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a store takes and gives back, read beside xenstore-utils: values, names, permissions, long listings."""

from __future__ import annotations

import errno
import os
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore import server
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.client import Client
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.errors import (
    InvalidPath,
    InvalidPayload,
    InvalidPermission,
    PyXSError,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.packet import Op

from tests.xenstore.conftest import IN_DOM0, AnyDaemon, stock

if t.TYPE_CHECKING:
    from tests.testbed.xen import daemons


def refused(code: int) -> t.Any:
    class Expect:
        def __enter__(self) -> None:
            self.raises = pytest.raises(PyXSError)
            self.caught = self.raises.__enter__()

        def __exit__(self, *exception: t.Any) -> t.Any:
            swallowed = self.raises.__exit__(*exception)
            assert errno.errorcode[self.caught.value.errno] == errno.errorcode[code]
            return swallowed

    return Expect()


@pytest.mark.parametrize(
    "value",
    [b"", b"text", b"\n\t\r", "Zoë ☃ 𝕏".encode(), b"\0", b"a\0", b"\0a\0\0", bytes(range(256)), b" ", b"x" * 2000],
    ids=["empty", "text", "newlines", "utf-8", "nul", "trailing nul", "nuls", "all bytes", "space", "2000 bytes"],
)
def test_values_come_back_as_they_are(client: Client, top: bytes, value: bytes) -> None:
    client[top + b"/key"] = value
    assert client[top + b"/key"] == value


def test_stock_tools_read_the_same(daemon: AnyDaemon, client: Client, top: bytes) -> None:
    client[top + b"/a/b"] = b"one"
    client.set_perms(top + b"/a", ["r0", "b0"])
    path = top.decode()
    assert stock(daemon, "xenstore-read", f"{path}/a/b") == "one\n"
    assert f'{path}/a = ""   (r0,b0)\n{path}/a/b = "one"   (n0)\n' == stock(daemon, "xenstore-ls", "-f", "-p", path)


def test_what_stock_tools_write_is_read(daemon: AnyDaemon, client: Client, top: bytes) -> None:
    path = top.decode()
    stock(daemon, "xenstore-write", f"{path}/x", "1", f"{path}/y", "")
    stock(daemon, "xenstore-chmod", f"{path}/y", "n0", "r0")
    assert (client[top + b"/x"], client[top + b"/y"]) == (b"1", b"")
    assert client.get_perms(top + b"/y") == [b"n0", b"r0"]


def test_exact_sizes(daemon: AnyDaemon, client: Client, top: bytes) -> None:
    """4096 bytes of payload are taken or refused with an error, 4097 are not sent: the C daemon would hang up.

    On XenBus the kernel takes 16 less.
    """
    path, most = top + b"/big", client.router.connection.payload_max
    assert most == (4080 if daemon.socket.is_char_device() else 4096)
    room = most - len(path) - 1
    if daemon.kind == "c":
        client[path] = b"x" * room
        assert client[path] == b"x" * room
    else:
        with refused(errno.E2BIG):
            client[path] = b"x" * room
    with pytest.raises(InvalidPayload, match=f"{most + 1} bytes"):
        client[path] = b"x" * (room + 1)
    assert client.exists(top)


def test_700_children_with_long_names(daemon: AnyDaemon, client: Client, top: bytes) -> None:
    names = [b"n%04d-" % number + b"x" * 60 for number in range(700)]
    answers = client.ask_all([(Op.WRITE, top + b"/" + name + b"\0" + name) for name in names])
    assert answers == [b"OK\0"] * 700
    if daemon.socket.is_char_device() and daemon.kind == "ocaml":  # it sends a ring no packet as long, nor parts
        with pytest.raises(PyXSError):
            client.list(top)
        assert client.exists(top)
        return
    assert sorted(client.list(top)) == names
    walked = {path: value for path, value, _unused in client.walk(top)}
    assert walked == {top: b"", **{top + b"/" + name: name for name in names}}
    assert client.exists(top)
    if daemon.kind == "c":  # the stock tool takes no packet as long as oxenstored's
        assert sorted(stock(daemon, "xenstore-list", top.decode()).split()) == [name.decode() for name in names]


def test_a_listing_is_of_one_state_of_the_node(
    start: t.Callable[[str], daemons.Daemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the node changes between two parts, the parts are thrown away. (oxenstored answers in one packet.)"""
    top = b"/top"
    names = [b"n%03d-" % number + b"x" * 60 for number in range(100)]
    asked = []
    plain = Client.execute_command

    def disturbed(self: Client, op: int, *parts: bytes) -> bytes:
        answer = plain(self, op, *parts)
        if op == Op.DIRECTORY_PART:
            asked.append(parts)
            if len(asked) == 1:
                plain(self, Op.RM, top + b"/" + names[0] + b"\0")
        return answer

    monkeypatch.setattr(Client, "execute_command", disturbed)
    with Client(str(start("c").socket)) as client:
        for name in names:
            client[top + b"/" + name] = b""
        assert sorted(client.list(top)) == names[1:]
    assert len(asked) > 3


def test_a_path_of_each_permitted_character(client: Client, top: bytes) -> None:
    path = top + b"/AZaz09-_@"
    client[path] = b"v"
    assert client.list(top) == [b"AZaz09-_@"]


@pytest.mark.parametrize(
    "path",
    [b"", b"/a/", b"//a", b"/a//b", b"/a b", b"/a\n", b"/a.b", b"/a\0b", "/ä", b"/" + b"x" * 3072, b"x" * 2049, b"@x"],
)
def test_wrong_paths_are_not_sent(client: Client, path: bytes) -> None:
    for method in (client.read, client.mkdir, client.delete, client.list, client.exists):
        with pytest.raises(InvalidPath):
            method(path)


def test_the_root_is_not_removed(client: Client, top: bytes) -> None:
    with pytest.raises(InvalidPath, match="root"):
        client.delete(b"/")
    assert client.exists(top)


@pytest.mark.parametrize("perms", [[], [b"x0"], [b"r"], [b"r-1"], [b"r65536"], [b"r1\0"], ["r0 "]])
def test_wrong_permissions_are_not_sent(client: Client, top: bytes, perms: list[bytes]) -> None:
    with pytest.raises(InvalidPermission):
        client.set_perms(top, perms)


def test_missing_nodes(client: Client, top: bytes) -> None:
    path = top + b"/no"
    assert client.read(path, b"default") == b"default"
    assert client.read(path, b"") == b""
    assert path not in client
    client.delete(path)  # its parent is there
    for method in (client.read, client.list, client.get_perms, lambda at: list(client.walk(at))):
        with refused(errno.ENOENT):
            method(path)
    with refused(errno.ENOENT):
        client.delete(path + b"/below")


def test_errors_are_sentences(client: Client, top: bytes) -> None:
    path = (top + b"/no").decode()
    with pytest.raises(PyXSError) as caught:
        client.read(path)
    assert str(caught.value) == f"XenStore READ {path}: ENOENT (no such node, domain, watch or transaction)"


def test_mkdir_keeps_a_value(client: Client, top: bytes) -> None:
    client[top + b"/a"] = b"kept"
    client.mkdir(top + b"/a/b")
    client.mkdir(top + b"/a")
    assert client[top + b"/a"] == b"kept"
    assert client[top + b"/a/b"] == b""


def test_relative_paths_are_dom0s(client: Client) -> None:
    name = b"fleet-test-%d" % os.getpid()
    client[name] = b"x"
    assert client[b"/local/domain/0/" + name] == b"x"
    del client[name]
    assert not client.exists(name)


def test_many_requests_on_their_way(client: Client, top: bytes) -> None:
    """More than both sockets' buffers hold, in both directions, and each answer at its place."""
    value, count = b"v" * 1000, 1000 if IN_DOM0 else 10000  # there an emulated processor does it, one at a time
    requests = [(Op.WRITE, b"%s/%d\0%s%d" % (top, number % 500, value, number)) for number in range(count)]
    assert client.ask_all(requests) == [b"OK\0"] * count
    answers = client.ask_all([(Op.READ, b"%s/%d\0" % (top, number % 500)) for number in range(count)])
    assert answers == [b"%s%d" % (value, count - 500 + number % 500) for number in range(count)]


def test_errors_among_many(client: Client, top: bytes) -> None:
    client[top + b"/a"] = b"1"
    answers = client.ask_all([(Op.READ, top + b"/" + name + b"\0") for name in (b"a", b"b", b"a", b"c/d")])
    assert [answer if isinstance(answer, bytes) else answer.errno for answer in answers] == [
        b"1",
        errno.ENOENT,
        b"1",
        errno.ENOENT,
    ]


class TestServer:
    """What only some daemons can: said so at once where one cannot, though oxenstored does not answer at all."""

    def test_control(self, daemon: AnyDaemon, client: Client) -> None:
        assert ("check" in server.control(client, "help")) == (daemon.kind == "c")

    def test_reset_watches(self, client: Client, top: bytes) -> None:
        monitor = client.monitor()
        monitor.watch(top, b"token")
        try:
            server.reset_watches(client)
        except PyXSError as error:
            assert error.errno == errno.ENOSYS
        else:
            client.monitor().watch(top, b"token")
        assert client.exists(top)

    def test_features_and_quotas_of_newer_daemons(self, client: Client, top: bytes) -> None:
        asks: list[t.Callable[[], t.Any]] = [
            lambda: server.get_features(client),
            lambda: server.get_features(client, 0),
            lambda: server.set_features(client, 5, ["error"]),
            lambda: server.quota_names(client),
            lambda: server.get_quota(client, "nodes"),
            lambda: server.set_quota(client, "nodes", 10, 5),
        ]
        for ask in asks:
            with refused(errno.ENOSYS):
                ask()
            assert client.exists(top)  # and the conversation goes on

    def test_watch_depth(self, client: Client, top: bytes) -> None:
        """Of daemons newer than these, which refuse or ignore it."""
        with client.monitor() as monitor:
            try:
                monitor.watch(top, b"token", depth=0)
            except PyXSError as error:
                assert error.errno == errno.EINVAL
                assert monitor.watched == set()
            else:
                assert next(monitor.wait()) == (top, b"token")
        assert client.exists(top)

    def test_accounts(self, daemon: AnyDaemon, client: Client, top: bytes) -> None:
        before = server.accounts(client, [0])[0]
        client[top + b"/one/more"] = b""
        after = server.accounts(client, [0, 999])
        assert after[0].used["nodes"] == before.used["nodes"] + 2
        assert after[0].quota["nodes"] == 1000
        assert after[999].used.get("nodes", 0) == 0
