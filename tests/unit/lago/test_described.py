# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changes for VMs in words alone is a change too."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago import described
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.initfile.model import Domain

from tests.unit.lago.test_converge import CONF, changed, made, things
from tests.unit.lago.test_converge import converge as thing_changes


def of(conf: t.Any) -> list[tuple[str, str, str, str]]:
    return [(one.what, one.how, one.before, one.after) for one in described.changes(made(CONF), made(conf))]


@pytest.mark.parametrize(
    ("field", "value", "line"),
    [
        ("groups", ["web", "db"], "groups web db"),
        ("metadata", {"rack": 7, "at": "b"}, 'metadata {"at": "b", "rack": 7}'),
        ("artifacts", ["/var/log"], "artifacts /var/log"),
        ("service_provider", "sysvinit", "service_provider sysvinit"),
    ],
)
def test_it_is_shown_and_nothing_on_the_host_is_touched(field: str, value: t.Any, line: str) -> None:
    conf = changed(**{f"domains__one__{field}": value})
    found = of(conf)
    assert [(what, how, after) for what, how, _before, after in found] == [
        ("vm one", f"change {field}", f"vm one  {line}")
    ]
    assert found[0][2].startswith(f"vm one  {field} ") and found[0][2] != found[0][3]
    assert thing_changes.changes(things(made(CONF)), things(made(conf)), made(CONF), made(conf)) == []


def test_a_password_is_not_shown() -> None:
    ((what, how, before, after),) = of(changed(**{"domains__one__ssh-password": "swordfish"}))
    assert (what, how, before, after) == ("vm one", "change ssh_password", "vm one", "vm one  changed")


def test_nothing_is_said_of_a_new_vm_nor_of_one_that_goes_nor_of_a_new_lab() -> None:
    conf = changed(domains__three={"memory": 512, "nics": [{"net": "mgmt"}], "disks": [], "groups": ["new"]})
    del conf["domains"]["two"]
    assert of(conf) == []
    assert described.changes(None, made(CONF)) == []


def test_the_same_is_no_change() -> None:
    assert of(CONF) == []


def test_every_field_is_one_of_a_vm() -> None:
    assert set(described.FIELDS) <= set(Domain._fields)
