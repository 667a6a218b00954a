# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""XenStore's stock daemons, started for the tests; each test gets a subtree of its own of a store that all share.

Tests that end a daemon, fill its quotas or use fixed paths take `fresh`, a daemon for them alone.

With FLEET_XENSTORE=dom0, inside the testbed's guest `xen`, it is that of a real Xen, by its socket and by XenBus, once
oxenstored and once xenstored, and tests that start one of their own are left out.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.client import Client
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.connection import (
    PacketConnection,
    UnixSocketConnection,
    XenBusConnection,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.router import Router

from tests.testbed.xen import daemons, guest

_count = itertools.count(1)

IN_DOM0 = os.environ.get("FLEET_XENSTORE") == "dom0"
ONLY_HERE = {"start", "fresh", "play", "module", "domain5"}  # fixtures that need a compiler, Ansible or the shim
collect_ignore = [] if IN_DOM0 else ["test_dom0.py"]


class Way(t.NamedTuple):
    """To the daemon of this dom0."""

    program: str
    kind: str
    socket: Path
    environment: dict[str, str]

    def open(self) -> None:
        """Has the program run in this dom0."""
        pid = Path("/run/xenstore.pid").read_text().strip()
        if Path(f"/proc/{pid}/exe").resolve().name != self.program:
            subprocess.run(["sh", str(CHANGE), self.program], check=True, timeout=120)


CHANGE = Path(daemons.__file__).with_name("change_daemon")
WAYS = {
    f"{program}-{way}": Way(program, kind, Path(path), environment)
    for program, kind in (("oxenstored", "ocaml"), ("xenstored", "c"))
    for way, path, environment in (
        ("socket", "/var/run/xenstored/socket", {}),
        ("xenbus", "/dev/xen/xenbus", {"XENSTORED_PATH": "/dev/xen/xenbus"}),
    )
}

AnyDaemon = t.Union[daemons.Daemon, Way]


def connection_to(daemon: AnyDaemon) -> PacketConnection:
    path = str(daemon.socket)
    return XenBusConnection(path) if daemon.socket.is_char_device() else UnixSocketConnection(path)


def client_of(daemon: AnyDaemon, timeout: float = 20) -> Client:
    return Client(router=Router(connection_to(daemon), timeout), timeout=timeout)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if IN_DOM0:
        away = [item for item in items if ONLY_HERE & set(getattr(item, "fixturenames", ()))]
        config.hook.pytest_deselected(items=away)
        items[:] = [item for item in items if item not in away]
        return
    if os.geteuid() != 0:
        raise pytest.UsageError("tests/xenstore need root: oxenstored runs in a mount namespace of its own")
    if not (daemons.PROGRAMS / "xenstored").exists() or not shutil.which("xenstore-ls"):
        raise pytest.UsageError("tests/xenstore need the packages xen-utils-4.17 and xenstore-utils")


@pytest.fixture(scope="session")
def place() -> t.Iterator[Path]:
    """A short path: a socket's may have 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="fleet-xs-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def library(place: Path) -> Path:
    return daemons.build(place)


@pytest.fixture(scope="session", params=WAYS if IN_DOM0 else daemons.KINDS)
def daemon(request: pytest.FixtureRequest) -> t.Iterator[AnyDaemon]:
    """A daemon that is shared: a test changes only what is below its own `top`."""
    if IN_DOM0:
        way = WAYS[request.param]
        way.open()
        yield way
        return
    place, library = request.getfixturevalue("place"), request.getfixturevalue("library")
    running = daemons.Daemon(request.param, place / request.param, library)
    yield running
    running.stop()


@pytest.fixture
def start(place: Path, library: Path) -> t.Iterator[t.Callable[..., daemons.Daemon]]:
    """Starts daemons that end with the test."""
    made: list[daemons.Daemon] = []

    def start(kind: str, *options: str) -> daemons.Daemon:
        made.append(daemons.Daemon(kind, place / f"d{next(_count)}", library, options))
        return made[-1]

    yield start
    for running in made:
        running.stop()


@pytest.fixture(params=daemons.KINDS)
def fresh(request: pytest.FixtureRequest, start: t.Callable[..., daemons.Daemon]) -> daemons.Daemon:
    """A daemon for one test."""
    return start(request.param)


@pytest.fixture
def client(daemon: AnyDaemon) -> t.Iterator[Client]:
    with client_of(daemon) as made:
        yield made


@pytest.fixture
def top(daemon: AnyDaemon, client: Client) -> t.Iterator[bytes]:
    """A path of its own for the test, which is there and empty."""
    path = b"/test/%d-%d" % (os.getpid(), next(_count))
    client.mkdir(path)
    yield path
    with client_of(daemon) as another:
        another.delete(path)


@pytest.fixture
def play() -> t.Iterator[t.Callable[[daemons.Daemon, int], Client]]:
    """`play(daemon, 5)`: a client in domain 5, introduced and owner of its /local/domain/5."""
    made: list[Client] = []

    def play(daemon: daemons.Daemon, domid: int) -> Client:
        connection = guest.RingConnection(daemon.folder, domid)
        home = b"/local/domain/%d" % domid
        with Client(str(daemon.socket)) as dom0:
            dom0.introduce_domain(domid, 1, 1)
            dom0.mkdir(home)
            dom0.set_perms(home, [b"n%d" % domid])
        made.append(Client(router=Router(connection, timeout=20), timeout=20))
        made[-1].connect()
        return made[-1]

    yield play
    for client in made:
        client.close()


def stock(daemon: AnyDaemon, *words: str) -> str:
    """What a program of xenstore-utils prints."""
    env = {**os.environ, "XENSTORED_PATH": str(daemon.socket)}
    return subprocess.run(words, env=env, check=True, capture_output=True).stdout.decode("latin-1")


@pytest.fixture
def module(tmp_path: Path) -> t.Callable[..., subprocess.Popen[bytes]]:
    """Starts the xenstore module as Ansible does, with arguments. What it logs goes to `tmp_path`/log."""
    import ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.client as core

    top = Path(core.__file__).parents[6]
    code = (
        "import sys, syslog\n"
        f"syslog.syslog = lambda *words: open({str(tmp_path / 'log')!r}, 'a').write(f'{{words}}\\n')\n"
        "from ansible_collections.fleet.hypervisor.plugins.modules import xenstore\n"
        "xenstore.main()\n"
    )

    def run(**arguments: t.Any) -> subprocess.Popen[bytes]:
        given = tmp_path / "arguments.json"
        given.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": {**arguments, "_ansible_diff": True}}))
        return subprocess.Popen(
            [sys.executable, "-c", code, str(given)],
            env={**os.environ, "PYTHONPATH": str(top)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    return run


def outcome(process: subprocess.Popen[bytes]) -> dict[str, t.Any]:
    out, err = process.communicate(timeout=60)
    assert out, err
    return t.cast(t.Dict[str, t.Any], json.loads(out))
