# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names as libdevmapper mangles them: values of its own manual, and of `dmsetup mangle` on Debian 12."""

from __future__ import annotations

import random

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.errors import DmValueError
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.mangle import AUTO, HEX, NONE, mangle, unmangle

PLAIN = [
    ("data", "data"),
    ("we ird", "we\\x20ird"),
    ("souflé", "soufl\\xc3\\xa9"),
    ("#+-.:=@_09azAZ", "#+-.:=@_09azAZ"),
    ("a\\b", "a\\x5cb"),
    ("tab\tnew\nline", "tab\\x09new\\x0aline"),
    ("\udcff", "\\xff"),
]


@pytest.mark.parametrize(("name", "kernel"), PLAIN)
def test_there_and_back(name: str, kernel: str) -> None:
    for mode in (AUTO, HEX):
        assert mangle(name, mode) == kernel
        assert unmangle(kernel, mode) == name
    assert mangle(name, NONE) == name and unmangle(kernel, NONE) == kernel


def test_auto_takes_what_is_mangled_and_hex_does_not() -> None:
    assert mangle("we\\x20ird", AUTO) == "we\\x20ird"
    assert mangle("we\\x20ird", HEX) == "we\\x5cx20ird"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "no empty name"),
        ("a/b", "slash"),
        ("a\0b", "NUL"),
        ("a\\x20b c", "in part only"),
        ("a\\x5cx20b", "more than once"),
        (" " * 32, "128 bytes as the kernel gets it"),
        ("x" * 128, "128 bytes"),
    ],
)
def test_what_is_refused(name: str, words: str) -> None:
    with pytest.raises(DmValueError, match=words):
        mangle(name, AUTO)


def test_limits() -> None:
    assert len(mangle("x" * 127)) == 127
    assert len(mangle("x" * 128, AUTO, "uuid")) == 128
    assert mangle("a/b", AUTO, "uuid") == "a\\x2fb"
    with pytest.raises(DmValueError, match="the uuid"):
        mangle("x" * 129, AUTO, "uuid")


@pytest.mark.parametrize("seed", range(100))
def test_random_names_come_back(seed: int) -> None:
    source = random.Random(seed)
    raw = bytes(
        source.choice([one for one in range(1, 256) if one != 0x2F]) for _unused in range(source.randint(1, 31))
    )
    name = raw.decode("utf-8", "surrogateescape")
    assert unmangle(mangle(name, HEX), HEX) == name
