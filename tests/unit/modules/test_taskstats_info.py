# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module's own part. A stand-in for AnsibleModule lets it run where there is no Ansible, as on Python 3.8."""

from __future__ import annotations

import importlib
import sys
import types

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.errors import NetlinkEncodeError, NetlinkError
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.genl import NoSuchFamily
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.taskstats import report

MODULE = "ansible_collections.fleet.hypervisor.plugins.modules.taskstats_info"


class FakeModule:
    """Takes its arguments' defaults; keeps how it ended."""

    def __init__(self, argument_spec, supports_check_mode):
        assert supports_check_mode
        self.params = {name: option["default"] for name, option in argument_spec.items()}
        FakeModule.ended = None

    def exit_json(self, **result):
        FakeModule.ended = result

    def fail_json(self, msg):
        FakeModule.ended = msg


@pytest.fixture
def module(monkeypatch):
    for name in ("ansible", "ansible.module_utils"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    basic = types.ModuleType("ansible.module_utils.basic")
    basic.AnsibleModule = FakeModule
    monkeypatch.setitem(sys.modules, basic.__name__, basic)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    yield importlib.import_module(MODULE)
    sys.modules.pop(MODULE)


def test_the_core_is_asked_with_the_options_and_its_answer_returned(module, monkeypatch):
    asked = {}

    def read(**options):
        asked.update(options)
        return {"tasks": ["one"]}

    monkeypatch.setattr(report, "read", read)
    module.main()
    assert FakeModule.ended == {"changed": False, "tasks": ["one"]}
    small = ["cpu", "delays", "io", "memory"]
    assert asked == {"pids": [], "tgids": [], "qemu": False, "gather": small, "threads": False}


@pytest.mark.parametrize(
    "error, sentence",
    [
        (NetlinkError(1, "taskstats of pid 7"), "taskstats of pid 7: Operation not permitted (root, or"),
        (NoSuchFamily(2, "no family TASKSTATS"), "no family TASKSTATS"),
        (NetlinkEncodeError("pid", "takes more"), "pid: takes more"),
    ],
)
def test_refusals_are_one_sentence(module, monkeypatch, error, sentence):
    def read(**_options):
        raise error

    monkeypatch.setattr(report, "read", read)
    module.main()
    assert FakeModule.ended.startswith(f"Reading task accounting: {sentence}")
