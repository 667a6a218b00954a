# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where XenStore is looked for: as Xen's own library does."""

from __future__ import annotations

import os
import socket
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore import connection
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.client import Client
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.connection import (
    UnixSocketConnection,
    XenBusConnection,
    candidates,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.errors import ConnectionError, Timeout


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host of its own: neither socket nor device, and nothing in the environment."""
    folder = tmp_path_factory.mktemp("xs")
    monkeypatch.delenv("XENSTORED_PATH", raising=False)
    monkeypatch.delenv("XENSTORED_RUNDIR", raising=False)
    monkeypatch.setattr(connection, "RUNDIR", str(folder))
    monkeypatch.setattr(connection, "XENBUS", (str(folder / "xenbus"), str(folder / "old-xenbus")))
    return folder


@pytest.fixture
def listen() -> t.Iterator[t.Callable[[Path], None]]:
    made = []

    def listen(path: Path) -> None:
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(os.path.relpath(path))  # a socket's path may have 107 bytes
        sock.listen(1)
        made.append(sock)

    yield listen
    for sock in made:
        sock.close()


def names(found: t.Sequence[connection.PacketConnection]) -> list[str]:
    return [f"{type(one).__name__[:-10]} {Path(one.path).name}" for one in found]


def test_nothing_there(place: Path) -> None:
    assert names(candidates()) == ["UnixSocket socket"]
    with pytest.raises(ConnectionError, match="connecting to XenStore at .*socket: No such file"):
        Client().connect()


def test_a_socket(place: Path, listen: t.Any) -> None:
    listen(place / "socket")
    assert names(candidates()) == ["UnixSocket socket"]


@pytest.mark.parametrize("device", ["xenbus", "old-xenbus"])
def test_a_device(place: Path, device: str) -> None:
    (place / device).touch()
    assert names(candidates()) == [f"XenBus {device}"]
    assert repr(Client()) == f"Client(XenBusConnection('{place / device}'))"


def test_both(place: Path, listen: t.Any) -> None:
    listen(place / "socket")
    (place / "xenbus").touch()
    assert names(candidates()) == ["UnixSocket socket", "XenBus xenbus"]


def test_a_socket_that_nobody_listens_at(place: Path) -> None:
    """The daemon runs elsewhere: then it is behind the device."""
    socket.socket(socket.AF_UNIX).bind(os.path.relpath(place / "socket"))
    (place / "xenbus").touch()
    client = Client()
    client.connect()
    assert repr(client) == f"Client(XenBusConnection('{place / 'xenbus'}'))"
    client.close()


def test_the_environment(place: Path, listen: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "xenbus").touch()
    (place / "run").mkdir()
    listen(place / "run" / "socket")
    monkeypatch.setenv("XENSTORED_RUNDIR", str(place / "run"))
    assert candidates()[0].path == str(place / "run" / "socket")
    for path, kind in ((place / "run" / "socket", UnixSocketConnection), (place / "xenbus", XenBusConnection)):
        monkeypatch.setenv("XENSTORED_PATH", str(path))
        assert [(type(one), one.path) for one in candidates()] == [(kind, str(path))]


def test_said_outright(place: Path) -> None:
    assert repr(Client("/a")) == "Client(UnixSocketConnection('/a'))"
    assert repr(Client(xen_bus_path="/b")) == "Client(XenBusConnection('/b'))"


def test_windows() -> None:
    assert XenBusConnection("/b").window == 1
    assert UnixSocketConnection("/a").window > 1


def test_deadlines_of_a_socket(place: Path, listen: t.Any) -> None:
    """Each is the kernel's to keep: the first, a shorter one, and one that is nearly the first."""
    listen(place / "socket")
    made = UnixSocketConnection(str(place / "socket"))
    made.connect()
    for seconds in (0.2, 0.05, 0.19, 0.0):
        began = time.monotonic()
        with pytest.raises(Timeout):
            made.receive(began + seconds)
        assert seconds <= time.monotonic() - began < seconds + 2
    made.close()
