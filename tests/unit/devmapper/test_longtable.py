# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Long tables are read and compared in columns: what comes out has to be what line by line gives."""

from __future__ import annotations

import random
import struct

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper import longtable, payload
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.errors import DmDecodeError
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.header import Answer
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.targets import equality

COUNT = 300
ALIKE = [(n * 8, 8, "linear", f"254:16 {100000 + n}") for n in range(COUNT)]
TEXTS = ("254:16 800", "", "x" * 7, "y" * 8, "ü \udcff", "two\nlines", "254:16 4096")


def encoded(lines: list[payload.Line]) -> bytes:
    """As the kernel gives a table: `next` counts from the first line, and the last is not filled up."""
    raw, place = bytearray(payload.encode_table(lines)), 0
    for line in lines:
        place += struct.unpack_from("=I", raw, place + 20)[0]
        struct.pack_into("=I", raw, place - size(line) + 20, place)
    return bytes(raw[: place - -(len(_raw(lines[-1])) + 1) % 8])


def size(line: payload.Line) -> int:
    return 40 + (len(_raw(line)) + 8 & ~7)


def _raw(line: payload.Line) -> bytes:
    return line[3].encode("utf-8", "surrogateescape")


def answer(data: bytes, count: int = COUNT) -> Answer:
    return Answer((4, 47, 0), count, 0, 0, 0, 0, "", "", data)


def line_by_line(data: bytes, monkeypatch: pytest.MonkeyPatch) -> list[payload.Line]:
    with monkeypatch.context() as patch:
        patch.setattr(payload, "LONG", 1 << 40)
        return payload.decode_table(answer(data))


def test_lines_that_are_alike() -> None:
    lines, place = longtable.decode(encoded(ALIKE), COUNT)
    assert lines == ALIKE[: len(lines)] and len(lines) >= COUNT - 1
    assert place == len(lines) * size(ALIKE[0])
    assert payload.decode_table(answer(encoded(ALIKE))) == ALIKE


@pytest.mark.parametrize("seed", range(60))
def test_lines_of_many_sizes_and_types(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    source = random.Random(seed)
    lines: list[payload.Line] = []
    while len(lines) < COUNT:
        kind, text = source.choice(("linear", "error", "zero")), source.choice(TEXTS)
        lines += [(len(lines) * 8, 8, kind, text)] * source.choice((1, 2, 20, 70))
    data = encoded(lines[:COUNT])
    assert payload.decode_table(answer(data)) == lines[:COUNT] == line_by_line(data, monkeypatch)


@pytest.mark.parametrize("seed", range(300))
def test_damaged_tables_read_the_same_either_way(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    source = random.Random(seed)
    damaged = bytearray(encoded(ALIKE))
    for _unused in range(source.randint(1, 3)):
        damaged[source.randrange(len(damaged))] = source.choice((0, 10, 65, 255))
    data = bytes(damaged[: source.choice((len(damaged), source.randint(0, len(damaged))))])
    try:
        found = line_by_line(data, monkeypatch)
    except DmDecodeError:
        with pytest.raises(DmDecodeError):
            payload.decode_table(answer(data))
    else:
        assert payload.decode_table(answer(data)) == found


def resolve(device: str) -> str:
    return {"/dev/vdb": "254:16", "/dev/vdc": "254:32"}.get(device, device)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({7: (56, 8, "linear", "/dev/vdb 100007")}, True),
        ({7: (56, 8, "linear", "/dev/vdb  0100007")}, True),
        ({7: (56, 8, "linear", "/dev/vdc 100007")}, False),
        ({7: (56, 8, "linear", "/dev/none 100007")}, False),
        ({7: (56, 8, "linear", "/dev/vdb 100008")}, False),
        ({7: (56, 16, "linear", "/dev/vdb 100007")}, False),
        ({7: (56, 8, "error", "")}, False),
    ],
)
def test_a_long_table_is_compared_with_what_the_kernel_has(change: dict[int, payload.Line], same: bool) -> None:
    wanted = [
        change.get(n, (start, length, kind, f"/dev/vdb {100000 + n}"))
        for n, (start, length, kind, _args) in enumerate(ALIKE)
    ]
    assert equality.same_table(wanted, ALIKE, resolve) is same
    assert not equality.same_table(wanted[1:], ALIKE, resolve)


def test_more_devices_than_are_put_in_one_by_one() -> None:
    wanted = [(n * 8, 8, "linear", f"/dev/disk{n} 0") for n in range(50)]
    live = [(n * 8, 8, "linear", f"259:{n} 0") for n in range(50)]
    assert equality.same_table(wanted, live, lambda device: device.replace("/dev/disk", "259:"))
    live[49] = (392, 8, "linear", "259:48 0")
    assert not equality.same_table(wanted, live, lambda device: device.replace("/dev/disk", "259:"))
