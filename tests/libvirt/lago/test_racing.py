# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labs of the same file at the same time: they share nothing but the host."""

from __future__ import annotations

import json
import os
import re

from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.prefix import Prefix
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.subnet_store import SubnetStore
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.wish import Wish

from tests.libvirt.lago.conftest import Host, lab

LABS = 6
MANY = 60  # more than the pool of Lago has subnets


def _each(host: Host, names: list[str], work) -> list[int]:
    """The work on all prefixes in a process each; their exit statuses."""
    children = []
    for name in names:
        child = os.fork()
        if child == 0:
            try:
                work(Prefix(str(host.folder / name), host.settings))
                os._exit(0)
            except BaseException as error:
                (host.folder / f"kept-{name}").write_text(repr(error))
                os._exit(1)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def test_six_labs_with_the_same_names(host: Host) -> None:
    conf = lab("one")
    before = host.look()
    names = [f"lab{number}" for number in range(LABS)]
    for name in names:
        host.prefix(name)
    assert _each(host, names, lambda prefix: prefix.converge(Wish("started", conf))) == [0] * LABS
    nets = [
        json.loads((host.folder / name / "virt" / f"net-{net}").read_text()) for name in names for net in conf["nets"]
    ]
    vms = [json.loads((host.folder / name / "virt" / "vm-one").read_text()) for name in names]
    nics = [nic for vm in vms for nic in vm["nics"]]
    for found in (
        [net["subnet"] for net in nets if net["subnet"]],
        [net["bridge"] for net in nets],
        [net["libvirt_name"] for net in nets],
        [vm["libvirt_name"] for vm in vms],
        [nic["mac"] for nic in nics],
        [nic["tap"] for nic in nics],
        [nic["ip"] for nic in nics if nic["ip"]],
    ):
        assert len(set(found)) == len(found) >= LABS
    seen = host.look() - before
    assert sum(one.startswith("domain ") for one in seen) == LABS
    assert len({one.split()[2] for one in seen if re.match(r"address lg", one)}) == LABS
    assert _each(host, names, Prefix.destroy) == [0] * LABS
    host.check(before)


def test_more_labs_than_subnets_one_after_the_other(host: Host) -> None:
    """None leaks its lease: the first subnet is free again each time, and in the end all are."""
    conf = lab("one")
    store = SubnetStore(host.settings["lease_dir"])
    for _unused in range(MANY):
        prefix = host.prefix()
        prefix.virt_conf(conf)
        assert len(store.leases()) == 1
        prefix.destroy()
        prefix.close()
    assert store.leases() == []
