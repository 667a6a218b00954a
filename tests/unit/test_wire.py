# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bounds-checked reader: never past the end, never less than asked for."""

from __future__ import annotations

import struct

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.wire import Cursor, WireError
from hypothesis import given
from hypothesis import strategies as st

PAIR = struct.Struct(">HB")


def test_reads_in_order_and_counts_what_is_left():
    cursor = Cursor(b"\x01\x02\x03name\0\0\0tail")
    assert cursor.unpack(PAIR) == (0x0102, 3)
    assert cursor.text(7) == "name"
    assert len(cursor) == 4
    assert cursor.take(4) == b"tail"
    assert len(cursor) == 0


def test_a_part_ends_where_it_says():
    cursor = Cursor(b"abcdef")
    part = cursor.sub(3)
    assert part.take(3) == b"abc"
    with pytest.raises(WireError):
        part.take(1)
    assert cursor.take(3) == b"def"


@pytest.mark.parametrize("size", [-1, 5, 2**63])
def test_no_read_outside_and_no_move_by_a_failed_one(size):
    cursor = Cursor(b"abcdef", 1, 5)
    with pytest.raises(WireError):
        cursor.take(size)
    assert cursor.take(4) == b"bcde"


def test_unpacking_needs_the_whole_struct():
    with pytest.raises(WireError):
        Cursor(b"\0\0").unpack(PAIR)


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (0, 4), (3, 2), (4, None)])
def test_a_range_outside_the_bytes_is_refused(start, end):
    with pytest.raises(WireError):
        Cursor(b"abc", start, end)


def test_text_without_a_nul_fills_its_field():
    assert Cursor(b"abc").text(3) == "abc"
    assert Cursor(b"").text(0) == ""


def test_text_that_is_not_utf8_keeps_its_bytes():
    assert Cursor(b"a\xffb\0").text(4).encode("utf-8", "surrogateescape") == b"a\xffb"


@given(st.binary(max_size=64), st.lists(st.integers(-4, 70), max_size=20))
def test_any_reads_of_any_bytes(data, sizes):
    cursor = Cursor(data)
    taken = b""
    for size in sizes:
        try:
            part = cursor.take(size)
        except WireError:
            assert size < 0 or size > len(cursor)
        else:
            assert len(part) == size
            taken += part
    assert data.startswith(taken)
    assert len(cursor) == len(data) - len(taken)
