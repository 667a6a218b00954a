# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far the writing of memory is, where libvirt refuses to say it at first."""

from __future__ import annotations

import threading
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.errors import KvmError
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago import memory


class Refusing:
    """Says how far the job is from the second time on; the memory is written once that was heard."""

    def __init__(self) -> None:
        self.asked = 0
        self.told = threading.Event()

    def ask_of(self, domain: str, what: str, *asked: t.Any) -> t.Any:
        if what == "snapshotCreateXML":
            assert self.told.wait(10), "it was not asked again"
            return None
        self.asked += 1
        if self.asked == 1:
            raise KvmError("migration was active, but no RAM info was set")
        return [2, 0, 0, 400, 0, 300]


def test_a_first_look_that_is_refused_is_not_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "LOOK", 0.001)
    connection, heard = Refusing(), []

    def hear(done: int, of: int) -> None:
        heard.append((done, of))
        connection.told.set()

    memory.take(t.cast(t.Any, connection), "domain", [], "/image", [], hear)
    assert set(heard) == {(100, 400)}
