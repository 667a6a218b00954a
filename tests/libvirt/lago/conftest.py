# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host for labs: a libvirtd of the tests' own, and folders. What a test leaves behind is its error."""

from __future__ import annotations

import gc
import shutil
import tempfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.prefix import Prefix

from tests.libvirt.lago import leftovers
from tests.testbed.libvirt.daemon import Daemon

Conf = t.Dict[str, t.Any]


class Host:
    """`folder`: where labs can be made; QEMU's user comes through it."""

    def __init__(self, daemon: Daemon, folder: Path) -> None:
        self.daemon, self.folder = daemon, folder
        self.settings = {
            **daemon.settings(),
            "lease_dir": str(folder / "leases"),
            "template_store": str(folder / "store"),
            "template_repos": str(folder / "repos"),
        }
        self.prefixes: list[Prefix] = []

    def prefix(self, name: str = "lab") -> Prefix:
        made = Prefix(str(self.folder / name), self.settings)
        self.prefixes.append(made)
        return made

    def look(self) -> frozenset[str]:
        return leftovers.look(self.daemon, self.folder)

    def seen(self) -> frozenset[str]:
        """Without connections to VMs, which other processes of the machine have too."""
        return frozenset(one for one in self.look() if "/lago-ssh-" not in one)

    def check(self, before: frozenset[str]) -> None:
        """Folders of the host's own stay, and those that labs were made in; no file that is in them does."""
        shared = [Path(self.settings[key]) for key in ("lease_dir", "template_store", "template_repos")]
        folders = [path for one in shared for path in (one, *one.rglob("*")) if path.is_dir()]
        folders += [Path(one.paths.prefix()).parent for one in self.prefixes]
        own = frozenset(f"file {path}" for path in folders)
        gc.collect()  # a VM that is known of before a change, and was spoken to since, ends its connection when it goes
        leftovers.check(self.daemon, before | own, self.folder)


@pytest.fixture
def host(daemon: Daemon) -> t.Iterator[Host]:
    yield from a_host(daemon)


def a_host(daemon: Daemon) -> t.Iterator[Host]:
    """At its end its labs are destroyed; what is there then and was not before, the tests have left behind."""
    folder = Path(tempfile.mkdtemp(prefix="fleet-lab-"))
    folder.chmod(0o755)
    made = Host(daemon, folder)
    before = made.look()
    try:
        yield made
    finally:
        for prefix in made.prefixes:
            prefix.destroy()
            prefix.close()
        made.check(before | frozenset(one for one in made.look() if one.startswith(f"file {folder}/kept")))
        shutil.rmtree(folder)


def lab(*names: str, **more: t.Any) -> Conf:
    """VMs that boot nothing, which is all it takes to have them run, in two networks; `more` for each."""
    return {
        "domains": {
            name: {
                "memory": 32,
                "vcpu": 1,
                "nics": [{"net": "mgmt"}, {"net": "wire"}],
                "disks": [{"name": "root", "type": "empty", "size": "1M", "format": "qcow2"}],
                **more,
            }
            for name in names
        },
        "nets": {
            "mgmt": {"management": True, "dhcp": {"start": 100, "end": 200}, "dns_domain_name": "lab.local"},
            "wire": {"type": "bridge"},
        },
    }


@pytest.fixture
def two() -> Conf:
    return lab("one", "two")
