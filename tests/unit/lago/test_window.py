# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests that are told what time it is, by agents whose channels open a little later than the guest runs."""

from __future__ import annotations

import time
import typing as t
from contextlib import contextmanager

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago import window
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.documents.domain import AGENT


class Domain:
    def UUIDString(self) -> str:
        return "its uuid"


class Waking:
    """The channel is open from a look on; `set`: what the agent was told."""

    def __init__(self, opens_at: int) -> None:
        self.opens_at, self.looks = opens_at, 0
        self.set: list[dict[str, int]] = []

    @contextmanager
    def beside(self) -> t.Iterator[Waking]:
        yield self

    def ask(self, what: str, uuid: str) -> Domain:
        assert (what, uuid) == ("lookupByUUIDString", "its uuid")
        return Domain()

    def ask_of(self, domain: Domain, what: str, *asked: t.Any) -> t.Any:
        if what == "XMLDesc":
            self.looks += 1
            state = "connected" if self.looks >= self.opens_at else "disconnected"
            return f"<domain><devices><channel><target name='{AGENT}' state='{state}'/></channel></devices></domain>"
        if what == "setTime":
            self.set.append(*asked)
        return None


def test_an_agent_whose_channel_opens_after_the_guest_runs() -> None:
    connection = Waking(opens_at=3)
    window.set_clocks(connection, {"one": Domain()})  # type: ignore[arg-type]
    (told,) = connection.set
    assert abs(told["seconds"] + told["nseconds"] / 1e9 - time.time()) < 0.5


def test_an_agent_that_does_not_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "BACK", 0.05)
    connection = Waking(opens_at=1_000_000)
    window.set_clocks(connection, {"one": Domain()})  # type: ignore[arg-type]
    assert connection.set == []
