# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ioctl's header and payloads against bytes of a kernel (Linux 6.1), and what is no answer at all."""

from __future__ import annotations

import os
import random
import struct

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper import constants as c
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper import header, payload
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.errors import (
    DmDecodeError,
    DmError,
    DmRefused,
    DmValueError,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.header import Answer, Request, build, parse

TABLE = [(0, 4096, "linear", "254:16 0"), (4096, 8, "error", ""), (4104, 16, "zero", "ü")]


def answer(data: bytes = b"", count: int = 0, flags: int = 0, version: tuple[int, int, int] = (4, 47, 0)) -> Answer:
    return Answer(version, count, 0, flags, 0, 0, "", "", data)


def test_a_request_is_what_the_header_file_says() -> None:
    request = Request(c.DEV_CREATE, "a", "b", os.makedev(253, 300), c.PERSISTENT_DEV, 7, 2, b"xyz")
    raw = build(request, 1000)
    assert len(raw) == 1000 and header.START == 312
    assert struct.unpack_from("=3I", raw) == (4, 0, 0)
    size, start, targets, opened, flags, event, padding = struct.unpack_from("=IIIiIII", raw, 12)
    assert (size, start, targets, opened, flags, event, padding) == (1000, 312, 2, 0, c.PERSISTENT_DEV, 7, 0)
    assert struct.unpack_from("=Q", raw, 40) == (300 % 256 | 253 << 8 | 300 // 256 << 20,)
    assert raw[48:50] == b"a\0" and raw[176:178] == b"b\0" and raw[312:316] == b"xyz\0"


@pytest.mark.parametrize("command", c.COMMANDS)
def test_every_command_says_the_version_that_brought_it(command: int) -> None:
    assert struct.unpack_from("=3I", build(Request(command, "a"))) == c.COMMANDS[command].since


@pytest.mark.parametrize("numbers", [(0, 0), (253, 0), (253, 255), (253, 256), (254, 1048575), (4095, 1)])
def test_device_numbers(numbers: tuple[int, int]) -> None:
    dev = os.makedev(*numbers)
    assert header.huge_decode(header.huge_encode(dev)) == dev
    assert header.dev_text(dev) == f"{numbers[0]}:{numbers[1]}"


@pytest.mark.parametrize(("name", "words"), [("x" * 128, "128 bytes"), ("a\0b", "NUL"), ("ü" * 64, "128 bytes")])
def test_names_that_do_not_fit(name: str, words: str) -> None:
    with pytest.raises(DmValueError, match=words):
        build(Request(c.DEV_STATUS, name))


def test_an_answer() -> None:
    raw = build(Request(c.DEV_STATUS, "näme", "uu", os.makedev(253, 1), c.SUSPEND, 9, 3, b"data"))
    found = parse(raw)
    assert (found.name, found.uuid, found.dev, found.flags, found.event_nr) == (
        "näme",
        "uu",
        os.makedev(253, 1),
        c.SUSPEND,
        9,
    )
    assert found.payload.startswith(b"data") and found.target_count == 3


def test_a_header_alone() -> None:
    raw = bytearray(build(Request(c.DEV_STATUS, "a")))
    struct.pack_into("=I", raw, 12, 305)  # what the kernel leaves where there is no payload
    assert parse(raw).payload == b""


def test_a_table_there_and_back() -> None:
    """On the way in `next` counts from the line itself, on the way out from the first."""
    raw = bytearray(payload.encode_table(TABLE))
    place = 0
    for _unused in TABLE:
        step = struct.unpack_from("=I", raw, place + 20)[0]
        struct.pack_into("=I", raw, place + 20, place + step)
        place += step
    assert place == len(raw)
    assert payload.decode_table(answer(bytes(raw), len(TABLE))) == TABLE


@pytest.mark.parametrize("line", [(0, 1, "", ""), (0, 1, "x" * 16, ""), (-1, 1, "a", ""), (0, 1 << 64, "a", "")])
def test_lines_that_do_not_fit(line: tuple) -> None:
    with pytest.raises(DmValueError):
        payload.encode_table([line])


def record(name: bytes, dev: int, step: int, event: int, flags: int, uuid: bytes = b"") -> bytes:
    raw = struct.pack("=QI", dev, step) + name + b"\0"
    raw += bytes(-len(raw) % 8) + struct.pack("=II", event, flags)
    return raw + (uuid + b"\0" if uuid else b"")


def test_names_uuids_and_event_numbers() -> None:
    first = record(b"one", 253 << 8, 0, 3, 1, b"u-1")
    first += bytes(-len(first) % 8)
    first = record(b"one", 253 << 8, len(first), 3, 1, b"u-1").ljust(len(first), b"\0")
    found = payload.decode_names(answer(first + record(b"t\\x20o", 253 << 8 | 1, 0, 0, 2)))
    assert found == [("one", os.makedev(253, 0), 3, "u-1"), ("t\\x20o", os.makedev(253, 1), 0, "")]
    assert payload.decode_names(answer(bytes(16))) == []
    assert payload.decode_names(answer(record(b"old", 256, 0, 0, 0), version=(4, 30, 0)))[0].event_nr is None


def test_versions_deps_and_messages() -> None:
    first = struct.pack("=I3I", 24, 1, 2, 3) + b"linear\0\0"
    raw = first + struct.pack("=I3I", 0, 4, 5, 6) + b"thin\0"
    assert payload.decode_versions(answer(raw)) == {"linear": (1, 2, 3), "thin": (4, 5, 6)}
    raw = struct.pack("=I4x2Q", 2, 254 << 8, 253 << 8 | 7)
    assert payload.decode_deps(answer(raw)) == [os.makedev(254, 0), os.makedev(253, 7)]
    assert payload.encode_message(9, "hé") == struct.pack("=Q", 9) + "hé".encode() + b"\0"
    assert payload.decode_message(answer(b"said\0rest", flags=c.DATA_OUT)) == "said"
    assert payload.decode_message(answer(b"said\0")) == ""


DECODERS = [
    payload.decode_table,
    payload.decode_names,
    payload.decode_versions,
    payload.decode_deps,
    payload.decode_message,
]


@pytest.mark.parametrize("seed", range(300))
def test_random_answers_raise_only_their_own_error(seed: int) -> None:
    source = random.Random(seed)
    raw = bytes(source.getrandbits(8) for _unused in range(source.choice((0, 8, 100, 311, 312, 400, 2000))))
    if seed % 2 and len(raw) > 312:  # a header that can be believed, so that the payload is reached
        raw = bytes(build(Request(c.TABLE_STATUS, "a", target_count=source.randint(0, 9)), len(raw)))[:312] + raw[312:]
        raw = raw[:32] + struct.pack("=I", 0) + raw[36:]
    try:
        found = parse(raw)
    except DmDecodeError:
        return
    for count in (0, 1, 3, 1 << 30):
        for decode in DECODERS:
            flags = found.flags | c.DATA_OUT
            try:
                decode(found._replace(target_count=count, flags=flags, version=(4, 47, 0)))
            except DmDecodeError:
                pass


@pytest.mark.parametrize("seed", range(200))
def test_damaged_answers_raise_only_their_own_error(seed: int) -> None:
    source = random.Random(seed)
    good = [
        (payload.decode_table, payload.encode_table(TABLE)),
        (payload.decode_names, record(b"one", 253 << 8, 32, 3, 1, b"u-1") + record(b"two", 253 << 8, 0, 3, 1, b"u")),
        (payload.decode_versions, struct.pack("=I3I", 24, 1, 2, 3) + b"linear\0\0" + struct.pack("=I3I", 0, 4, 5, 6)),
        (payload.decode_deps, struct.pack("=I4x2Q", 2, 254 << 8, 253 << 8)),
    ]
    for decode, raw in good:
        damaged = bytearray(raw[: source.randint(0, len(raw))])
        for _unused in range(source.randint(0, 4)):
            if damaged:
                damaged[source.randrange(len(damaged))] = source.randrange(256)
        try:
            decode(answer(bytes(damaged), 3))
        except DmDecodeError:
            pass


def test_errors_say_what_was_done_to_what() -> None:
    error = DmRefused(22, c.TABLE_LOAD, "data", "a note")
    assert str(error) == "device-mapper: load a table into data: EINVAL (the kernel refuses the table): a note"
    assert (error.errno, error.command, error.device) == (22, c.TABLE_LOAD, "data")
    assert isinstance(error, DmError) and isinstance(error, OSError)
    assert "EBUSY (the name or uuid is taken)" in str(DmRefused(16, c.DEV_CREATE, "x"))
    assert "errno" not in str(DmRefused(5, c.LIST_DEVICES))
