# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labs whose subnets are leased of pools that are not Lago's."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago import task
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.errors import LeaseError
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.subnet_store import SubnetStore

from tests.libvirt.lago.conftest import Host, lab

POOLS = [{"network": "10.80.0.0/16", "length": 28}, {"network": "fd00:80::/48", "length": 64}]


def run(host: Host, **params: t.Any) -> dict[str, t.Any]:
    prefix = host.prefix()
    said = {name: about.get("default") for name, about in task.SPEC.items()}
    said.update(path=prefix.paths.prefix(), uri=host.daemon.uri, wait_for="none", **params)
    said.update({key: host.settings[key] for key in ("lease_dir", "template_store")})
    return task.run(said, False, lambda _unused: None)


def test_a_lab_leases_of_the_pools_that_it_is_told_and_keeps_what_it_has(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAGO_LIBVIRT_LOGS", host.settings["libvirt_logs"])
    conf = lab("one", "two")
    conf["nets"]["mgmt"].update(ipv6=True, dhcp={"start": 8, "end": 14})
    assert run(host, spec=conf, subnet_pools=POOLS)["changed"]
    store = SubnetStore(host.settings["lease_dir"])
    leased = {"10.80.0.0/28", "fd00:80::/64"}
    assert {str(one.subnet) for one in store.leases()} == leased
    assert host.prefix().virt_env.get_vm("one").all_ips() == ["10.80.0.2", "fd00:80::2"]
    for pools in (POOLS, None, [{"network": "10.99.0.0/16", "length": 24}]):
        assert run(host, spec=conf, subnet_pools=pools)["changes"] == []
    conf["nets"]["more"] = {}
    run(host, spec=conf)
    assert {str(one.subnet) for one in store.leases()} == leased | {"10.80.0.16/28"}
    run(host, state="absent")
    assert store.leases() == []


def test_a_pool_that_makes_no_sense_makes_no_lab(host: Host) -> None:
    with pytest.raises(LeaseError, match="^the pool 10.80.0.0/16 has no subnets of length 8 with room for two hosts$"):
        run(host, spec=lab("one"), subnet_pools=[{"network": "10.80.0.0/16", "length": 8}])
    assert SubnetStore(host.settings["lease_dir"]).leases() == []
