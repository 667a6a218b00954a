# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests that carry a key tell the kernel to wipe its copies of them."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper import constants as c
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper import control, dmpy
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.devices import task
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.dmsettings import SETTINGS
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.header import Answer, Request
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.payload import message_key

KEY = "00112233445566778899aabbccddeeff"


class Channel:
    """Notes what it is asked, and knows nothing."""

    def __init__(self) -> None:
        self.asked: list[Request] = []

    def ask(self, request: Request) -> Answer:
        self.asked.append(request)
        return Answer((4, 47, 0), 0, 0, 0, 0, 0, request.name, "", b"")


@pytest.fixture
def channel(monkeypatch: pytest.MonkeyPatch) -> Channel:
    made = Channel()
    monkeypatch.setattr(SETTINGS, "channel", made)
    return made


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (f"key set {KEY}", KEY),
        (f"  KEY\tSet  {KEY} ", KEY),
        ("key set :32:logon:name", ""),
        ("key set -", ""),
        ("key set", ""),
        ("key wipe", ""),
        ("@stats_list", ""),
        ("", ""),
    ],
)
def test_the_key_of_a_message(text: str, key: str, channel: Channel) -> None:
    assert message_key(text) == key
    control.message(channel, "a", 0, text)
    by_dmpy = dmpy.DmTask(dmpy.DM_DEVICE_TARGET_MSG)
    by_dmpy.set_name("a")
    by_dmpy.set_message(text)
    by_dmpy.run()
    assert [one.flags for one in channel.asked] == [c.SECURE_DATA if key else 0] * 2


@pytest.mark.parametrize(
    ("kind", "params", "flags"),
    [
        ("crypt", f"aes {KEY} 0 8:0 0", c.SECURE_DATA),
        ("integrity", f"8:0 0 - J 1 journal_mac:hmac(sha256):{KEY}", c.SECURE_DATA),
        ("linear", "8:0 0", 0),
    ],
)
def test_a_table_that_dmpy_loads(kind: str, params: str, flags: int, channel: Channel) -> None:
    for number in (dmpy.DM_DEVICE_RELOAD, dmpy.DM_DEVICE_TABLE):
        asks = dmpy.DmTask(number)
        asks.set_name("a")
        asks.add_target(0, 8, kind, params)
        asks.run()
    load, read = channel.asked
    assert (load.command, load.flags, read.command) == (c.TABLE_LOAD, flags, c.TABLE_STATUS)
    assert read.flags & c.SECURE_DATA  # whatever the table turns out to have


@pytest.mark.parametrize("batch", [False, True])
def test_a_key_is_hidden_before_anything_can_fail(batch: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden: list[str] = []
    item = {"name": "a", "target_message": {"text": f"key set {KEY}", "sector": 0}}
    given = {"devices": [item, {"name": "b", "target_message": None}]} if batch else item
    with pytest.raises(KeyError):  # the parameters are not complete
        task.run(given, False, hidden.append)
    assert hidden == [KEY]
