# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A daemon that dies, stalls or hangs up: an error in time, and never half a tree."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.client import Client
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.errors import (
    ConnectionError,
    PyXSError,
    Timeout,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.packet import Op

from tests.xenstore.conftest import outcome

if t.TYPE_CHECKING:
    from tests.testbed.xen import daemons


def later(seconds: float, act: t.Callable[[], None]) -> threading.Timer:
    timer = threading.Timer(seconds, act)
    timer.start()
    return timer


class Watched:
    """Ends in time, or the test fails."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __enter__(self) -> None:
        self.began = time.monotonic()

    def __exit__(self, *exception: object) -> None:
        assert time.monotonic() - self.began < self.seconds


def test_no_daemon(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError, match=r"connecting to XenStore at .*/none: No such file"):
        Client(str(tmp_path / "none")).connect()


def test_not_connected(fresh: daemons.Daemon) -> None:
    with pytest.raises(ConnectionError, match="not connected"):
        Client(str(fresh.socket)).read("/")


def test_a_daemon_that_dies_while_it_is_asked(fresh: daemons.Daemon) -> None:
    client = Client(str(fresh.socket), timeout=20)
    client.connect()
    fresh.freeze()
    timer = later(0.2, fresh.kill)
    with Watched(10), pytest.raises(ConnectionError, match="READ /local: .* closed the connection"):
        client.read("/local")
    timer.join()
    with pytest.raises(ConnectionError, match="not connected"):
        client.read("/local")


def test_a_daemon_that_dies_while_events_are_waited_for(fresh: daemons.Daemon) -> None:
    client = Client(str(fresh.socket), timeout=20)
    client.connect()
    monitor = client.monitor()
    monitor.watch("/a", b"token")
    next(monitor.wait())
    timer = later(0.2, fresh.kill)
    with Watched(10), pytest.raises(ConnectionError, match="closed"):
        next(monitor.wait())
    timer.join()
    monitor.close()
    assert monitor.watched == set()


def test_a_daemon_that_stalls(fresh: daemons.Daemon) -> None:
    client = Client(str(fresh.socket), timeout=0.5)
    client.connect()
    fresh.freeze()
    with Watched(5), pytest.raises(Timeout, match="XenStore READ /local: .* nothing came from XenStore in time"):
        client.read("/local")
    fresh.thaw()
    with pytest.raises(ConnectionError, match="not connected"):  # the answer would come to another question
        client.read("/local")


def test_a_stalled_daemon_that_takes_no_more_requests(fresh: daemons.Daemon) -> None:
    client = Client(str(fresh.socket), timeout=0.5)
    client.connect()
    client.mkdir("/a")
    fresh.freeze()
    requests = [(Op.WRITE, b"/a/%d\0" % number + b"x" * 3900) for number in range(2000)]
    with Watched(10), pytest.raises(Timeout):
        client.ask_all(requests)


def test_a_daemon_that_hangs_up_on_a_long_packet(start: t.Callable[[str], daemons.Daemon]) -> None:
    """What the client refuses to send: sent all the same, the C daemon hangs up, and that is told at once."""
    with Watched(10), Client(str(start("c").socket), timeout=8) as client, pytest.raises(ConnectionError):
        client.router.ask(Op.WRITE, b"/a\0" + b"x" * 4094)


def test_a_daemon_that_dies_in_a_transaction(fresh: daemons.Daemon) -> None:
    client = Client(str(fresh.socket), timeout=20)
    client.connect()

    def work() -> None:
        client["/a/b"] = b"half"
        fresh.kill()
        client["/a/c"] = b"other half"

    with Watched(10), pytest.raises(ConnectionError):
        client.in_transaction(work)
    assert client.tx_id == 0


TREE = {f"n{number}": {f"m{other}": f"value {other}" for other in range(20)} for number in range(150)}  # 3000 nodes


def test_the_module_says_when_the_daemon_dies(
    fresh: daemons.Daemon, module: t.Callable[..., subprocess.Popen[bytes]]
) -> None:
    fresh.freeze()
    running = module(socket=str(fresh.socket), path="/tree", tree=TREE, timeout=60)
    timer = later(1.5, fresh.kill)
    with Watched(30):
        result = outcome(running)
    timer.join()
    assert result["failed"]
    assert "XenStore" in result["msg"]


@pytest.mark.parametrize("after", [0.0, 0.02, 0.05, 0.1])
def test_the_module_killed_at_work_leaves_all_or_nothing(
    fresh: daemons.Daemon, module: t.Callable[..., subprocess.Popen[bytes]], after: float
) -> None:
    """Killed at some moment after its transaction began."""
    running = module(socket=str(fresh.socket), path="/tree", tree=TREE)
    with Client(str(fresh.socket)) as client:
        _wait_until_it_speaks(running)
        time.sleep(after)
        running.send_signal(signal.SIGKILL)
        running.communicate()
        found = len(list(client.walk("/tree"))) if client.exists("/tree") else 0
        assert found in (0, 3151)
        again = outcome(module(socket=str(fresh.socket), path="/tree", tree=TREE))
        assert again["changed"] == (found == 0)
        assert len(list(client.walk("/tree"))) == 3151


def _wait_until_it_speaks(process: subprocess.Popen[bytes]) -> None:
    """Until the module has a socket, which is the daemon's."""
    folder = Path(f"/proc/{process.pid}/fd")
    end = time.monotonic() + 60
    while not any(_target(link).startswith("socket:") for link in folder.iterdir()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.001)


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except OSError:  # closed since
        return ""


def test_daemon_killed_in_the_middle_of_a_module(
    start: t.Callable[[str], daemons.Daemon], module: t.Callable[..., subprocess.Popen[bytes]]
) -> None:
    daemon = start("c")
    running = module(socket=str(daemon.socket), path="/tree", tree=TREE, timeout=60)
    _wait_until_it_speaks(running)
    daemon.kill()
    with Watched(30):
        result = outcome(running)
    assert result["failed"]
    assert "XenStore" in result["msg"]


def test_errors_have_numbers() -> None:
    assert PyXSError(errno.ENOENT, "x").args == (errno.ENOENT, "x")
