# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A libvirtd with QEMU of the tests' own, which all share; those that stop or kill one take `fresh`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor import connection as core
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.connection import Connection

from tests.testbed.libvirt.daemon import Daemon

TEST_DRIVER = "test:///default"
COLLECTIONS = Path(core.__file__).parents[6]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.geteuid() != 0:
        raise pytest.UsageError("tests/libvirt need root: libvirtd runs in namespaces of its own")
    if not shutil.which("libvirtd") or not shutil.which("virsh"):
        raise pytest.UsageError("tests/libvirt need the packages libvirt-daemon-system and libvirt-clients")


def _started() -> t.Iterator[Daemon]:
    folder = Path(tempfile.mkdtemp(prefix="fleet-lv-"))
    folder.chmod(0o755)  # QEMU runs as another user
    running = Daemon(folder)
    try:
        yield running
    finally:
        running.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def daemon() -> t.Iterator[Daemon]:
    yield from _started()


@pytest.fixture
def fresh() -> t.Iterator[Daemon]:
    """A daemon for one test."""
    yield from _started()


@pytest.fixture
def connection(daemon: Daemon) -> t.Iterator[Connection]:
    with Connection(daemon.uri, readonly=False) as made:
        yield made


@pytest.fixture
def virsh() -> t.Callable[..., str]:
    """`virsh(uri, words...)`: what it prints."""

    def run(uri: str, *words: str, quiet: bool = True) -> str:
        argv = ["virsh", *(["-q"] if quiet else []), "-c", uri, *words]
        return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout

    return run


class Task:
    """A module that runs as Ansible runs it."""

    def __init__(self, module: str, arguments: dict[str, t.Any], folder: Path, python: str, check: bool) -> None:
        given = folder / f"{module}-{len(list(folder.iterdir()))}.json"
        more = {"_ansible_diff": True, "_ansible_check_mode": check}
        given.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": {**arguments, **more}}))
        code = (
            "import syslog\n"
            "syslog.syslog = lambda *words: None\n"
            f"from ansible_collections.fleet.hypervisor.plugins.modules import {module}\n"
            f"{module}.main()\n"
        )
        self.process = subprocess.Popen(
            [python, "-c", code, str(given)],
            env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def result(self) -> dict[str, t.Any]:
        out, err = self.process.communicate(timeout=60)
        assert out, err
        return t.cast(t.Dict[str, t.Any], json.loads(out))


@pytest.fixture
def task(tmp_path: Path) -> t.Callable[..., Task]:
    def start(module: str, check: bool = False, python: str = sys.executable, **arguments: t.Any) -> Task:
        return Task(module, arguments, tmp_path, python, check)

    return start
