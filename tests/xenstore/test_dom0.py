# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In dom0 of a real Xen: its domU `answering` (tests/testbed/xen/answering.cfg) comes, is told, answers and goes."""

from __future__ import annotations

import subprocess
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.waiting import equals, wait_for

from tests.xenstore.conftest import AnyDaemon, client_of, stock
from tests.xenstore.test_task import Tasks

NAME = "answering"
CONFIGURATION = f"/etc/xen/{NAME}.cfg"
SPECIAL = (b"@introduceDomain", b"@releaseDomain")
PATIENCE = 90.0  # seconds; an idle machine needs 10


def xl(*words: str) -> str:
    done = subprocess.run(["xl", *words], check=True, capture_output=True, text=True, timeout=PATIENCE)
    return done.stdout


@pytest.fixture
def domu() -> t.Iterator[t.Callable[[], int]]:
    """Creates the domU when called, and tells its number; it does not outlive the test."""

    def create() -> int:
        xl("create", CONFIGURATION)
        return int(xl("domid", NAME))

    yield create
    subprocess.run(["xl", "destroy", NAME], stderr=subprocess.DEVNULL, check=False)


def test_a_domain_comes_and_goes(daemon: AnyDaemon, domu: t.Callable[[], int]) -> None:
    """Seen by watches alone; between the two it is told something, and answers."""
    with client_of(daemon, PATIENCE) as client, client.monitor() as monitor:
        for path in SPECIAL:
            monitor.watch(path, path[1:])
            assert next(monitor.wait()) == (path, path[1:])

        domid = domu()
        assert next(monitor.wait()).token == b"introduceDomain"
        assert client.is_domain_introduced(domid)
        home = client.get_domain_path(domid)
        assert home == b"/local/domain/%d" % domid

        client[home + b"/vm-data/role"] = b"frontend"
        wait_for(client, {home + b"/data/role": equals(b"frontend")}, PATIENCE)
        assert client.get_perms(home + b"/data/role")[0] == b"n%d" % domid  # the guest wrote it

        monitor.events.clear()
        xl("destroy", NAME)
        assert next(monitor.wait()).token == b"releaseDomain"
        assert not client.is_domain_introduced(domid)
        assert not client.exists(home)


def listed_alike(daemon: AnyDaemon, home: bytes) -> None:
    """All of a domain that libxl made, with permissions, is what xenstore-ls prints."""
    with client_of(daemon, PATIENCE) as client:
        walked = [(path, value, client.get_perms(path)) for path, value, _unused in client.walk(home)][1:]
    ours = [f'{path.decode()} = "{value.decode()}"   ({b",".join(rights).decode()})' for path, value, rights in walked]
    assert sorted(ours) == sorted(stock(daemon, "xenstore-ls", "-f", "-p", home.decode()).splitlines())


def test_tasks_with_a_real_guest(daemon: AnyDaemon, domu: t.Callable[[], int]) -> None:
    tasks, domid = Tasks(daemon), domu()
    tree = {"role": "database", "network": {"address": "192.0.2.11/24"}}
    told = [{"guest": NAME, "path": "vm-data", "tree": tree, "purge": True}]
    assert tasks.apply(nodes=told)["paths"] == [f"/local/domain/{domid}/vm-data"]
    assert tasks.apply(nodes=told)["changed"] is False
    assert tasks.info(guest=NAME, path="vm-data", subtree=True)["tree"] == tree

    answer = {"path": "data/role", "value": "database"}
    found = tasks.wait(answer, guests=[NAME], timeout=PATIENCE)
    assert [(one["path"], one["value"]) for one in found["values"]] == [
        (f"/local/domain/{domid}/data/role", "database")
    ]

    listed_alike(daemon, b"/local/domain/%d" % domid)
    domains = tasks.domains()
    assert (domains[domid]["name"], domains[domid]["introduced"]) == (NAME, True)
    assert domains[0]["name"] == "Domain-0"

    xl("destroy", NAME)
    assert domid not in tasks.domains()
    assert tasks.apply(guest=NAME, path="vm-data", state="absent")["changed"] is False
