# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's libdevmapper is found by the name that its distribution has for it."""

from __future__ import annotations

import ctypes

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.stats import spelling


class Library:
    def __init__(self, version: bytes) -> None:
        self.version = version

    def dm_get_library_version(self, room: ctypes.Array[ctypes.c_char], _size: int) -> int:
        room.value = self.version
        return 1


@pytest.mark.parametrize("name", ["libdevmapper.so.1.02.1", "libdevmapper.so.1.02"])
@pytest.mark.parametrize(("version", "quoted"), [(b"1.02.185 (2022-05-18)", False), (b"1.02.197 (2023-11-21)", True)])
def test_either_name_is_asked(name: str, version: bytes, quoted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(asked: str) -> Library:
        if asked != name:
            raise OSError(asked)
        return Library(version)

    monkeypatch.setattr(spelling.ctypes, "CDLL", load)
    assert spelling.quoted() is quoted


def test_without_a_library_in_quotes(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(asked: str) -> Library:
        raise OSError(asked)

    monkeypatch.setattr(spelling.ctypes, "CDLL", load)
    assert spelling.quoted() is True
