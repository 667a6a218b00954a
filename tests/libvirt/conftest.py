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


NETWORK = """<network><name>{name}</name><forward mode='nat'/><bridge name='{bridge}' stp='off' delay='0'/>
<mtu size='1400'/><ip address='198.51.{octet}.1' netmask='255.255.255.0'>
<dhcp><range start='198.51.{octet}.10' end='198.51.{octet}.20'/></dhcp></ip>
</network>"""
GUEST = """<domain type='qemu'><name>{name}</name><memory unit='MiB'>64</memory><vcpu current='1'>2</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type></os><devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
<source file='{disk}'/><target dev='vda' bus='virtio'/></disk>
</devices></domain>"""


class World(t.NamedTuple):
    connection: Connection
    images: Path


@pytest.fixture(scope="session")
def world(daemon: Daemon) -> t.Iterator[World]:
    """A network, a pool with volumes, and a paused guest on one of them."""
    images = daemon.folder / "images"
    images.mkdir(mode=0o755)
    with Connection(daemon.uri, readonly=False) as connection:
        network = connection.ask("networkCreateXML", NETWORK.format(name="lab", bridge="virbr-lab", octet=100))
        defined = connection.ask("networkDefineXML", NETWORK.format(name="idle", bridge="virbr-idle", octet=101))
        pool = connection.ask(
            "storagePoolCreateXML", f"<pool type='dir'><name>images</name><target><path>{images}</path></target></pool>"
        )
        for name in ("disk 1.qcow2", "disk2.qcow2"):
            pool.createXML(
                f"<volume><name>{name}</name><capacity unit='MiB'>16</capacity>"
                "<target><format type='qcow2'/><permissions><mode>0666</mode></permissions></target></volume>"
            )
        guest = connection.ask("createXML", GUEST.format(name="guest1", disk=images / "disk 1.qcow2"), 1)  # paused
        try:
            yield World(connection, images)
        finally:
            guest.destroy()
            pool.destroy()
            network.destroy()
            defined.undefine()


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

    def result(self, timeout: float = 60) -> dict[str, t.Any]:
        out, err = self.process.communicate(timeout=timeout)
        assert out, err
        return t.cast(t.Dict[str, t.Any], json.loads(out))


@pytest.fixture
def task(tmp_path: Path) -> t.Callable[..., Task]:
    def start(module: str, check: bool = False, python: str = sys.executable, **arguments: t.Any) -> Task:
        return Task(module, arguments, tmp_path, python, check)

    return start
