# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A block read by a layout is the block read attribute by attribute, whatever the payloads."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink import attribute
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.attribute import (
    BE16,
    BOOL,
    MAC,
    S32,
    STRING,
    U8,
    U16,
    U32,
    U64,
    Table,
    enum,
    nested,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.errors import NetlinkDecodeError
from hypothesis import given
from hypothesis import strategies as st

INNER = ((1, "deep", U16), (2, "word", STRING))
ROWS = (
    (1, "octet", U8),
    (2, "short", U16),
    (3, "int", U32),
    (4, "long", U64),
    (5, "signed", S32),
    (6, "truth", BOOL),
    (7, "big_endian", BE16),
    (8, "mac", MAC),
    (9, "mode", enum(U8, {1: "one"})),
    (10, "text", STRING),
)
SIZES = {1: 1, 2: 2, 3: 4, 4: 8, 5: 4, 6: 1, 7: 2, 8: 6, 9: 1}


def table() -> Table:
    """A table that has seen nothing yet."""
    return Table(*ROWS, (11, "inner", nested(Table(*INNER))))


def block(numbers, payload) -> bytes:
    return b"".join(attribute.attribute(number, payload(number)) for number in numbers)


@st.composite
def two_alike(draw):
    """Two blocks of the same attributes (unknown and repeated ones among them) with other payloads."""
    numbers = draw(st.lists(st.sampled_from([*SIZES, 10, 77]), max_size=8))
    sizes = {number: SIZES[number] if number in SIZES else draw(st.integers(0, 9)) for number in numbers}
    payload = {number: st.binary(min_size=size, max_size=size) for number, size in sizes.items()}
    return [block(numbers, lambda number: draw(payload[number])) for _unused in range(2)]


@given(two_alike())
def test_the_second_is_read_as_if_it_were_the_first(blocks):
    first, second = blocks
    alone = table().decode(second, 0, len(second))
    seen = table()
    seen.decode(first, 0, len(first))
    assert seen.decode(second, 0, len(second)) == alone


def test_a_layout_is_used():
    """Otherwise the test above would pass without one."""
    seen = table()
    first = block((3, 1), lambda number: b"\1" * SIZES[number])
    assert seen.decode(first, 0, len(first)) == {"int": 0x01010101, "octet": 1}
    seen._known.clear()  # nothing could be decoded by walking now
    second = block((3, 1), lambda number: b"\2" * SIZES[number])
    assert seen.decode(b"...." + second, 4, 4 + len(second)) == {"int": 0x02020202, "octet": 2}


@pytest.mark.parametrize(
    "other",
    [
        block((2, 3), lambda number: b"\2" * SIZES[number]),
        block((3, 6), lambda number: b"\2" * SIZES[number]),
        block((3, 77), lambda number: b"\2" * SIZES.get(number, 1)),
    ],
)
def test_a_block_of_the_same_size_laid_out_otherwise_is_walked(other):
    seen = table()
    first = block((3, 1), lambda number: b"\1" * SIZES[number])
    seen.decode(first, 0, len(first))
    assert len(other) == len(first)
    assert seen.decode(other, 0, len(other)) == table().decode(other, 0, len(other))


def test_what_was_learnt_hides_no_error():
    seen = table()
    good = block((1, 3), lambda number: b"\1" * SIZES[number])
    seen.decode(good, 0, len(good))
    lying = bytearray(good)
    lying[8:10] = (200).to_bytes(2, "little")
    with pytest.raises(NetlinkDecodeError):
        seen.decode(bytes(lying), 0, len(lying))


def test_errors_inside_are_still_errors():
    seen = table()
    good = block((11,), lambda _unused: attribute.attribute(1, b"\0\0"))
    assert seen.decode(good, 0, len(good)) == {"inner": {"deep": 0}}
    bad = good[:4] + b"\7" + good[5:]  # the inner attribute claims another length
    with pytest.raises(NetlinkDecodeError):
        seen.decode(bad, 0, len(bad))


def test_layouts_do_not_grow_without_end(monkeypatch):
    monkeypatch.setattr(attribute, "LAYOUTS", 4)
    seen = table()
    for size in range(1, 40):
        one = block((10,), lambda _unused, size=size: b"x" * size)
        assert seen.decode(one, 0, len(one)) == {"text": "x" * size}
    assert len(seen._layouts) == 4


def test_blocks_of_one_size_that_differ_in_padding_are_all_learnt(monkeypatch):
    """Labels of 5 and of 6 letters take the same room: neither is walked twice."""
    seen = table()
    some = [
        block((1, 10), lambda number, size=size: b"x" * (size if number == 10 else SIZES[number])) for size in (5, 6)
    ]
    expected = [table().decode(one, 0, len(one)) for one in some]
    for one in some:
        seen.decode(one, 0, len(one))
    monkeypatch.setattr(attribute.Table, "_walk", None)
    assert [seen.decode(one, 0, len(one)) for one in some] == expected


def test_layouts_of_one_size_do_not_grow_without_end():
    seen = table()
    for value in range(1, 40):
        one = block((1, value + 100), lambda number: b"\1" * SIZES.get(number, 1))
        seen.decode(one, 0, len(one))
    assert {len(known) for known in seen._layouts.values()} == {attribute.ALTERNATIVES}
