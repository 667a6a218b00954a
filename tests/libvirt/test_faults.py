# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A daemon that is killed, restarted, stopped or not there; users and hosts without what is needed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor import connection as core
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor import task as tasks
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.connection import Connection
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.errors import (
    ConnectionLost,
    KvmError,
    TimedOut,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.facts import read

from tests.libvirt.conftest import COLLECTIONS, TEST_DRIVER

if t.TYPE_CHECKING:
    from tests.libvirt.conftest import Task
    from tests.testbed.libvirt.daemon import Daemon

Tasks = t.Callable[..., "Task"]


def test_a_daemon_that_is_killed_and_restarted_while_it_is_asked(fresh: Daemon) -> None:
    """Killed before each subset in turn: the facts are whole all the same."""
    with Connection(fresh.uri) as connection:
        whole = read.gather(connection, ["node", "pools", "networks", "devices", "interfaces"])
        for victim in list(whole)[1:]:
            fresh.kill()
            restart = threading.Timer(0.3, fresh.start)
            restart.start()
            found = read.gather(connection, [victim, "node"])
            restart.join()
            for one in (found, whole):  # without firmware that says one, libvirtd makes one up at each start
                one["node"].pop("uuid", None)
            assert found[victim] == whole[victim] and found["node"] == whole["node"]


def test_a_daemon_that_is_killed_between_two_questions_of_a_subset(fresh: Daemon, monkeypatch: t.Any) -> None:
    with Connection(fresh.uri) as connection:
        asked = connection.ask
        killed = []

        def ask(method: str, *arguments: t.Any) -> t.Any:
            if method == "listAllDevices" and not killed:
                killed.append(fresh.pid)
                devices = asked(method, *arguments)
                fresh.kill()
                fresh.start()
                return devices  # of the connection that is lost now
            return asked(method, *arguments)

        monkeypatch.setattr(connection, "ask", ask)
        found = read.gather(connection, ["devices"])
        assert killed and killed[0] != fresh.pid
        assert found["devices"]["count"] > 0


def test_a_daemon_that_does_not_come_back(fresh: Daemon, monkeypatch: t.Any) -> None:
    monkeypatch.setattr(read, "PATIENCE", 0.5)
    with Connection(fresh.uri) as connection:
        fresh.kill()
        began = time.monotonic()
        with pytest.raises(ConnectionLost, match="was lost, and not had again within 0.5 s"):
            read.gather(connection, ["node"])
        assert time.monotonic() - began < 3


@pytest.mark.parametrize("module", ["kvm_node_facts", "kvm_domain_info"])
def test_a_daemon_that_hangs_ends_by_the_timeout(fresh: Daemon, task: Tasks, module: str) -> None:
    fresh.freeze()
    try:
        began = time.monotonic()
        result = task(module, uri=fresh.uri, timeout=1.5).result()
        took = time.monotonic() - began
    finally:
        fresh.thaw()
    assert result["failed"] and "no answer within 1.5 s, while opening" in result["msg"]
    assert 1.5 <= took < 6
    assert not task(module, uri=fresh.uri).result().get("failed")


def test_a_daemon_that_hangs_in_the_middle(fresh: Daemon) -> None:
    def work(connection: Connection) -> t.Any:
        fresh.freeze()
        return connection.ask("getCapabilities")

    try:
        with pytest.raises(TimedOut, match=r"no answer within 1 s, while getCapabilities of qemu\+unix"):
            tasks.connected({"uri": fresh.uri, "timeout": 1.0, "readonly": True}, work)
    finally:
        fresh.thaw()


def test_a_connection_beside_another_is_its_own(fresh: Daemon) -> None:
    """It is closed alone, and may do as much."""
    for readonly in (True, False):
        with Connection(fresh.uri, readonly) as connection:
            with connection.beside() as other:
                assert other.readonly is readonly and other.ask("getHostname") == connection.ask("getHostname")
            assert connection.ask("isAlive")
            with pytest.raises(ConnectionLost):
                other.ask("getHostname")


def test_a_second_sample_of_the_cpus_is_lost_with_the_daemon(fresh: Daemon, task: Tasks) -> None:
    """And both are taken again from the one that came back."""
    running = task("kvm_node_facts", uri=fresh.uri, gather=["cpu"], percent=1.5)
    time.sleep(0.9)
    fresh.kill()
    fresh.start()
    found = running.result()["ansible_facts"]["kvm_node"]["cpu"]
    assert found["percent"]["usage"] >= 0 and found["percent_seconds"] >= 1.5


def test_nobody_listens(task: Tasks, tmp_path: Path) -> None:
    uri = f"qemu+unix:///system?socket={tmp_path}/none"
    result = task("kvm_node_facts", uri=uri).result()
    assert result["failed"]
    assert "is libvirtd (or virtqemud) running there?" in result["msg"] and "No such file" in result["msg"]


def test_a_user_who_may_not(daemon: Daemon) -> None:
    """The socket is root's: nobody is told so. The code lies where everyone can read it."""
    place = daemon.folder / "code"
    shutil.copytree(Path(core.__file__).parent, place / "hypervisor", ignore=shutil.ignore_patterns("__pycache__"))
    code = f"from hypervisor.connection import Connection; Connection({daemon.uri!r})"
    daemon.socket.chmod(0o700)
    try:
        done = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-c", code],
            env={"PATH": os.defpath, "PYTHONPATH": str(place), "HOME": "/nonexistent"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        daemon.socket.chmod(0o777)
        shutil.rmtree(place)
    assert "Permission denied" in done.stderr and "it takes root, or a member of the group libvirt" in done.stderr


def test_a_driver_that_wants_a_password(task: Tasks, tmp_path: Path) -> None:
    node = tmp_path / "node.xml"
    node.write_text("<node><auth><user password='hush'>root</user></auth></node>")
    result = task("kvm_node_facts", uri=f"test://{node}").result()
    assert result["failed"] and "authentication" in result["msg"] and "hush" not in result["msg"]


def test_a_host_where_no_python_has_libvirt(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "sys.modules['libvirt'] = None\n"
        "from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.connection import Connection\n"
        "Connection('test:///default')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "LibvirtMissing: libvirt-python is missing (Debian: python3-libvirt)" in done.stderr.replace("\n", " ")


def test_wrong_options_have_their_place(task: Tasks) -> None:
    for options, said in (
        ({"gather": ["nodes"]}, "there is no nodes, but acceleration, all,"),
        ({"percent": "often"}, "'often' is neither a boolean nor a number of seconds"),
        ({"percent": 40}, "40 s do not fit into the timeout of 30 s"),
        ({"timeout": 0}, "timeout: 0.0 is no time"),
        ({"query": "node.["}, "has no meaning at character"),
        ({"query": {"one": "abs(node)"}}, "argument 1 has to be number, and is object"),
        ({"query": 7}, "neither an expression nor a dictionary"),
    ):
        result = task("kvm_node_facts", uri=TEST_DRIVER, **options).result()
        assert result["failed"] and said in result["msg"], result["msg"]


def test_errors_are_not_printed_by_libvirt(capfd: pytest.CaptureFixture[str]) -> None:
    with Connection(TEST_DRIVER) as connection:
        with pytest.raises(KvmError):
            connection.ask("lookupByName", "nobody")
        with pytest.raises(KvmError, match="this libvirt-python does not have it"):
            connection.ask("lookupByTelephone", "nobody")
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
    assert shutil.which("virsh")
